"""Where the features of photos lie: of one backbone or of several, side by side."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from carlib.bottlenecks.shards import Shards, assembled
from carlib.data.near import pictures
from carlib.data.photos import mirrored_key
from carlib.data.sources import Source

PER_BLOCK = 4096  # rows that are put side by side at once


@dataclass(frozen=True)
class Features:
    """Where the features of photos lie, and what it took to get them.

    Rows count the photos and, where `mirrored`, after all of them their mirror images
    in the same order.

    Attributes:
        keys: The SHA-256 of each photo's bytes.
        errors: What is wrong with photos that have no features, by their position.
        n_cached: Photos for which nothing had to be computed.
        n_computed: Photos that something was computed for; copies count once.
        shards: Each backbone's.
        mirrored: Whether there are mirror images.
        sources: The photos themselves.
    """

    keys: list[bytes]
    errors: dict[int, str]
    n_cached: int
    n_computed: int
    shards: tuple[Shards, ...] = field(repr=False)
    mirrored: bool = False
    sources: Sequence[Source] = field(default=(), repr=False)

    @functools.cached_property
    def pictures(self) -> list[bytes]:
        """What stands for each photo's picture, the same for copies; see `data.near`.

        The photos are read anew for it, when it is first asked for.
        """
        return pictures(self.sources, self.keys) if self.sources else self.keys

    @functools.cached_property
    def row_keys(self) -> list[bytes]:
        """What stands for each row."""
        return self.keys + [mirrored_key(key) for key in self.keys * self.mirrored]

    @property
    def n_features(self) -> int:
        """How many features a row has."""
        return sum(shards.n_features for shards in self.shards)

    def of_photos(self, mirrored: bool = False) -> np.ndarray:
        """Return all photos' features, or their mirror images', float32 (n, d)."""
        first = mirrored * len(self.keys)
        return self.take(range(first, first + len(self.keys)))

    def take(self, rows: Sequence[int]) -> np.ndarray:
        """Return some rows, float32 (n, d): all backbones' features, one after another.

        A photo that has none is a row of NaN. From 64 MiB on it is a memory map of a
        file in the workspace that is gone when the array is.
        """
        keys = [self._key(row) for row in rows]
        first = self.shards[0]
        if len(self.shards) == 1:
            return first.gather(keys)
        return assembled(
            first.folder if first.keeps else None,
            (len(keys), self.n_features),
            lambda block: np.concatenate(
                [shards.gather(keys[block]) for shards in self.shards], axis=1
            ),
            PER_BLOCK,
        )

    def _key(self, row: int) -> bytes:
        return b"" if row % len(self.keys) in self.errors else self.row_keys[row]
