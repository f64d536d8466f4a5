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
import struct
from pathlib import Path

import numpy as np

from carlib.bottlenecks.shard_file import ShardError, read_shard, write_shard

MOST = 1 << 27  # bytes of an index: a million and a half of photos
RACY = 3_000_000_000  # nanoseconds; FAT counts in steps of two seconds
TRUSTED = os.name != "nt"
PREFIX = "photos-"
INDEX = PREFIX + "[0-9a-f]" * 64 + ".npy"  # as its name goes
ENTRY = np.dtype([("path", "u1", 16), ("stat", "<i8", 5), ("photo", "u1", 32)])
_STAT = slice(16, 56)
_KEY = slice(56, 88)


class StatIndex:
    """What is known of files from their status alone.

    Args:
        folder: Where the index is kept; None: nowhere.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder if TRUSTED else None
        self._entries: dict[bytes, bytes] = {}
        self._files: list[Path] = []
        self._changed = False
        with contextlib.suppress(OSError):  # a folder that may not be entered
            for path in sorted(folder.glob(INDEX)) if self.folder else ():
                self._load(path)

    def _load(self, path: Path) -> None:
        self._files.append(path)
        entries: dict[bytes, bytes] = {}
        with contextlib.suppress(ShardError, OSError):  # photos are read again
            name = path.stem.removeprefix(PREFIX)
            for rows in read_shard(path, ENTRY, name, MOST):
                data = rows.tobytes()
                for start in range(0, len(data), ENTRY.itemsize):
                    entry = data[start : start + ENTRY.itemsize]
                    entries[entry[:16]] = entry
            self._entries |= entries

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
            self._entries[digest] = entry
            self._changed = True

    def save(self) -> None:
        """Write the index, if it has learnt something, in the place of the old one."""
        if self._changed:
            self._replace(self._entries.values())

    def forget_all_but(self, keys: set[bytes]) -> None:
        """Keep only the entries of these photos, in one file."""
        kept = [e for e in self._entries.values() if e[_KEY] in keys]
        if len(kept) < len(self._entries) or len(self._files) > 1:
            self._replace(kept)

    def _replace(self, entries) -> None:
        rows = np.frombuffer(b"".join(sorted(entries)), ENTRY)
        with contextlib.suppress(OSError):  # a read-only workspace, a full disk
            written = [write_shard(self.folder, [rows], PREFIX)] if len(rows) else []
            for path in set(self._files).difference(written):
                with contextlib.suppress(OSError):  # a folder of that name stays
                    path.unlink()
            self._files, self._changed = written, False


def _digest(path: Path) -> bytes:
    place = str(path.absolute()).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(place, digest_size=16).digest()


def _stat_bytes(status: os.stat_result) -> bytes:
    return struct.pack(
        "<3q2Q",
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev & (1 << 64) - 1,
    )
