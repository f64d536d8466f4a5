"""Read photos ahead of the network: file → bytes → key → pixels, on threads.

A photo's file, or what lies at its address, is read once: what is hashed is what is
decoded, whatever happens to the file meanwhile.
"""

import hashlib
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carlib.cores import usable_cores
from carlib.data import images, opening, stores, tars
from carlib.data.addresses import is_address, tars_of
from carlib.data.images import Shape
from carlib.data.sources import Source
from carlib.errors import ImageError

CHUNK = 8  # photos a job: fewer, and handing out the jobs costs more than they do


@dataclass(slots=True)
class Photo:
    """What became of one source.

    `key` is b"" where it can't be read; `squares` has a place for each shape asked for,
    with None where those pixels aren't needed; `error` says what is wrong. `status` is
    the file's, as it was at `read_at`.
    """

    row: int
    key: bytes = b""
    squares: Sequence[np.ndarray | None] = ()
    error: str = ""
    status: os.stat_result | None = None
    read_at: int = 0


def photo_key(content: bytes | np.ndarray) -> bytes:
    """Return the SHA-256 that stands for a photo: of its bytes, or shape and pixels."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    return hashlib.sha256(
        f"pixels {content.shape} ".encode() + content.tobytes()
    ).digest()


def mirrored_key(key: bytes) -> bytes:
    """Return what stands for a photo's mirror image: to the cache, another photo."""
    return hashlib.sha256(key + b" mirrored").digest()


def read_ahead(
    sources: Sequence[Source],
    rows: Iterable[int],
    shapes: Sequence[Shape],
    needed: Callable[[bytes], Sequence[bool]],
) -> Generator[Photo, None, None]:
    """Yield the photos of some rows, in order, with the pixels that are needed.

    Args:
        rows: Which of the sources.
        shapes: What `images.squares` is to make of each.
        needed: Tells, by a photo's key, which of the shapes are needed.
    """

    def read_chunk(chunk: Sequence[int]) -> list[Photo]:
        return [read_one(row) for row in chunk]

    def read_one(row: int) -> Photo:
        photo, source = Photo(row, read_at=time.time_ns()), sources[row]
        try:
            content, photo.status = read_content(source)
            photo.key = photo_key(content)
            wanted = needed(photo.key)
            made = images.squares(
                content, itertools.compress(shapes, wanted), source.shown
            )
            squares = iter(made)
            photo.squares = [next(squares) if want else None for want in wanted]
        except ImageError as error:
            photo.error = error.message
        return photo

    n_threads = _n_threads(sources)
    pool = readers(n_threads)
    ahead: deque[Future] = deque()
    left = iter(rows)
    try:
        while chunk := tuple(itertools.islice(left, CHUNK)):
            ahead.append(pool.submit(read_chunk, chunk))
            if len(ahead) > 2 * n_threads:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _n_threads(sources: Sequence[Source]) -> int:
    """Return one for each core; more where threads mostly wait for a store."""
    are_far = any(is_address(source.name) for source in sources[:CHUNK])
    return max(usable_cores(), stores.AT_ONCE) if are_far else usable_cores()


def readers(n_threads: int) -> Executor:
    """Return what does jobs on threads; in a browser, which has none, at once."""
    if sys.platform == "emscripten":
        return _AtOnce()
    return ThreadPoolExecutor(n_threads, thread_name_prefix="carlib-reading")


class _AtOnce(Executor):
    """Do each job as it is given."""

    def submit(self, job: Callable, /, *args: Any, **options: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(job(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def read_photo(name: str | os.PathLike) -> bytes:
    """Return the bytes of a photo that is read by its name, such as a path.

    Raises:
        ImageError, OptionError: As from `read_content`.
    """
    content, _ = read_content(Source(str(name)))
    return bytes(content)


def read_content(
    source: Source,
) -> tuple[bytes | np.ndarray, os.stat_result | None]:
    """Return a photo's bytes or pixels; of a file, its status from just before, too.

    Raises:
        ImageError: It can't be read.
        OptionError: It has an address, and the package that reads such is missing.
    """
    if source.content is not None:
        return source.content, None
    if source.is_file:
        return opening.read_with_status(Path(source.name))
    if any(tars_of(source.name)):
        return tars.read_member(source.name), None
    return stores.read(source.name), None
