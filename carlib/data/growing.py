"""A CSV that grows block by block, and goes on where it was left."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from carlib.data.spreadsheet import as_csv, bare
from carlib.errors import DataError, OutputError
from carlib.files import append_bytes, as_path, named_in_errors, write_bytes
from carlib.reading import open_file

MOST_A_ROW = 1 << 20  # bytes: a file of something else isn't read to its end


class GrowingCsv:
    """A table in a file to which rows are added; those that stand there stay.

    Each block is on the disk before the next is asked for. What a kill in the middle of
    one has left of its last row is cut off when the file is opened again. It is read
    back by `read_csv`.

    Args:
        path: The file; it is made where there is none.
        columns: The names of its columns.
        key: The column that tells rows apart.
        same: What some columns hold in each row.

    Attributes:
        kept: The keys of the rows that stood there.

    Raises:
        DataError: What stands there is no such table, or one of other columns, or holds
            other rows.
        OutputError: It can't be written.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        columns: Sequence[str],
        key: str,
        same: Mapping[str, str],
    ):
        self.path, self.columns, self.same = as_path(path), list(columns), dict(same)
        self.kept: set[str] = set()
        self._size = 0  # of its whole rows
        with named_in_errors(self.path):
            if self.path.exists() and self.path.stat().st_size:
                self._read(self.columns.index(key))
                append_bytes(self.path, b"", self._size)
            else:
                header = as_csv(pd.DataFrame(columns=self.columns))
                write_bytes(self.path, header)
                self._size = len(header)

    def append(self, rows: pd.DataFrame) -> None:
        """Add rows that have its columns, among others; all of them, or none.

        Raises:
            OutputError: They can't be written, or somebody else writes there, too.
        """
        data = as_csv(rows.assign(**self.same)[self.columns], header=False)
        with named_in_errors(self.path):
            if self.path.stat().st_size != self._size:
                raise OutputError(
                    f"{self.path} was changed while it was being written.",
                    hint="Let one program write to it, and run the command again.",
                )
            append_bytes(self.path, data, self._size)
        self._size += len(data)

    def _read(self, key: int) -> None:
        """Note the rows that stand there; refuse those of another table."""
        try:
            rows = csv.reader(self._whole_rows(), strict=True)
            header = [bare(name) for name in next(rows, [])]
            if header != self.columns:
                raise self._other(f"the columns {', '.join(header) or '(none)'}")
            expected = {self.columns.index(name): v for name, v in self.same.items()}
            for row in rows:
                self._check(row, expected)
                self.kept.add(bare(row[key]))
        except (OSError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"{self.path} is not a table that can be read: {reason}."
            ) from error

    def _check(self, row: list[str], expected: Mapping[int, str]) -> None:
        if len(row) != len(self.columns):
            raise self._other(f"a row of {len(row):,} fields")
        for column, value in expected.items():
            if row[column] != value:
                raise self._other(f"{self.columns[column]} {row[column]!r}")

    def _other(self, received: str) -> DataError:
        same = "".join(f", {name} {value!r}" for name, value in self.same.items())
        return DataError(
            f"{self.path} holds another table, to which nothing is added. Expected the "
            f"columns {', '.join(self.columns)}{same}. Received: {received}",
            hint="Name another file, or move this one away.",
        )

    def _whole_rows(self) -> Iterator[str]:
        """Yield the rows that have an end, each with its line ends, and add them up.

        A line ends a row where the quotes before it are paired.
        """
        row, quotes = bytearray(), 0
        with open_file(self.path) as file:
            while line := file.readline(MOST_A_ROW):
                row += line
                quotes += line.count(b'"')
                if len(row) >= MOST_A_ROW:
                    raise self._other(f"a row of more than {MOST_A_ROW >> 20} MiB")
                if line.endswith(b"\n") and quotes % 2 == 0:
                    self._size += len(row)
                    yield row.decode("utf-8", "surrogateescape")
                    row, quotes = bytearray(), 0
