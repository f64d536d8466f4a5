"""A stat index like git's: which photo lies at a path, told without reading it.

An entry says: when this path had this size, these times and this inode, its bytes had
this SHA-256. Change a file in any way and the operating system changes its ctime, which
no program can set back. As with git's index, what was changed so shortly before it was
read that the clock might not tell a later change apart is not entered ("racy").

Windows has no such time: there nothing is entered, and every photo is read and hashed.
"""

import contextlib
import hashlib
import itertools
import os
import re
import struct
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from carlib.bottlenecks.shard_file import (
    ShardError,
    count_rows,
    read_shard,
    size_of,
    write_shard,
)
from carlib.bottlenecks.status import Status, status_of, statuses_in
from carlib.bottlenecks.tables import FACTOR, Tables, as_words

MOST = 1 << 30  # bytes of one of its files: twelve millions of photos
FEW = 1 << 20  # bytes of a file that goes into another one, however small that is
RACY = 3_000_000_000  # nanoseconds; FAT counts in steps of two seconds
TRUSTED = os.name != "nt"
PREFIX = "photos-"
MOST_HELD_BACK = 1024  # entries: to read and hash so many photos takes a second or two
# An index is read when the photos that were asked for weigh as much, at about so many
# bytes each: until then it is sooner to read them.
A_PHOTO = 1 << 17
ALWAYS_READ = 1 << 24  # bytes
AT_ONCE = 1 << 20  # entries that are looked for at once
ENTRY = np.dtype([("path", "u1", 16), ("stat", "<i8", 5), ("photo", "u1", 32)])
_INDEX = re.compile(re.escape(PREFIX) + r"[0-9a-f]{64}\.npy")  # as its name goes
_N_STAT = 40  # bytes


class Holder(Protocol):
    """What holds photos."""

    def may_hold(self, keys: np.ndarray) -> np.ndarray:
        """Tell of photos, uint8 (n, 32), if they lie here."""


