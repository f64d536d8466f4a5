"""A shard as a file: rows in a `.npy` whose name is the SHA-256 of all of it.

It is written by an atomic rename, and read in blocks, never mapped. Beside a large one
lies a hint, its rows' photos alone, so that it needn't be read to tell where a photo
may be. Nothing proves a hint: what it promises counts when the shard was read.
"""

import contextlib
import functools
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from carlib.errors import CarlibError
from carlib.files import make_way, write_bytes
from carlib.reading import open_file

BLOCK = 1 << 20  # bytes read at once
SHARD, DAMAGED = "?" * 64 + ".npy", "?" * 64 + ".damaged"  # as their names go
HINT = "?" * 64 + ".keys"
LARGEST = 1 << 30  # bytes; merged ones have half as many
HINTED = 1 << 20  # bytes of rows from which on there is one: fewer are as soon read
AGAIN = 9  # times that is looked for what others move meanwhile


class ShardError(CarlibError):
    """A file is not the shard that its name says; never leaves carlib."""


def write_shard(folder: Path, parts: Sequence[np.ndarray], prefix: str = "") -> Path:
    """Write rows, given in parts, as one `.npy` whose name is its SHA-256.

    A large one gets its hint, but for what has a prefix: that is no shard.
    """
    header = header_of(parts[0].dtype, sum(map(len, parts)))
    digest = hashlib.sha256(header)
    for part in parts:
        digest.update(part.data)
    path = folder / f"{prefix}{digest.hexdigest()}.npy"
    make_way(path)
    write_bytes(path, header, *(part.data for part in parts))
    if not prefix and sum(part.nbytes for part in parts) >= HINTED:
        write_hint(path, [part["photo"] for part in parts])
    return path


def write_hint(path: Path, photos: Sequence[np.ndarray]) -> None:
    """Write which photos a shard's rows are of, uint8 (n, 32) each, where that can be.

    Without it the shard is read instead.
    """
    with contextlib.suppress(OSError):  # a full disk, or a folder of that name
        make_way(hint_of(path))
        write_bytes(hint_of(path), *(part.tobytes() for part in photos))


def read_hint(path: Path, dtype: np.dtype, size: int) -> np.ndarray | None:
    """Return which photos a shard's rows may be of, uint8 (n, 32).

    None: there is no hint, or one that can't be of a shard of that size.

    Args:
        dtype: What a row is.
        size: The shard's, in bytes.
    """
    expected = 32 * count_rows(size, dtype)
    if expected and HINTED <= size <= LARGEST:
        with contextlib.suppress(OSError), open_file(hint_of(path)) as file:
            if os.fstat(file.fileno()).st_size == expected:
                data = file.read(expected) or b""
                if len(data) == expected:
                    return np.frombuffer(data, np.uint8).reshape(-1, 32)
    return None


def remove_hint(path: Path) -> None:
    """Remove a shard's hint, if it has one."""
    with contextlib.suppress(OSError):
        hint_of(path).unlink(missing_ok=True)


def hint_of(path: Path) -> Path:
    """Return where a shard's hint lies."""
    return path.with_suffix(".keys")


def read_shard(
    path: Path, dtype: np.dtype, name: str, most: int = LARGEST
) -> Iterator[np.ndarray]:
    """Yield a shard's rows block by block; what came counts only if all of it came.

    Args:
        dtype: What a row is; its first field is a hash.
        most: Bytes that it may have.

    Raises:
        ShardError: Its content isn't what its name says, or rows of another kind.
        OSError: It can't be read.
    """
    with open_file(path) as file:
        count = _rows_claimed(file, dtype, most)
        digest = hashlib.sha256(header_of(dtype, count))
        per_block = max(1, BLOCK // dtype.itemsize)
        for start in range(0, count, per_block):
            data = file.read(min(per_block, count - start) * dtype.itemsize) or b""
            digest.update(data)
            yield _checked(data, dtype)
    if digest.hexdigest() != name:
        raise ShardError("its content does not match its name")


def _rows_claimed(file: BinaryIO, dtype: np.dtype, most: int) -> int:
    """Return how many rows follow, by a file's size and header, before they're read."""
    size = os.fstat(file.fileno()).st_size
    count = count_rows(size, dtype)
    header = header_of(dtype, count)
    if size > most:
        raise ShardError(f"it says that it has {size:,} bytes")
    whole = size == len(header) + count * dtype.itemsize
    if not whole or file.read(len(header)) != header:
        raise ShardError("it is damaged, or no shard of this backbone's")
    return count


def _checked(data: bytes, dtype: np.dtype) -> np.ndarray:
    """Return a block's rows, unless it is cut, or has what a hole in a file reads as.

    Of how much of a file is a hole no system tells the truth always; no hash is 0.
    """
    if not data or len(data) % dtype.itemsize:
        raise ShardError("it was cut meanwhile")
    rows = np.frombuffer(data, dtype)
    if not rows[dtype.names[0]].any(axis=1).all():
        raise ShardError("it has rows of nothing")
    return rows


def is_shard(name: str) -> bool:
    """Tell whether a file has a shard's name."""
    return len(name) == len(SHARD) and name.endswith(".npy")


def row_type(folder: Path | None, n_features: int) -> np.dtype:
    """Return what a row of a backbone's shards is.

    Its title binds a shard to its backbone: moved elsewhere it's another kind.
    """
    title = folder.name if folder else "memory"
    fields = [((title, "photo"), "u1", 32), ("features", "<f4", (n_features,))]
    return np.dtype(fields)


def count_rows(size: int, dtype: np.dtype) -> int:
    """Return how many rows a shard of so many bytes holds."""
    return max(0, (size - _header_bytes(dtype)) // dtype.itemsize)


@functools.lru_cache(16)
def _header_bytes(dtype: np.dtype) -> int:
    return len(header_of(dtype, 0))


def header_of(dtype: np.dtype, count: int) -> bytes:
    """Return what a `.npy` file of so many rows begins with."""
    buffer = io.BytesIO()
    fields = {"descr": dtype.descr, "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def sizes_of(folder: Path) -> list[int]:
    """Return the sizes of a folder's shards, whoever merges them meanwhile.

    What can be none, such as a folder of such a name, isn't counted.
    """
    for _ in range(AGAIN):
        sizes = [size_of(path) for path in folder.glob(SHARD)]
        if all(sizes):
            break
    return [size for size in sizes if 0 < size <= LARGEST]


def size_of(path: Path) -> int:
    """Return a file's size; of one that isn't there any more, or is none, 0."""
    try:
        status = path.stat()
    except OSError:  # a link in a circle is none either
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
