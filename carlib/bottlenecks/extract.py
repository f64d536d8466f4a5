"""Photos × backbones → features, each computed once and kept as `.npy`."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from carlib.backbones.backbone import Backbone
from carlib.backbones.engines import Network
from carlib.bottlenecks import cluster
from carlib.bottlenecks.cache import open_index, open_shards
from carlib.bottlenecks.features import Features
from carlib.bottlenecks.pace import Pace
from carlib.bottlenecks.run import Lane, Run
from carlib.bottlenecks.shards import Shards
from carlib.data.sources import Source, as_sources
from carlib.errors import ImageError
from carlib.messages import bar, say

if TYPE_CHECKING:
    from distributed import Client


def compute_bottlenecks(
    photos: Any,
    backbone: Network | str,
    workspace_path: str | os.PathLike | None = "workspace",
    progress: bool = True,
    client: "Client | None" = None,
) -> np.ndarray:
    """Compute the features of photos, or take them from the workspace's cache.

    Args:
        photos: A DataFrame with a column image_path, or a sequence of paths, of encoded
            photos (bytes) or of pixels (uint8 arrays, height × width × 3).
        backbone: A `Backbone`, the name of one, or what else meets `Network`.
        workspace_path: Where features are kept; None keeps nothing.
        progress: Show a bar with photos per second and time left.
        client: A `dask.distributed.Client`, whose workers compute; they must see the
            photos and the workspace at the same places. See `docs/scaling.md`.

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
    sources = as_sources(photos)
    options: dict[str, Any] = {"progress": progress, "client": client}
    return extract(sources, [backbone], workspace_path, **options).of_photos()


def extract(
    sources: Sequence[Source],
    backbones: Sequence[Network],
    workspace_path: str | os.PathLike | None,
    *,
    augment: str | None = None,
    reuse: bool = True,
    progress: bool = True,
    on_error: str = "raise",
    on_photo: Callable[[int], None] | None = None,
    hold_back: bool = False,
    client: "Client | None" = None,
) -> Features:
    """Compute features as `compute_bottlenecks` does, with all that callers may ask.

    A photo is read, hashed and decoded once, for all backbones and its mirror image.

    Args:
        sources: What `as_sources` made of photos.
        augment: "flip": the photos' mirror images as well.
        reuse: Look into the cache; if False, compute all, and still keep them.
        on_error: "raise" an ImageError that lists every bad photo, or "skip" them.
        on_photo: Is called with 1, 2, 3 … as photos are computed.
        hold_back: Write only with what later calls compute, when that is worth a shard,
            or at the process's end: a server's calls are many and small.
        client: Whose workers compute; see `cluster`.
    """
    began, index = time.monotonic(), open_index(workspace_path, len(sources))
    opened = [open_shards(workspace_path, b, look=reuse) for b in backbones]
    lanes = [Lane(*pair, hold_back) for pair in zip(backbones, opened, strict=True)]
    run = Run(sources, lanes, augment == "flip", index, on_photo)
    todo = run.todo()
    try:
        with _bar(len(todo), progress, lanes[0].shards) as run.bar:
            if client is None:
                run.compute(todo)
            else:
                cluster.compute(run, todo, client, workspace_path, reuse)
    finally:
        index.save(hold_back)
    features = run.features()
    if progress:
        named = [backbone.fingerprint for backbone in backbones]
        pace = Pace(workspace_path, named, features.mirrored)
        seconds = time.monotonic() - began
        counts = features.n_cached, features.n_computed
        say(_summary(features, len(run.copies)) + pace.told(*counts, seconds))
    if features.errors and on_error == "raise":
        problems = [features.errors[row] for row in sorted(features.errors)]
        raise unreadable(problems, len(sources), features.shards[0].keeps)
    return features


def _summary(features: Features, n_copies: int) -> str:
    n_photos = len(features.keys)
    what = f"{n_photos:,} photo" + "s" * (n_photos != 1)
    what += " and mirrored" * features.mirrored
    done = f"{features.n_cached:,} cached, {features.n_computed:,} computed"
    return f"{what}: {done}" + f", {n_copies:,} copied" * (n_copies > 0)


def unreadable(problems: Sequence[str], n_photos: int, kept: bool) -> ImageError:
    """Return the error that lists the photos that can't be read, each once."""
    problems = list(dict.fromkeys(problems))
    return ImageError(
        f"{len(problems):,} of {n_photos:,} photos can't be read.",
        problems,
        hint="Mend or remove them." + " What was computed is kept." * kept,
    )


@contextlib.contextmanager
def _bar(total: int, progress: bool, shards: Shards) -> Iterator[Any]:
    """Show and yield a bar; on an interrupt say how much is done."""
    is_seen = progress and total > 0
    with bar(total, "Bottlenecks", "photo", disable=not is_seen) as shown:
        try:
            yield shown
        except KeyboardInterrupt:
            shown.close()
            if is_seen:
                kept = " and kept. Run it again." if shards.keeps else "."
                say(f"Stopped: {shown.n:,} of {total:,} are done{kept}")
            raise