class StatIndex:
    """What is known of files from their status alone; several threads may ask.

    Args:
        folder: Where the index is kept; None: nowhere. `refresh` reads it.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder if TRUSTED else None
        self._entries = _no_entries()
        self._learnt: dict[bytes, bytes] = {}  # what is in no file yet
        self._statuses: dict[str, Status | None] = {}  # of its files, mostly one
        self._odd: set[str] = set()  # of these, what can't be read
        self._n_asked, self._is_read = 0, True
        self._lock = threading.RLock()

    def refresh(self, n_photos: int | None = None) -> None:
        """Read what of the index was not read or written before.

        Args:
            n_photos: How many will be asked for: for a few of many it isn't read, and
                nothing learnt. None: it's read in any case.
        """
        if self.folder is None:
            return
        with self._lock:
            now = statuses_in(self.folder, _INDEX.fullmatch)
            self._n_asked += n_photos or 0
            if now == self._statuses and None not in now.values():
                return
            gone = self._statuses.keys() - now.keys()
            if gone or not all(map(self._is_still_whole, now.items())):
                self._entries, self._statuses = _no_entries(), {}
            new = now.keys() - (self._statuses.keys() - self._odd)
            sizes = {name: self._size(name, now[name]) for name in new}
            weight = sum(size for size in sizes.values() if size <= MOST)
            self._is_read = n_photos is None or weight <= max(
                ALWAYS_READ, self._n_asked * A_PHOTO
            )
            if self._is_read:
                self._take_up(sorted(new, key=sizes.__getitem__, reverse=True))
                self._statuses = now

    def _is_still_whole(self, item: tuple[str, Status | None]) -> bool:
        """Tell whether a file of the index, if it was read, is what it was."""
        name, status = item
        known = name in self._statuses and name not in self._odd
        if not known or (status and self._statuses[name] == status):
            return True
        return self._rows_in(name) is not None

    def _size(self, name: str, status: Status | None) -> int:
        return status[0] if status else size_of(self.folder / name)

    def _take_up(self, names: Sequence[str]) -> None:
        self._odd = set()
        for name in names:
            rows = self._rows_in(name)
            if rows is None:
                self._odd.add(name)
            else:
                self._entries.add(rows)

    def _rows_in(self, name: str) -> np.ndarray | None:
        """Return a file's entries as words; None: photos are read again."""
        path = self.folder / name
        with contextlib.suppress(ShardError, OSError):
            digest = path.stem.removeprefix(PREFIX)
            count = count_rows(min(size_of(path), MOST), ENTRY)
            rows, filled = np.empty(count, ENTRY), 0
            for block in read_shard(path, ENTRY, digest, MOST):
                rows[filled : filled + len(block)] = block
                filled += len(block)
            return as_words(rows[:filled])
        return None

    def key_at(self, path: Path) -> bytes | None:
        """Return the SHA-256 of a file's bytes if it is known and unchanged."""
        if not (self._entries or self._learnt):
            return None
        digest, now = _digest(path), None
        for entry in self._known_at(digest):
            try:
                now = now or _stat_bytes(path.stat())
            except (OSError, ValueError):
                return None
            if entry[:_N_STAT] == now:
                return entry[_N_STAT:]
        return None

    def _known_at(self, digest: bytes) -> Iterator[bytes]:
        """Yield what is known of a path: its status, and the photo that it was then."""
        if learnt := self._learnt.get(digest):
            yield learnt
        yield from self._entries.matches(digest)

    def learn(
        self, path: Path, status: os.stat_result, read_at: int, key: bytes
    ) -> None:
        """Enter what was read at a path.

        Args:
            status: The file's, from just before it was read.
            read_at: When that was, in nanoseconds, or a little earlier.
            key: The SHA-256 of what was read.
        """
        latest = max(status.st_mtime_ns, status.st_ctime_ns)
        if self.folder is None or not self._is_read or read_at - latest < RACY:
            return
        digest = _digest(path)
        entry = _stat_bytes(status) + key
        if entry not in self._known_at(digest):
            self._learnt[digest] = entry

    def save(self, hold_back: bool = False) -> None:
        """Write the index if it has learnt something, or much if the rest may wait."""
        if len(self._learnt) > MOST_HELD_BACK * hold_back:
            self.write()

    def write(self) -> None:
        """Write what was learnt, with what lies in files that aren't much larger."""
        with self._lock:
            if self._learnt:
                rows = self._take_up_learnt()
                names = self._small_files(rows.nbytes)
                if len(names) < len(self._statuses):
                    rows = self._merged(names, rows)
                else:
                    rows = self._entries.distinct()
                self._replace(names, rows)

    def _take_up_learnt(self) -> np.ndarray:
        learnt = dict(self._learnt)
        data = b"".join(itertools.chain(*learnt.items()))
        rows = as_words(np.frombuffer(data, ENTRY))
        self._entries.add(rows)  # first: who asks finds it there or here
        for digest in learnt:
            self._learnt.pop(digest)
        return rows

    def _small_files(self, n_bytes: int) -> list[str]:
        """Return what goes with so many bytes into a new file: the largest last."""
        statuses = {n: s for n, s in self._statuses.items() if n not in self._odd}
        sizes = {name: self._size(name, status) for name, status in statuses.items()}
        names, most = [*self._odd], max(FEW, FACTOR * n_bytes)
        for name in sorted(sizes, key=sizes.__getitem__):
            n_bytes += sizes[name]
            if sizes[name] > most or n_bytes > MOST:
                break
            names.append(name)
        return names

    def _merged(self, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
        found = _no_entries()
        parts = [self._rows_in(name) for name in reversed(names)]
        found.add(*(part for part in parts if part is not None), rows)
        return found.distinct()

    def forget_all_but(self, holders: Sequence[Holder]) -> None:
        """Keep only the entries of photos that somebody holds, in as few files."""
        with self._lock:
            self._take_up_learnt()
            rows = self._entries.distinct()
            held = _held_by_any(holders, rows)
            if not held.all() or len(self._statuses) > 1:
                rows, self._entries = rows[held], _no_entries()
                self._entries.add(rows)
                self._replace([*self._statuses], rows)

    def _replace(self, names: Collection[str], rows: np.ndarray) -> None:
        """Write entries, and remove the files of these names."""
        most = count_rows(MOST, ENTRY)
        parts = [rows[i : i + most] for i in range(0, len(rows), most)]
        with contextlib.suppress(OSError):  # a read-only workspace, a full disk
            written = [self._written(part) for part in parts]
            for name in set(names) - set(written):
                with contextlib.suppress(OSError):  # a folder of that name stays
                    (self.folder / name).unlink()
            left = {n: s for n, s in self._statuses.items() if n not in names}
            self._statuses = left | dict.fromkeys(written)
            self._odd -= set(names)

    def _written(self, rows: np.ndarray) -> str:
        entries = np.ascontiguousarray(rows).view(ENTRY).reshape(-1)
        return write_shard(self.folder, [entries], PREFIX).name


def _no_entries() -> Tables:
    return Tables(n_key=2, n_words=11)


def _held_by_any(holders: Sequence[Holder], rows: np.ndarray) -> np.ndarray:
    held = np.zeros(len(rows), bool)
    for start in range(0, len(rows), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        photos = np.ascontiguousarray(rows[some, 7:]).view(np.uint8).reshape(-1, 32)
        for holder in holders:
            held[some] |= holder.may_hold(photos)
    return held


def _digest(path: Path) -> bytes:
    place = str(path.absolute()).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(place, digest_size=16).digest()


def _stat_bytes(status: os.stat_result) -> bytes:
    return struct.pack("<3q2Q", *status_of(status))
