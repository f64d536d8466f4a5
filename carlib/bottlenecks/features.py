"""Features of several backbones side by side, and of photos' mirror images."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.extract import Extraction, extract
from carlib.bottlenecks.shards import assembled

PER_BLOCK = 4096  # rows that are put side by side at once


@dataclass(frozen=True)
class Features:
    """Where the features of photos lie, for each backbone.

    Rows count the photos, and after all of them, where there are such, their mirror
    images in the same order.
    """

    extractions: tuple[Extraction, ...]
    n_photos: int

    @property
    def photos(self) -> list[bytes]:
        """The SHA-256 of each photo's bytes."""
        return self.extractions[0].photos[: self.n_photos]

    @property
    def keys(self) -> list[bytes]:
        """What stands for each row."""
        return self.extractions[0].photos

    @property
    def n_features(self) -> int:
        """How many features a row has."""
        return sum(extraction.shards.n_features for extraction in self.extractions)

    @property
    def mirrored(self) -> bool:
        """Whether there are mirror images."""
        return len(self.keys) > self.n_photos

    @functools.cached_property
    def errors(self) -> dict[int, str]:
        """What is wrong with photos that have no features, by their position."""
        found: dict[int, str] = {}
        for extraction in self.extractions:
            for row, error in extraction.errors.items():
                found.setdefault(row % self.n_photos, error)
        return found

    def of_photos(self, mirrored: bool = False) -> np.ndarray:
        """Return all photos' features, or their mirror images', float32 (n, d)."""
        first = mirrored * self.n_photos
        return self.take(range(first, first + self.n_photos))

    def take(self, rows: Sequence[int]) -> np.ndarray:
        """Return some rows, float32 (n, d): all backbones' features, one after another.

        From 64 MiB on it is a memory map of a file in the workspace.
        """
        first = self.extractions[0]
        if len(self.extractions) == 1:
            return first.take(rows)
        shards = [extraction.shards for extraction in self.extractions]
        return assembled(
            shards[0].folder if shards[0].keeps else None,
            (len(rows), self.n_features),
            lambda block: np.concatenate(
                [each.take(rows[block]) for each in self.extractions], axis=1
            ),
            PER_BLOCK,
        )


def gather(
    photos: Any,
    backbones: Sequence[Backbone],
    workspace_path: str | PathLike | None,
    *,
    on_photo: Callable[[int], None] | None = None,
    **options: Any,
) -> Features:
    """Compute each backbone's features of photos, or take them from its cache.

    Args:
        on_photo, options: As of `extract`; `on_photo` counts through all backbones.
    """
    extractions: list[Extraction] = []
    for backbone in backbones:
        done = sum(extraction.n_computed for extraction in extractions)

        def count(number: int, done: int = done) -> None:
            on_photo(done + number)

        tell = on_photo and count
        extractions.append(
            extract(photos, backbone, workspace_path, on_photo=tell, **options)
        )
    views = 2 if options.get("augment") == "flip" else 1
    return Features(tuple(extractions), len(extractions[0].photos) // views)
