"""A shard as a file: rows in a `.npy` whose name is the SHA-256 of all of it.

It is written by an atomic rename, and read in blocks, never mapped.
"""

import hashlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from carlib.errors import CarlibError
from carlib.files import write_bytes
from carlib.reading import open_file

BLOCK = 1 << 20  # bytes read at once
SHARD, DAMAGED = "?" * 64 + ".npy", "?" * 64 + ".damaged"  # as their names go
LARGEST = 1 << 30  # bytes; merged ones have half as many
HOLES = 32  # times what a file takes of the disk may be what it holds
AGAIN = 9  # times that is looked for what others move meanwhile


class ShardError(CarlibError):
    """A file is not the shard that its name says; never leaves carlib."""


def write_shard(folder: Path, parts: Sequence[np.ndarray], prefix: str = "") -> Path:
    """Write rows, given in parts, as one `.npy` whose name is its SHA-256."""
    header = header_of(parts[0].dtype, sum(map(len, parts)))
    digest = hashlib.sha256(header)
    for part in parts:
        digest.update(part.data)
    path = folder / f"{prefix}{digest.hexdigest()}.npy"
    write_bytes(path, header, *(part.data for part in parts))
    return path


def read_shard(path: Path, dtype: np.dtype, name: str) -> Iterator[np.ndarray]:
    """Yield a shard's rows block by block; what came counts only if all of it came.

    Raises:
        ShardError: Its content isn't what its name says, or rows of another kind.
        OSError: It can't be read.
    """
    with open_file(path) as file:
        status = os.fstat(file.fileno())
        header = header_of(dtype, count_rows(status.st_size, dtype))
        _check_claims(status, dtype, header, file.read(len(header)))
        digest = hashlib.sha256(header)
        per_block = max(1, BLOCK // dtype.itemsize)
        while data := file.read(per_block * dtype.itemsize):
            digest.update(data)
            if len(data) % dtype.itemsize == 0:
                yield np.frombuffer(data, dtype)
    if digest.hexdigest() != name:
        raise ShardError("its content does not match its name")


def _check_claims(
    status: os.stat_result, dtype: np.dtype, header: bytes, start: bytes
) -> None:
    """Refuse a file by its size and its beginning, before the rest of it is read."""
    size = status.st_size
    on_disk = 512 * getattr(status, "st_blocks", size)
    if size > LARGEST or on_disk * HOLES < size:
        raise ShardError(f"it says that it has {size:,} bytes")
    if start != header or (size - len(header)) % dtype.itemsize:
        raise ShardError("it is damaged, or no shard of this backbone's")


def row_type(folder: Path | None, n_features: int) -> np.dtype:
    """Return what a row of a backbone's shards is.

    Its title binds a shard to its backbone: moved elsewhere it's another kind.
    """
    title = folder.name if folder else "memory"
    fields = [((title, "photo"), "u1", 32), ("features", "<f4", (n_features,))]
    return np.dtype(fields)


def count_rows(size: int, dtype: np.dtype) -> int:
    """Return how many rows a shard of so many bytes holds."""
    return max(0, (size - len(header_of(dtype, 0))) // dtype.itemsize)


def header_of(dtype: np.dtype, count: int) -> bytes:
    """Return what a `.npy` file of so many rows begins with."""
    buffer = io.BytesIO()
    fields = {"descr": dtype.descr, "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def sizes_of(folder: Path) -> list[int]:
    """Return the sizes of a folder's shards, whoever merges them meanwhile."""
    for _ in range(AGAIN):
        sizes = [size_of(path) for path in folder.glob(SHARD)]
        if all(sizes):
            break
    return sizes


def size_of(path: Path) -> int:
    """Return a file's size; of one that isn't there any more, or is none, 0."""
    try:
        status = path.stat()
    except OSError:  # a link in a circle is none either
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
