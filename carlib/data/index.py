"""`index.csv`, read and checked row by row; nothing that is wrong stays unnamed."""

import csv
import io
import os
import posixpath
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from carlib.data.locate import PHOTO_SUFFIXES
from carlib.errors import DataError

FIELDS = ("image", "class", "subset")
SUBSETS = {"t": "T", "train": "T", "training": "T"}
SUBSETS |= {"v": "V", "val": "V", "valid": "V", "validation": "V"}
# Columns of the tables that carlib makes: a class of that name could not be told apart.
RESERVED = frozenset(
    {"image_path", "damage_class", "subset", "error", "predicted_label", "score"}
)


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


def read_index(path: Path, photos: "PhotoFolder") -> tuple[list[Row], list[Problem]]:
    """Return the rows of an index.csv that are right, and what is wrong with others.

    Raises:
        DataError: It can't be read at all, or lacks a column.
    """
    records = _records(_text(path))
    _, header = next(records, (0, []))
    where = _columns(header, path)
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


def _text(path: Path) -> str:
    hint = "Save it as UTF-8; in Excel: CSV UTF-8 (comma delimited)."
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path} is a folder or a device, not a file.")
        data = path.read_bytes()
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{path} is UTF-16.", hint=hint)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((data[: error.start] + b".").splitlines())
        byte = data[error.start]
        text = f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8."
        raise DataError(text, hint=hint) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error


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


def _columns(header: list[str] | csv.Error, path: Path) -> list[int]:
    if isinstance(header, csv.Error):
        raise DataError(f"{path}, the header: {header}.")
    names = [name.casefold() for name in header]
    if all(names.count(field) == 1 for field in FIELDS):
        return [names.index(field) for field in FIELDS]
    parted = len(names) == 1 and re.search(r"[;\t|]", names[0])
    raise DataError(
        f"{path}: expected the columns {', '.join(FIELDS)}, each once; got "
        f"{', '.join(repr(name) for name in names) or 'none'}.",
        hint=f"Separate the fields by commas, not by {parted[0]!r}." if parted else "",
    )


def _row(
    line: int, fields: list[str], photos: "PhotoFolder"
) -> tuple[Row, Sequence[str]]:
    image, label, subset = fields
    faults = [f"{n} is empty" for n, v in zip(FIELDS, fields, strict=True) if not v]
    faults += ["it holds a NUL character"] * ("\0" in "".join(fields))
    letter = SUBSETS.get(subset.casefold(), "")
    if subset and not letter:
        faults.append(f"subset is {subset!r}, not T or V")
    try:
        image = photos.find(image) if image else image
    except LookupError as error:
        faults.append(str(error))
    return Row(line, image, unicodedata.normalize("NFC", label), letter), faults


class PhotoFolder:
    """The files in a data folder, found by the names that an index may use for them."""

    def __init__(self, root: Path):
        self.root, self.real = root, root.resolve()
        self.listings: dict[str, dict[str, os.DirEntry]] = {}

    def find(self, name: str) -> str:
        """Return a photo's path inside the folder, with the names that are on the disk.

        Raises:
            LookupError: Why it isn't accepted.
        """
        path = posixpath.normpath(name.replace("\\", "/"))
        if path.startswith(("/", "../")) or re.match(r"[A-Za-z]:|\.\.$", path):
            raise LookupError(f"{name} leads out of the data folder")
        folder, file = posixpath.split(path)
        entry = self._entry(path, folder, file)
        if entry.is_symlink():
            self._check_inside(Path(entry.path), name)
        if not _is_file(entry):
            raise LookupError(f"{path} is not a file")
        return posixpath.join(folder, entry.name)

    def unlisted(self, rows: Sequence[Row]) -> int:
        """Count the photos that lie beside the listed ones without being listed."""
        there = (name for names in self.listings.values() for name in names)
        photos = sum(Path(name).suffix.lower() in PHOTO_SUFFIXES for name in there)
        return max(0, photos - len({row.image for row in rows}))

    def _entry(self, path: str, folder: str, file: str) -> os.DirEntry:
        entries = self._listing(folder)
        if file in entries:
            return entries[file]
        alike = [e for n, e in entries.items() if _plain(n) == _plain(file)]
        for entry in alike:  # another Unicode form, or a disk that ignores case
            same = unicodedata.normalize("NFC", entry.name)
            if same == unicodedata.normalize("NFC", file) or self._exists(path):
                return entry
        meant = (
            f"; did you mean {posixpath.join(folder, alike[0].name)}?" if alike else ""
        )
        raise LookupError(f"there is no {path}{meant}")

    def _exists(self, path: str) -> bool:
        try:
            return (self.root / path).is_file()
        except (OSError, ValueError):
            return False

    def _listing(self, folder: str) -> dict[str, os.DirEntry]:
        if folder not in self.listings:
            path = self.root / folder
            self._check_inside(path, folder)
            try:
                with os.scandir(path) as entries:
                    self.listings[folder] = {entry.name: entry for entry in entries}
            except (OSError, ValueError):
                self.listings[folder] = {}
        return self.listings[folder]

    def _check_inside(self, path: Path, name: str) -> None:
        try:
            inside = path.resolve().is_relative_to(self.real)
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle
            raise LookupError(f"{name} leads nowhere") from error
        if not inside:
            raise LookupError(f"{name} leads out of the data folder, by a link")


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle; Python 3.13 resolves them to themselves
        return False


def _plain(text: str) -> str:
    """Return what is left of a text without case, space and Unicode form."""
    return re.sub(r"\s", "", unicodedata.normalize("NFC", text)).casefold()


def label_problems(rows: Sequence[Row]) -> Iterator[Problem]:
    """Name classes that look the same, and those that a column is named like."""
    spelled: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        spelled[_plain(row.label)].setdefault(row.label, row.line)
    for spellings in spelled.values():
        for label, line in spellings.items():
            if label in RESERVED:
                yield Problem(line, f"no class may be called {label}")
        if len(spellings) > 1:
            each = " and ".join(map(repr, spellings))
            yield Problem(max(spellings.values()), f"one class or several? {each}")


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
