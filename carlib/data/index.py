"""`index.csv`, read and checked row by row; nothing that is wrong stays unnamed."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from carlib.data.labels import alike, groups, label_fault, normal_label
from carlib.data.listed import Place
from carlib.errors import DataError

FIELDS = ("image", "class", "subset")
SUBSETS = {"t": "T", "train": "T", "training": "T"}
SUBSETS |= {"v": "V", "val": "V", "valid": "V", "validation": "V"}
SUBSETS |= {"test": "test", "testing": "test"}  # left out, unless asked for
# What others call these columns, to be told what to do about it.
ALIASES = {
    "image": ("filename", "file_name", "file", "path", "filepath", "image_path"),
    "class": ("label", "labels", "category", "class_name", "damage_class", "target"),
    "subset": ("split", "set", "dataset", "fold", "partition"),
}


class Row(NamedTuple):
    """One photo: its line in the index (0: none), path in the folder, class, T or V."""

    line: int
    image: str
    label: str
    subset: str


class Problem(NamedTuple):
    """What is wrong, and in which line (0: in none)."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


def read_index(
    path: Path | str, photos: Place, columns: Mapping[str, str]
) -> tuple[list[Row], list[Problem]]:
    """Return the rows of an index.csv that are right, and what is wrong with others.

    Args:
        path: What messages call it.
        photos: Where it lies, and the photos.
        columns: Other names for its columns; see `load_index`.

    Raises:
        DataError: It can't be read at all, lies elsewhere, or lacks a column.
    """
    records = _records(_text(path, photos.index()))
    _, header = next(records, (0, []))
    where = _columns(header, path, columns)
    rows, problems = [], []
    for line, fields in records:
        if isinstance(fields, csv.Error):
            problems.append(Problem(line, f"{fields}; nothing after it was read"))
        elif len(fields) != len(header):
            counts = f"{len(fields)} fields, where the header has {len(header)}"
            problems.append(Problem(line, counts))
        else:
            row, faults = _row(line, [fields[i] for i in where], photos)
            problems += [Problem(line, fault) for fault in faults]
            rows += [] if faults else [row]
    if not rows and not problems:
        raise DataError(f"{path} has no rows below its header.")
    return rows, problems


def _text(path: Path | str, data: bytes) -> str:
    hint = "Save it as UTF-8; in Excel: CSV UTF-8 (comma delimited)."
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:2]:
            raise DataError(f"{path} is UTF-16.", hint=hint)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((data[: error.start] + b".").splitlines())
        byte = data[error.start]
        text = f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8."
        raise DataError(text, hint=hint) from error


def _records(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Yield the line on which a record begins and its stripped fields; skip blanks."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, error


def _columns(
    header: list[str] | csv.Error, path: Path | str, columns: Mapping[str, str]
) -> list[int]:
    """Return where image, class and subset stand in a record."""
    if isinstance(header, csv.Error):
        raise DataError(f"{path}, the header: {header}.")
    renamed = {old.casefold(): new for old, new in columns.items()}
    names = [renamed.get(name.casefold(), name.casefold()) for name in header]
    if all(names.count(field) == 1 for field in FIELDS):
        return [names.index(field) for field in FIELDS]
    raise DataError(
        f"{path}: expected the columns {', '.join(FIELDS)}, each once. Received: "
        f"{', '.join(map(repr, names)) or 'none'}",
        hint=_column_hint(names),
    )


def _column_hint(names: list[str]) -> str:
    parted = len(names) == 1 and re.search(r"[;\t|]", names[0])
    if parted:
        return f"Separate the fields by commas, not by {parted[0]!r}."
    meant = {
        name: field
        for field in FIELDS
        if field not in names
        for name in [each for each in names if each in ALIASES[field]][:1]
    }
    if not meant:
        return ""
    each = ", ".join(f"{old} to {new}" for old, new in meant.items())
    return f"Rename {each}; or, in Python, pass load_index(..., columns={meant})."


def _row(line: int, fields: list[str], photos: Place) -> tuple[Row, Sequence[str]]:
    image, label, subset = fields
    faults = [f"{n} is empty" for n, v in zip(FIELDS, fields, strict=True) if not v]
    letter = SUBSETS.get(subset.casefold(), "")
    if subset and not letter:
        faults.append(f"subset is {subset!r}, not T or V")
    try:
        image = photos.find(image) if image else image
    except LookupError as error:
        faults.append(str(error))
    return Row(line, image, normal_label(label), letter), faults


def label_problems(rows: Sequence[Row]) -> Iterator[Problem]:
    """Name classes that look the same, and names that no class may have."""
    lines: dict[str, int] = {}
    for row in rows:
        lines.setdefault(row.label, row.line)
    for label, line in lines.items():
        if why := label_fault(label):
            yield Problem(line, why)
    for same in groups(lines, alike):
        each = " and ".join(map(repr, sorted(same, key=lambda label: lines[label])))
        yield Problem(max(map(lines.get, same)), f"one class or several? {each}")


def contradictions(rows: Sequence[Row]) -> Iterator[Problem]:
    """Name photos with two classes, or in both T and V."""
    by_image: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_image[row.image].append(row)
    for image, same in by_image.items():
        for what, column in (("classes", 2), ("subsets", 3)):
            if len({row[column] for row in same}) > 1:
                each = ", ".join(f"{row[column]} (line {row.line})" for row in same)
                yield Problem(same[0].line, f"{image} has several {what}: {each}")
