"""Files by their status: what has the one it had when it was read needn't be read."""

import contextlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

# Nanoseconds within which the clock that dates files might not tell two changes apart.
TICK = 100_000_000
Status = tuple[int, int, int, int, int]


def status_of(status: os.stat_result) -> Status:
    """Return what changes with any change of a file: size, times, inode and device."""
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev & (1 << 64) - 1,
    )


def statuses_in(
    folder: Path, is_one: Callable[[str], object]
) -> dict[str, Status | None]:
    """Return the status of each of a folder's files that has such a name.

    None: it tells nothing, for it is no file, or was changed just now.
    """
    found: dict[str, Status | None] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_one(entry.name):
                found[entry.name] = _settled(entry)
    return found


def _settled(entry: os.DirEntry) -> Status | None:
    try:
        status = os.stat(entry.path)  # noqa: PTH116 - not what Windows lists: it lags
    except OSError:  # a link in a circle, or it is gone by now
        return None
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    is_settled = stat.S_ISREG(status.st_mode) and time.time_ns() - changed > TICK
    return status_of(status) if is_settled else None
