"""Photos × backbone → features, each computed once and kept as `.npy`."""

import contextlib
import functools
import itertools
import os
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from carlib import interrupts
from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.cache import count_use, open_index, open_shards
from carlib.bottlenecks.shards import Shards
from carlib.bottlenecks.stat_index import StatIndex
from carlib.data.photos import Photo, Source, as_sources, mirrored_key, read_ahead
from carlib.errors import ImageError

# When a shard is written: a run that is killed loses at most so much work, and at most
# so many bytes wait in memory.
SECONDS_A_SHARD = 5
BYTES_A_SHARD = 64 << 20
BLOCK = 32  # photos that are computed one after another


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
        float32 (n, n_features), in the order of `photos`. From 64 MiB on, a memory map
        of a file in the workspace that is gone when the array is.

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
    """Where the features of photos lie, and what it took to get them.

    `photos` holds the SHA-256 of each photo's bytes, `errors` what is wrong (by the
    photo's position) with those that have no features. With mirror images, theirs
    follow after all photos, in the same order.
    """

    photos: list[bytes]
    errors: dict[int, str]
    n_cached: int
    n_computed: int
    shards: Shards = field(repr=False)

    @functools.cached_property
    def features(self) -> np.ndarray:
        """All features, float32 (n, d); a row of NaN where `errors` has an entry."""
        return self.take(range(len(self.photos)))

    def take(self, rows: Iterable[int]) -> np.ndarray:
        """Return the features of some photos, in the order asked for."""
        return self.shards.gather(
            [b"" if row in self.errors else self.photos[row] for row in rows]
        )


def extract(
    photos: Any,
    backbone: Backbone,
    workspace_path: str | os.PathLike | None,
    *,
    augment: str | None = None,
    reuse: bool = True,
    progress: bool = True,
    on_error: str = "raise",
    on_photo: Callable[[int], None] | None = None,
) -> Extraction:
    """Compute features as `compute_bottlenecks` does, with all that callers may ask.

    Args:
        augment: "flip": the photos' mirror images as well.
        reuse: Look into the cache; if False, compute all, and still keep them.
        on_error: "raise" an ImageError that lists every bad photo, or "skip" them.
        on_photo: Is called with 1, 2, 3 … as photos are computed.
    """
    sources = as_sources(photos)
    n_photos = len(sources)
    if augment == "flip":
        sources += [replace(source, mirrored=True) for source in sources]
    index = open_index(workspace_path)
    shards = open_shards(workspace_path, backbone, look=reuse)
    run = _Run(sources, backbone, shards, index, on_photo)
    todo = [row for row, key in enumerate(run.keys) if key not in shards]
    try:
        with _bar(len(todo), progress, shards) as run.bar:
            run.compute(todo)
    finally:
        index.save()
    n_computed = len(run.computed)
    n_cached = len(sources) - n_computed - len(run.errors)
    count_use(shards, n_cached, n_computed)
    if progress:
        count = f"{n_photos:,} photo" + "s" * (n_photos != 1)
        count += " and mirrored" * (augment == "flip")
        print(f"{count}: {n_cached:,} cached, {n_computed:,} computed")
    if run.errors and on_error == "raise":
        kept = " What was computed is kept." if shards.keeps else ""
        problems = list({run.errors[row]: 0 for row in sorted(run.errors)})
        raise ImageError(
            f"{len(problems):,} of {n_photos:,} photos can't be read.",
            problems,
            hint=f"Mend or remove them.{kept}",
        )
    return Extraction(run.keys, run.errors, n_cached, n_computed, shards)


