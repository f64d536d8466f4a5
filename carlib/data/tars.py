"""Photos in tars, read where they lie: nothing is unpacked.

For those that are read one by one, in any order, where they lie is kept of each tar.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from carlib.data import stores
from carlib.data.addresses import is_address, shown, tars_of
from carlib.data.opening import MAX_BYTES, read
from carlib.data.tar_table import Member, Table, table_in
from carlib.data.walk import Walk, by_suffix
from carlib.errors import ArchiveError, ImageError
from carlib.reading import open_file

KEPT = 10_000_000  # members whose places are kept: 240 MB
SIDE_FILES = ("cls", "json", "txt")  # what may lie beside a photo, of its name


def is_tar(path: str | os.PathLike) -> bool:
    """Tell by its name whether something is a tar, packed ones too."""
    return bool(re.search(r"\.(tar(\.\w{2,4})?|tgz|tbz2?|txz)$", str(path).lower()))


def table_of(tar: str) -> Table:
    """Return what is in a tar.

    Raises:
        ArchiveError: As from `table_in`.
        ImageError: It can't be read at all.
    """
    with _opened(tar) as file:
        table = table_in(file, shown(tar))
    _keep((tar, *_identity(tar)), _Places.of(table))
    return table


def walk_tar(tar: str) -> Walk:
    """Look for photos in a tar, as `walk` does in a folder.

    Raises:
        ArchiveError, ImageError: As from `table_of`.
    """
    members, left_out = table_of(tar)
    found = by_suffix(members)
    others = [(Path(name), kind) for name, kind in left_out]
    return Walk(found.photos, found.left_out + others)


def read_member(name: str) -> bytes:
    """Return the bytes of a photo in a tar, such as shards/000.tar/1.jpeg.

    Of folders whose names end in .tar the files are read as any others.

    Raises:
        ImageError: It isn't there, or can't be read.
    """
    for tar, inside in tars_of(name):
        if is_address(tar) or not Path(tar).is_dir():
            return _member_of(tar, inside)
    return read(name)


def _member_of(tar: str, inside: str) -> bytes:
    called = f"{shown(tar)}/{inside}"
    try:
        member = _places_of(tar).find(inside)
    except ArchiveError as error:
        why = "; ".join([error.message.rstrip(".:"), *error.problems[:1]])
        raise ImageError(f"{called} can't be read: {why}.") from None
    if member is None:
        raise ImageError(f"{called} does not exist.")
    if member.size > MAX_BYTES:
        raise ImageError(f"{called} is too large: {member.size:,} bytes.")
    if is_address(tar):
        return stores.read_part(tar, *member)
    with _opened(tar) as file:
        return _bytes_of(file, member, called)


def read_members(
    tar: str, members: Iterable[tuple[str, Member]], most: int
) -> Iterator[bytes]:
    """Yield the first bytes of some members, `most` of each, in one go.

    Raises:
        ImageError: They can't be read.
    """
    with _opened(tar) as file:
        for name, (start, size) in members:
            part = Member(start, min(size, most))
            yield _bytes_of(file, part, f"{shown(tar)}/{name}")


def _bytes_of(file: BinaryIO, member: Member, called: str) -> bytes:
    file.seek(member.start)
    data = file.read(member.size)
    if len(data) != member.size:
        raise ImageError(f"{called} can't be read: the tar is cut off.")
    return data


@contextlib.contextmanager
def _opened(tar: str) -> Iterator[BinaryIO]:
    if is_address(tar):
        with stores.opened(tar) as file:
            yield file
        return
    try:
        with open_file(tar) as file:
            yield file
    except FileNotFoundError:
        raise ImageError(f"{tar} does not exist.") from None
    except OSError as error:
        raise ImageError(f"{tar} can't be read: {error.strerror or error}.") from error


class _Places(NamedTuple):
    """Where a tar's members lie, those beside photos left out: 24 bytes a member.

    `names` are the beginnings of the names' hashes, sorted.
    """

    names: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, table: Table) -> "_Places":
        found = [
            (_hash(name), *member)
            for name, member in table.members.items()
            if not name.lower().endswith(SIDE_FILES)
        ]
        columns = np.array(found, np.uint64).reshape(-1, 3)
        return cls(*columns[columns[:, 0].argsort()].T.copy())

    def find(self, name: str) -> Member | None:
        wanted = np.uint64(_hash(name))
        place = int(np.searchsorted(self.names, wanted))
        if place == len(self.names) or self.names[place] != wanted:
            return None
        return Member(int(self.starts[place]), int(self.sizes[place]))


def _hash(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


_kept: OrderedDict[tuple, _Places] = OrderedDict()
_lock, _scanning = threading.Lock(), threading.Lock()


def _places_of(tar: str) -> _Places:
    """Return where a tar's members lie; a file that has changed is looked at again."""
    key = (tar, *_identity(tar))
    if (found := _known(key)) is None:
        with _scanning:
            if (found := _known(key)) is None:
                table_of(tar)
                found = _known(key)
    return _Places.of(table_of(tar)) if found is None else found


def _known(key: tuple) -> _Places | None:
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def _keep(key: tuple, places: _Places) -> None:
    """Keep the places in a tar, and those in the others asked for last."""
    with _lock:
        _kept[key] = places
        while len(_kept) > 1 and sum(len(each.names) for each in _kept.values()) > KEPT:
            _kept.popitem(last=False)


def _identity(tar: str) -> tuple[int, ...]:
    """Return what a file has no more when it was changed; an address doesn't tell."""
    if is_address(tar):
        return ()
    try:
        status = os.stat(tar)  # noqa: PTH116
    except (OSError, ValueError):
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
