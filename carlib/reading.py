"""Read files that somebody else may have put there: no wait, no surprise."""

import errno
import hashlib
import json
import os
import stat
from typing import Any, BinaryIO


def open_file(path: str | os.PathLike) -> BinaryIO:
    """Open a file for reading its bytes; what is none is never waited for.

    A FIFO would make the reader wait for a writer, a device never end.

    Raises:
        OSError: It can't be opened, or isn't a regular file.
    """
    file = open(path, "rb", opener=_at_once)  # noqa: PTH123, SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is a device, not a file", str(path))


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(path: str | os.PathLike, most: int = 2**16) -> Any:
    """Return the value in a small JSON file that somebody else may have written.

    Raises:
        OSError: It can't be read, or isn't a regular file.
        ValueError: It's larger than `most` bytes, or isn't JSON.
    """
    with open_file(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits.

    Raises:
        OSError: It can't be read, or isn't a regular file.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
