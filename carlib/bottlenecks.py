"""Photos × backbone → features, each computed once and kept as `.npy`."""

import contextlib
import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carlib import images
from carlib.backbones import Backbone
from carlib.errors import ImageError, OptionError
from carlib.shards import Shards, cache_info, open_shards

__all__ = ["cache_info", "compute_bottlenecks", "extract"]

BATCH = 32
SECONDS_A_SHARD = 10  # at most this much work is lost when a run is killed


def compute_bottlenecks(
    photos: Any,
    backbone: Backbone | str,
    workspace_path: str | os.PathLike | None = "workspace",
    progress: bool = True,
) -> np.ndarray:
    """Compute the features of photos, or take them from the workspace's cache.

    Args:
        photos: A DataFrame with a column image_path, or a sequence of paths, of encoded
            photos (bytes) or of pixels (uint8 arrays, height × width × 3).
        backbone: A `Backbone`, or the name of one.
        workspace_path: Where features are kept; None keeps nothing.
        progress: Show a bar with photos per second and time left.

    Returns:
        float32 (n, n_features), in the order of `photos`.

    Raises:
        ImageError: Photos that can't be read, all of them at once. The features of the
            others are kept.

    Example:
        >>> backbone = carlib.Backbone("EfficientNetLite0")
        >>> carlib.compute_bottlenecks(train, backbone).shape
        (160, 1280)
    """
    if isinstance(backbone, str):
        backbone = Backbone(backbone)
    return extract(photos, backbone, workspace_path, progress=progress).features


@dataclass(frozen=True)
class Extraction:
    """The features of photos, and what it took to get them.

    `features` (n, d) has a row of NaN where `errors` (photo's position → what is wrong)
    has an entry; `photos` holds the SHA-256 of each photo's bytes.
    """

    features: np.ndarray
    photos: list[bytes]
    errors: dict[int, str]
    n_cached: int
    n_computed: int


def extract(
    photos: Any,
    backbone: Backbone,
    workspace_path: str | os.PathLike | None,
    *,
    reuse: bool = True,
    progress: bool = True,
    on_error: str = "raise",
    on_photo: Callable[[int], None] | None = None,
) -> Extraction:
    """Compute features as `compute_bottlenecks` does, with all that callers may ask.

    Args:
        reuse: Look into the cache; if False, compute all, and still keep them.
        on_error: "raise" an ImageError that lists every bad photo, or "skip" them.
        on_photo: Is called with 1, 2, 3 … as photos are computed.
    """
    sources = as_sources(photos)
    keys, errors = _hash_all(sources)
    shards = open_shards(workspace_path, backbone, look=reuse)
    missing = {key: row for row, key in enumerate(keys) if key and key not in shards}
    todo = [(key, sources[row]) for key, row in missing.items()]
    n_cached = sum(key in shards for key in keys)
    with _bar(len(todo), progress, on_photo) as tick:
        failed = _compute(todo, backbone, shards, tick)
    errors |= {row: failed[key] for row, key in enumerate(keys) if key in failed}
    n_computed = len(keys) - n_cached - len(errors)
    if progress:
        photos = f"{len(keys):,} photo" + "s" * (len(keys) != 1)
        print(f"{photos}: {n_cached:,} cached, {n_computed:,} computed")
    if errors and on_error == "raise":
        kept = "" if workspace_path is None else " What was computed is kept."
        raise ImageError(
            f"{len(errors):,} of {len(sources):,} photos can't be read.",
            [errors[row] for row in sorted(errors)],
            hint=f"Mend or remove them.{kept}",
        )
    features = _gather(keys, errors, shards, backbone.n_features)
    return Extraction(features, keys, errors, n_cached, n_computed)


@dataclass(frozen=True)
class Source:
    """A photo as it was handed in, and what to call it in a message."""

    name: str
    content: Path | bytes | np.ndarray

    def read(self) -> bytes | np.ndarray:
        """Return the encoded bytes, or the pixels where those were handed in."""
        return (
            images.read(self.content)
            if isinstance(self.content, Path)
            else self.content
        )


