"""Read photos ahead of the network: file → bytes → key → pixels, on threads.

A photo's file is read once: what is hashed is what is decoded, whatever happens to the
file meanwhile.
"""

import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carlib.data import images
from carlib.data.images import Shape
from carlib.errors import ImageError, OptionError

CHUNK = 8  # photos a job: fewer, and handing out the jobs costs more than they do


@dataclass(frozen=True, slots=True)
class Source:
    """A photo as it was handed in, and what to call it in a message.

    `content` is None for a file; its path is its name.
    """

    name: str
    content: bytes | np.ndarray | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file's path that was handed in."""
        return self.content is None


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


def as_sources(photos: Any) -> list[Source]:
    """Accept a DataFrame, paths, bytes or pixels, and name each photo.

    What can be gone through only once, such as `Path.glob`, is gone through here.

    Raises:
        OptionError: It's none of these.
    """
    if hasattr(photos, "columns"):
        if "image_path" not in photos.columns:
            raise OptionError(
                "Expected a DataFrame with a column image_path. Received: "
                f"{', '.join(map(str, photos.columns))}"
            )
        photos = photos["image_path"]
    elif _is_one_photo(photos):
        photos = [photos]
    elif not isinstance(photos, Iterable):
        raise _no_photos(f"a {type(photos).__name__}")
    return [_as_source(photo, number) for number, photo in enumerate(photos, start=1)]


def _is_one_photo(photos: Any) -> bool:
    if isinstance(photos, np.ndarray):
        return photos.dtype == np.uint8 and photos.ndim < 4
    return isinstance(photos, (str, bytes, bytearray, memoryview, os.PathLike))


def _as_source(photo: Any, number: int) -> Source:
    if isinstance(photo, (str, os.PathLike)):
        return Source(str(photo))
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return Source(f"photo {number}", bytes(photo))
    if isinstance(photo, np.ndarray):
        return Source(f"photo {number}", images.from_array(photo, f"photo {number}"))
    raise _no_photos(f"photo {number} is a {type(photo).__name__}")


def _no_photos(received: str) -> OptionError:
    return OptionError(
        "Expected photos as a DataFrame, paths, bytes or uint8 arrays. Received: "
        f"{received}"
    )


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
                content, itertools.compress(shapes, wanted), source.name
            )
            squares = iter(made)
            photo.squares = [next(squares) if want else None for want in wanted]
        except ImageError as error:
            photo.error = error.message
        return photo

    from joblib import cpu_count  # which knows what a container may use

    n_threads = cpu_count()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="carlib-reading")
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


def read_content(
    source: Source,
) -> tuple[bytes | np.ndarray, os.stat_result | None]:
    """Return a photo's bytes or pixels; of a file, its status from just before, too.

    Raises:
        ImageError: The file can't be read.
    """
    if source.content is None:
        return images.read_with_status(Path(source.name))
    return source.content, None
