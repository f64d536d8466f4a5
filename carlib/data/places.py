"""What data can lie in: a folder, one in a store, a tar, several tars."""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from carlib.data import stores
from carlib.data.addresses import is_address, shown
from carlib.data.class_folders import read_class_folders
from carlib.data.folder import INDEX, PhotoFolder
from carlib.data.index import SUBSETS, Problem, Row
from carlib.data.labels import normal_label
from carlib.data.listed import PhotoList, Place
from carlib.data.photos import read_content
from carlib.data.samples import CLASSES, Tar, has_samples, read_samples
from carlib.data.sources import Source
from carlib.data.stores import Entry
from carlib.data.tars import is_tar, table_of
from carlib.data.walk import is_junk
from carlib.errors import ArchiveError, DataError, ImageError
from carlib.files import as_path

MOST_TARS = 100_000
# What may lie beside tars, as img2dataset and DALI write it.
BESIDE = frozenset({".txt", ".json", ".parquet", ".idx", ".md"})
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


class TarList(PhotoList):
    """The files in tars.

    Args:
        called: What messages call them: the tar, the pattern or the folder.
        tars: The tars.

    Raises:
        ArchiveError: Tars are refused, or aren't there; all of them are named.
    """

    def __init__(self, called: str, tars: Sequence[str]):
        self.by_tar: dict[str, Tar] = {}
        entries, left_out, problems = {}, [], []
        for tar, before in zip(tars, _befores(tars), strict=True):
            try:
                table = table_of(tar)
            except (ArchiveError, ImageError) as error:
                problems += [error.message, *error.problems]
                continue
            self.by_tar[before] = Tar(tar, table.members)
            for inside, member in table.members.items():
                if not any(map(is_junk, inside.split("/"))):
                    entries[before + inside] = Entry(f"{tar}/{inside}", member.size)
            left_out += [(Path(before + each), kind) for each, kind in table.left_out]
        if problems:
            raise ArchiveError(f"{called}: tars can't be read.", problems)
        super().__init__(called, entries, left_out)


def _befores(tars: Sequence[str]) -> list[str]:
    """Return what stands before the names in each tar: its own, if it isn't alone."""
    if len(tars) == 1:
        return [""]
    common = re.sub(r"[^/\\]*$", "", os.path.commonprefix(tars))
    return [f"{tar[len(common) :]}/" for tar in tars]


def place_at(name: str | os.PathLike) -> Place:
    """Return where data lie.

    Raises:
        DataError: There is nothing, or it isn't a folder or tars.
        ArchiveError: Tars are refused; all of them are named.
        OptionError: The address isn't read, or a package is missing.
    """
    text = str(name) if is_address(str(name)) else str(as_path(name))
    called = shown(text).rstrip("/")
    if is_tar(text) and not Path(text).is_dir():
        return TarList(called, list(_expanded(text)))
    entries = stores.listed(text) if is_address(text) else {}
    root = Path(text)
    if not entries:
        _check_folder(root)
    found = _alone([each.address for each in entries.values()] or _there(root))
    if found:
        return TarList(called, found)
    return PhotoList(called, entries) if entries else PhotoFolder(root)


def _there(root: Path) -> list[str]:
    """Return what lies in a folder, and in those in it that are named as subsets.

    Where there is an index that alone is: nothing else says where photos lie.
    """
    if os.path.lexists(root / INDEX):
        return [INDEX]
    there = []
    for each in sorted(root.iterdir()):
        inside = each.name.casefold() in SUBSETS and each.is_dir()
        there += sorted(each.iterdir()) if inside else [each]
    return [str(each) for each in there if not is_junk(each.name)]


def _alone(there: Sequence[str]) -> list[str]:
    """Return the tars there are, if nothing is beside them that could be photos."""
    found = [each for each in there if is_tar(each)]
    beside = {Path(each).suffix.lower() for each in there} - {
        Path(each).suffix.lower() for each in found
    }
    return found if beside <= BESIDE else []


def _expanded(pattern: str) -> Iterator[str]:
    """Yield what a pattern stands for: {000..009} is a range, zeros as in its start.

    Raises:
        DataError: A range runs backwards, or there are too many.
    """
    parts = _RANGE.split(pattern)
    ranges = []
    for first, last in zip(parts[1::3], parts[2::3], strict=True):
        numbers = range(int(first), int(last) + 1)
        if not 0 < len(numbers) <= MOST_TARS:
            raise DataError(
                f"Expected a range such as {{000..009}}, of {MOST_TARS:,} at most. "
                f"Received: {{{first}..{last}}}"
            )
        ranges.append([f"{number:0{len(first)}}" for number in numbers])
    for chosen in itertools.islice(itertools.product(*ranges), MOST_TARS):
        between = itertools.zip_longest(parts[::3], chosen, fillvalue="")
        yield "".join(itertools.chain.from_iterable(between))


def rows_without_index(place: Place) -> tuple[list[Row], list[Problem]]:
    """Return the rows of class folders, or of tars' samples, and what is wrong.

    Raises:
        DataError: As from `read_class_folders`.
    """
    if isinstance(place, TarList) and has_samples(place.by_tar.values()):
        tars = place.by_tar
        return read_samples(tars, _classes(next(iter(tars.values())).path))
    return read_class_folders(place)


def _classes(tar: str) -> list[str]:
    """Return the classes' names from the file beside a tar, if it's there."""
    beside = re.sub(r"[^/\\]*$", CLASSES, tar, count=1)
    try:
        content, _ = read_content(Source(beside))
        lines = bytes(content).decode("utf-8-sig").splitlines()
    except ImageError as error:
        if error.message.endswith("does not exist."):
            return []
        raise DataError(error.message) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(beside)} is not UTF-8.") from error
    return [normal_label(line) for line in lines]


def _check_folder(root: Path) -> None:
    if root.is_file():
        hint = "locate_data unpacks a zip and returns its folder."
        raise DataError(
            f"Expected a folder. Received: {root}, which is a file", hint=hint
        )
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.")