def as_sources(photos: Any) -> list[Source]:
    """Accept a DataFrame, paths, bytes or pixels, and name each photo.

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
    return [_as_source(photo, number) for number, photo in enumerate(photos, start=1)]


def _is_one_photo(photos: Any) -> bool:
    if isinstance(photos, np.ndarray):
        return photos.dtype == np.uint8 and photos.ndim < 4
    return isinstance(photos, (str, bytes, os.PathLike))


def _as_source(photo: Any, number: int) -> Source:
    if isinstance(photo, (str, os.PathLike)):
        return Source(str(photo), Path(photo))
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return Source(f"photo {number}", bytes(photo))
    if isinstance(photo, np.ndarray):
        return Source(f"photo {number}", images.from_array(photo, f"photo {number}"))
    raise OptionError(
        "Expected photos as a DataFrame, paths, bytes or uint8 arrays. "
        f"Received: photo {number} is a {type(photo).__name__}"
    )


def photo_key(content: bytes | np.ndarray) -> bytes:
    """Return the SHA-256 that stands for a photo: of its bytes, or shape and pixels."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    return hashlib.sha256(
        f"pixels {content.shape} ".encode() + content.tobytes()
    ).digest()


def _hash_all(sources: Sequence[Source]) -> tuple[list[bytes], dict[int, str]]:
    """Return each photo's key, b"" for those that can't be read, and why not."""
    keys, errors = [], {}
    for row, source in enumerate(sources):
        try:
            keys.append(photo_key(source.read()))
        except ImageError as error:
            keys.append(b"")
            errors[row] = error.message
    return keys, errors


def _compute(
    todo: list[tuple[bytes, Source]],
    backbone: Backbone,
    shards: Shards,
    tick: Callable[[int], None],
) -> dict[bytes, str]:
    """Compute what is missing, shard by shard; return what failed, by key."""
    failed: dict[bytes, str] = {}
    pending: list[tuple[list[bytes], np.ndarray]] = []
    began = time.monotonic()
    try:
        with contextlib.closing(_decoded(todo, backbone, failed)) as batches:
            for keys, pixels in batches:
                pending.append((keys, backbone.features(pixels)))
                tick(len(keys))
                if time.monotonic() - began > SECONDS_A_SHARD:
                    _keep(pending, shards)
                    began = time.monotonic()
    finally:  # an interrupt, too, leaves what was computed
        _keep(pending, shards)
    return failed


def _keep(pending: list[tuple[list[bytes], np.ndarray]], shards: Shards) -> None:
    if pending:
        keys = [key for part, _ in pending for key in part]
        shards.add(keys, np.concatenate([features for _, features in pending]))
        pending.clear()


def _decoded(
    todo: list[tuple[bytes, Source]], backbone: Backbone, failed: dict[bytes, str]
) -> Generator[tuple[list[bytes], np.ndarray], None, None]:
    """Yield batches of keys and pixels, decoding ahead while the network runs."""
    with ThreadPoolExecutor() as pool:
        ahead: deque[Future] = deque()
        waiting = iter(todo)
        while True:
            for key, source in itertools.islice(waiting, 2 * BATCH - len(ahead)):
                ahead.append(pool.submit(_pixels, key, source, backbone))
            if not ahead:
                return
            batch = [ahead.popleft().result() for _ in range(min(BATCH, len(ahead)))]
            failed |= {key: wrong for key, wrong in batch if isinstance(wrong, str)}
            good = [
                (key, pixels) for key, pixels in batch if not isinstance(pixels, str)
            ]
            if good:
                yield [key for key, _ in good], np.stack([pixels for _, pixels in good])


def _pixels(key: bytes, source: Source, backbone: Backbone) -> tuple[bytes, Any]:
    """Return a photo's key and its pixels, or what is wrong with it."""
    try:
        content = source.read()
        if photo_key(content) != key:
            return key, f"{source.name} changed while it was read; run again."
        if isinstance(content, bytes):
            content = images.decode(content, source.name)
    except ImageError as error:
        return key, error.message
    return key, images.resize(content, backbone.input_size, backbone.interpolation)


@contextlib.contextmanager
def _bar(total: int, progress: bool, on_photo: Callable[[int], None] | None):
    """Show a bar, and yield a function that moves it by some photos."""
    from tqdm.auto import tqdm

    count = itertools.count(1)
    shown = progress and total > 0
    with tqdm(total=total, desc="Bottlenecks", unit="photo", disable=not shown) as bar:

        def tick(photos: int) -> None:
            bar.update(photos)
            if on_photo:
                with bar.external_write_mode():
                    for _ in range(photos):
                        on_photo(next(count))

        try:
            yield tick
        except KeyboardInterrupt:
            bar.close()
            print(f"Stopped: {bar.n:,} of {total:,} are done and kept. Run it again.")
            raise


def _gather(
    keys: list[bytes], errors: dict[int, str], shards: Shards, n_features: int
) -> np.ndarray:
    features = np.full((len(keys), n_features), np.nan, np.float32)
    good = [row for row in range(len(keys)) if row not in errors]
    features[good] = shards.gather([keys[row] for row in good])
    return features