class _Run:
    """What one call comes to know, row by row: keys, errors, and what it computed."""

    def __init__(
        self,
        sources: Sequence[Source],
        backbone: Backbone,
        shards: Shards,
        index: StatIndex,
        on_photo: Callable[[int], None] | None,
    ):
        self.sources, self.backbone = sources, backbone
        self.shards, self.index, self.on_photo = shards, index, on_photo
        self.keys = [self._key_by_status(source) for source in sources]
        self.errors: dict[int, str] = {}
        self.computed: set[int] = set()
        self.new: set[bytes] = set()  # photos that are being computed
        self.copies: list[int] = []  # rows of photos that another row stands for
        self.bar: Any = None

    def _key_by_status(self, source: Source) -> bytes:
        key = source.is_file and self.index.photo_at(Path(source.name))
        return mirrored_key(key) if key and source.mirrored else key or b""

    @interrupts.insisted()
    def compute(self, rows: Sequence[int]) -> None:
        """Compute what of these rows no shard holds, shard by shard.

        Each process has an order of its own and looks, after each shard, for those of
        others: of two at once on the same photos each computes about one half.
        """
        blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
        random.SystemRandom().shuffle(blocks)
        rows = [row for block in blocks for row in block]
        backbone = self.backbone
        size, interpolation = backbone.input_size, backbone.interpolation
        is_known = self.shards.__contains__
        with contextlib.closing(
            read_ahead(self.sources, rows, size, interpolation, is_known)
        ) as read:
            fresh = self._fresh(read)
            first = next(fresh, None)
            if first is None:
                return
            self.shards.prepare()  # before a network lies there that nobody knows of
            engine = backbone.engine(self.shards.folder)
            batches = _batches(itertools.chain([first], fresh), engine.batch_size)
            with (
                interrupts.held() as check,
                contextlib.closing(engine.stream(batches)) as results,
                contextlib.closing(_Pending(self.shards)) as pending,
            ):
                for done, features in results:
                    self._take(done, features, pending)
                    check()
        for row in self.copies:
            self._note(row, self.keys[row] in self.shards)

    def _fresh(self, read: Iterator[Photo]) -> Iterator[Photo]:
        """Note what came of each photo; yield those whose features nobody has."""
        for photo in read:
            self.keys[photo.row] = photo.key
            source = self.sources[photo.row]
            if photo.status and not source.mirrored:
                path = Path(source.name)
                self.index.learn(path, photo.status, photo.read_at, photo.key)
            if photo.error:
                self.errors[photo.row] = photo.error
            elif photo.key in self.new:
                self.copies.append(photo.row)
            elif photo.pixels is not None:
                self.new.add(photo.key)
                yield photo
                continue
            self.bar.update()

    def _take(
        self, done: list[Photo], features: np.ndarray, pending: "_Pending"
    ) -> None:
        finite = np.isfinite(features).all(axis=1)
        keys = [photo.key for photo, fine in zip(done, finite, strict=True) if fine]
        pending.add(keys, features[finite])
        if self.on_photo:
            self.bar.clear()
        for photo, fine in zip(done, finite, strict=True):
            self._note(photo.row, fine)
        self.bar.update(len(done))

    def _note(self, row: int, has_features: bool) -> None:
        if not has_features:
            name = self.sources[row].name
            self.errors[row] = f"{name} has features that are not numbers."
            return
        self.computed.add(row)
        if self.on_photo:
            self.on_photo(len(self.computed))


class _Pending:
    """Features that wait for their shard; closing writes them, on an interrupt too."""

    def __init__(self, shards: Shards):
        self.shards = shards
        self._start()

    def _start(self) -> None:
        self.parts: list[np.ndarray] = []
        self.n_bytes, self.began = 0, time.monotonic()

    def add(self, photos: list[bytes], features: np.ndarray) -> None:
        """Take some up, and write all as a shard when it is time to."""
        self.parts.append(self.shards.rows(photos, features))
        self.n_bytes += self.parts[-1].nbytes
        late = time.monotonic() - self.began > SECONDS_A_SHARD
        if late or self.n_bytes > BYTES_A_SHARD:
            self.close()

    def close(self) -> None:
        """Write what waits as a shard, and take up what others wrote."""
        if self.n_bytes:
            self.shards.add(self.parts)
            self.shards.refresh()
        self._start()


def _batches(
    photos: Iterator[Photo], size: int
) -> Generator[tuple[list[Photo], np.ndarray], None, None]:
    """Group photos; what goes with a batch has no pixels any more."""
    while batch := list(itertools.islice(photos, size)):
        pixels = np.stack([photo.pixels for photo in batch])
        for photo in batch:
            photo.pixels = None
        yield batch, pixels


@contextlib.contextmanager
def _bar(total: int, progress: bool, shards: Shards) -> Iterator[Any]:
    """Show and yield a bar; on an interrupt say how much is done."""
    from tqdm.auto import tqdm

    shown = progress and total > 0
    with tqdm(total=total, desc="Bottlenecks", unit="photo", disable=not shown) as bar:
        try:
            yield bar
        except KeyboardInterrupt:
            bar.close()
            if shown:
                kept = " and kept. Run it again." if shards.keeps else "."
                print(f"Stopped: {bar.n:,} of {total:,} are done{kept}")
            raise
