"""A stat index like git's: which photo lies at a path, told without reading it.

An entry says: when this path had this size, these times and this inode, its bytes had
this SHA-256. Change a file in any way and the operating system changes its ctime, which
no program can set back. As with git's index, what was changed so shortly before it was
read that the clock might not tell a later change apart is not entered ("racy").

Windows has no such time: there nothing is entered, and every photo is read and hashed.
"""

import contextlib
import hashlib
import os
import re
import struct
import threading
from pathlib import Path

import numpy as np

from carlib.bottlenecks.shard_file import ShardError, read_shard, write_shard
from carlib.bottlenecks.status import Status, status_of, statuses_in

MOST = 1 << 27  # bytes of an index: a million and a half of photos
RACY = 3_000_000_000  # nanoseconds; FAT counts in steps of two seconds
TRUSTED = os.name != "nt"
PREFIX = "photos-"
MOST_HELD_BACK = 1024  # entries: to read and hash so many photos takes a second or two
ENTRY = np.dtype([("path", "u1", 16), ("stat", "<i8", 5), ("photo", "u1", 32)])
_INDEX = re.compile(re.escape(PREFIX) + r"[0-9a-f]{64}\.npy")  # as its name goes
_STAT = slice(16, 56)
_KEY = slice(56, 88)


class StatIndex:
    """What is known of files from their status alone; several threads may ask.

    Args:
        folder: Where the index is kept; None: nowhere. `refresh` reads it.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder if TRUSTED else None
        self._entries: dict[bytes, bytes] = {}
        self._learnt: dict[bytes, bytes] = {}  # of these, what is in no file yet
        self._statuses: dict[str, Status | None] = {}  # of its files, mostly one
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Read the index, unless its files are those that were read or written last."""
        if self.folder is None:
            return
        with self._lock:
            now = statuses_in(self.folder, _INDEX.fullmatch)
            if now == self._statuses and None not in now.values():
                return
            entries: dict[bytes, bytes] = {}
            for name in sorted(now):
                entries |= self._entries_in(self.folder / name)
            self._entries, self._statuses = entries | self._learnt, now

    def _entries_in(self, path: Path) -> dict[bytes, bytes]:
        entries: dict[bytes, bytes] = {}
        with contextlib.suppress(ShardError, OSError):  # photos are read again
            name = path.stem.removeprefix(PREFIX)
            for rows in read_shard(path, ENTRY, name, MOST):
                data = rows.tobytes()
                for start in range(0, len(data), ENTRY.itemsize):
                    entry = data[start : start + ENTRY.itemsize]
                    entries[entry[:16]] = entry
            return entries
        return {}

    def key_at(self, path: Path) -> bytes | None:
        """Return the SHA-256 of a file's bytes if it is known and unchanged."""
        entry = self._entries.get(_digest(path)) if self._entries else None
        if entry is None:
            return None
        try:
            now = _stat_bytes(path.stat())
        except (OSError, ValueError):
            return None
        return entry[_KEY] if entry[_STAT] == now else None

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
        if self.folder is None or read_at - latest < RACY:
            return
        digest = _digest(path)
        entry = digest + _stat_bytes(status) + key
        if self._entries.get(digest) != entry:
            self._learnt[digest] = entry  # first: a refresh takes it from there
            self._entries[digest] = entry

    def save(self, hold_back: bool = False) -> None:
        """Write the index if it has learnt something, or much if the rest may wait."""
        if len(self._learnt) > MOST_HELD_BACK * hold_back:
            self.write()

    def write(self) -> None:
        """Write the index, if it has learnt something, in the place of the old one."""
        with self._lock:
            if self._learnt:
                self._learnt = {}
                self._replace([*self._entries.values()])

    def forget_all_but(self, keys: set[bytes]) -> None:
        """Keep only the entries of these photos, in one file."""
        with self._lock:
            entries = self._entries.items()
            kept = {path: entry for path, entry in entries if entry[_KEY] in keys}
            if len(kept) < len(entries) or len(self._statuses) > 1:
                self._entries, self._learnt = kept, {}
                self._replace([*kept.values()])

    def _replace(self, entries: list[bytes]) -> None:
        rows = np.frombuffer(b"".join(sorted(entries)), ENTRY)
        with contextlib.suppress(OSError):  # a read-only workspace, a full disk
            written = [write_shard(self.folder, [rows], PREFIX)] if len(rows) else []
            names = [path.name for path in written]
            for name in self._statuses.keys() - names:
                with contextlib.suppress(OSError):  # a folder of that name stays
                    (self.folder / name).unlink()
            self._statuses = dict.fromkeys(names)


def _digest(path: Path) -> bytes:
    place = str(path.absolute()).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(place, digest_size=16).digest()


def _stat_bytes(status: os.stat_result) -> bytes:
    return struct.pack("<3q2Q", *status_of(status))
