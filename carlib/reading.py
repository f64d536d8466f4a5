"""Read files that somebody else may have put there: no wait, no surprise."""

import errno
import hashlib
import json
import os
import stat
from typing import Any, BinaryIO


def open_file(path: str | os.PathLike) -> BinaryIO:
    """Open a file for reading its bytes; what is none is never waited for.

    A FIFO would make the reader wait for a writer, a device never end. Some do what
    they are for as soon as they're opened, so the kind is looked at before, too. A
    `read` gives None where one would wait all the same, as of the kernel's log.

    Raises:
        OSError: It can't be opened, or isn't a regular file.
    """
    _check_kind(path, os.stat(path))  # noqa: PTH116
    file = open(path, "rb", opener=_at_once)  # noqa: PTH123, SIM115
    try:
        _check_kind(path, os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def _check_kind(path: str | os.PathLike, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        why = "it is a folder or a device, not a file"
        raise OSError(errno.EINVAL, why, str(path))


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(path: str | os.PathLike, most: int = 2**16) -> Any:
    """Return the value in a small JSON file that somebody else may have written.

    Raises:
        OSError: It can't be read, or isn't a regular file.
        ValueError: It's larger than `most` bytes, or isn't JSON.
    """
    with open_file(path) as file:
        data = file.read(most + 1) or b""
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits.

    It is read as far as its size goes: some of the system's own files have no end.

    Raises:
        OSError: It can't be read, or isn't a regular file.
    """
    digest = hashlib.sha256()
    with open_file(path) as file:
        left = os.fstat(file.fileno()).st_size
        while data := file.read(min(left, 2**20)):
            digest.update(data)
            left -= len(data)
    return digest.hexdigest()
