"""One call's bottleneck phase: rows of photos → features, kept shard by shard."""

import contextlib
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from carlib import interrupts
from carlib.backbones.engines import Network, Pipeline
from carlib.bottlenecks.features import Features
from carlib.bottlenecks.shards import Shards
from carlib.data.photos import Photo, mirrored_key, read_ahead
from carlib.data.sources import Source

# When a shard is written: a process that is killed loses at most so much work, and at
# most so many bytes wait in memory.
SECONDS_A_SHARD = 5
BYTES_A_SHARD = 64 << 20
BLOCK = 32  # photos that are computed one after another


class Index(Protocol):
    """What is known of files from their status; see `stat_index`."""

    def key_at(self, path: Path) -> bytes | None: ...

    def learn(
        self, path: Path, status: os.stat_result, read_at: int, key: bytes
    ) -> None: ...


class Run:
    """What one call comes to know, row by row: keys, errors, and what it computed."""

    def __init__(
        self,
        sources: Sequence[Source],
        lanes: Sequence["Lane"],
        mirrored: bool,
        index: Index,
        on_photo: Callable[[int], None] | None,
    ):
        self.sources, self.lanes, self.mirrored = sources, lanes, mirrored
        self.index, self._on_photo = index, on_photo
        self.keys = [self._key_by_status(source) for source in sources]
        self.errors: dict[int, str] = {}
        self.under_way: Counter[int] = Counter()  # a row's features that are awaited
        self.computed: set[int] = set()
        self.copies: set[int] = set()  # rows of photos that another row stands for
        self.bar: Any = None

    def _key_by_status(self, source: Source) -> bytes:
        known = self.index.key_at(Path(source.name)) if source.is_file else None
        return known or b""

    def _views(self, key: bytes) -> list[bytes]:
        """Return what stands for a photo and, if that's asked for, its mirror image."""
        return [key, mirrored_key(key)] if self.mirrored else [key]

    def _needed(self, key: bytes) -> list[bool]:
        """Tell of each backbone whether it lacks features of a photo."""
        views = self._views(key)
        return [not all(map(lane.shards.__contains__, views)) for lane in self.lanes]

    def lacks(self, row: int) -> bool:
        """Tell whether features of a photo are missing."""
        return any(self._needed(self.keys[row]))

    def todo(self) -> list[int]:
        """Return the rows of photos that must be read."""
        pairs = enumerate(self.keys)
        return [row for row, key in pairs if not key or self.lacks(row)]

    @interrupts.insisted()
    def compute(self, rows: Sequence[int]) -> None:
        """Compute what of these rows no shard holds, shard by shard.

        Each process has an order of its own and looks, after each shard, for those of
        others: of two at once on the same photos each computes about one half.
        """
        blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
        random.SystemRandom().shuffle(blocks)
        rows = list(itertools.chain.from_iterable(blocks))
        networks = [lane.network for lane in self.lanes]
        shapes = [(each.input_size, each.interpolation) for each in networks]
        with contextlib.ExitStack() as stack:
            for lane in self.lanes:
                stack.enter_context(contextlib.closing(lane))
            photos = read_ahead(self.sources, rows, shapes, self._needed)
            for photo in stack.enter_context(contextlib.closing(photos)):
                self._pass_on(photo)
            with interrupts.held() as check:
                for lane in self.lanes:
                    self._finish(lane.drain(), check)
        self.judge(rows)

    def _pass_on(self, photo: Photo) -> None:
        """Note what came of a photo; hand its pixels to whoever needs them."""
        self.keys[photo.row] = photo.key
        if photo.status:
            path = Path(self.sources[photo.row].name)
            self.index.learn(path, photo.status, photo.read_at, photo.key)
        if photo.error:
            self.errors[photo.row] = photo.error
        views = [] if photo.error else self._views(photo.key)
        lanes = [lane for lane in self.lanes if any(map(lane.lacks, views))]
        for lane in lanes:
            lane.open()  # may take seconds, in which Ctrl-C isn't held back
        if not lanes:
            if any(key in lane.under_way for lane in self.lanes for key in views):
                self.copies.add(photo.row)
            self.bar.update()
        with interrupts.held() as check:
            for lane, square in zip(self.lanes, photo.squares, strict=False):
                for number, key in enumerate(views):
                    if lane.lacks(key):
                        self.under_way[photo.row] += 1
                        turned = square[:, ::-1] if number else square
                        self._finish(lane.put(photo.row, key, turned), check)

    def _finish(self, done: Iterable[int], check: Callable[[], None]) -> None:
        """Count rows' features that are there; tell of photos that have all of them."""
        for row in done:
            self.under_way[row] -= 1
            if not self.under_way[row]:
                self.note_computed(row)
                self.bar.update()
        check()

    def note_computed(self, row: int) -> None:
        """Count a photo whose features are there now, and tell of it."""
        self.computed.add(row)
        if self._on_photo:
            self._on_photo(len(self.computed))

    def judge(self, rows: Sequence[int]) -> None:
        """Name the photos that were read, and whose features are no numbers."""
        for row in rows:
            if row not in self.errors and self.lacks(row):
                name = self.sources[row].shown
                self.errors[row] = f"{name} has features that are not numbers."

    def features(self) -> Features:
        """Return where all features lie."""
        bad = self.errors.keys()
        return Features(
            self.keys,
            self.errors,
            n_cached=len(self.sources) - len(self.computed | self.copies | bad),
            n_computed=len(self.computed - bad),
            shards=tuple(lane.shards for lane in self.lanes),
            mirrored=self.mirrored,
            sources=self.sources,
        )


class Lane:
    """A backbone's part of a run: what waits for its engine, is there, awaits a shard.

    Closing it, on an interrupt too, writes what was computed, or holds it back.

    Args:
        hold_back: As of `extract`.
        alone: Nobody else computes these photos, and they are soon done: they become
            one shard, and others' are not looked at.
    """

    def __init__(
        self, network: Network, shards: Shards, hold_back: bool, alone: bool = False
    ):
        self.network, self.shards = network, shards
        self._hold_back, self._alone = hold_back, alone
        if shards.folder:
            network.keep_in(shards.folder)
        self.under_way: set[bytes] = set()  # photos that are being computed, or were
        self._batch: list[tuple[int, bytes, np.ndarray]] = []
        self._pipeline: Pipeline | None = None
        self._wait_for_a_shard()

    def _wait_for_a_shard(self) -> None:
        self._parts: list[np.ndarray] = []
        self._n_bytes, self._began = 0, time.monotonic()

    def lacks(self, key: bytes) -> bool:
        """Whether a photo's features are neither there nor under way."""
        return key not in self.shards and key not in self.under_way

    def open(self) -> None:
        """Make the engine ready, once."""
        if self._pipeline is None:
            self.shards.prepare()  # before a network lies there that nobody knows of
            self._engine = self.network.engine()
            self._pipeline = Pipeline(self._engine)

    def put(self, row: int, key: bytes, square: np.ndarray) -> Iterator[int]:
        """Take up a photo's pixels; yield the rows whose features have come since."""
        self.under_way.add(key)
        self._batch.append((row, key, square))
        if len(self._batch) == self._engine.batch_size:
            yield from self._start()

    def drain(self) -> Iterator[int]:
        """Compute what waits; yield the rows whose features come."""
        if self._batch:
            yield from self._start()
        if self._pipeline:
            yield from self._taken(self._pipeline.drain())

    def close(self) -> None:
        """Write what was computed, or hold back what is not worth a shard yet."""
        if not (self._n_bytes and self._hold_back):
            self._write()
            return
        seconds = time.monotonic() - self._began
        if _is_worth_a_shard(*self.shards.hold_back(self._parts, seconds)):
            self.shards.write_held_back()
        self._wait_for_a_shard()

    def _write(self) -> None:
        """Write what was computed as a shard, and take up what others wrote."""
        if self._n_bytes:
            self.shards.add(self._parts)
            if not self._alone:
                self.shards.refresh()
        self._wait_for_a_shard()

    def _start(self) -> Iterator[int]:
        rows, keys, squares = zip(*self._batch, strict=True)
        self._batch = []
        yield from self._taken(self._pipeline.put((rows, keys), np.stack(squares)))

    def _taken(self, done: Iterable[tuple[Any, np.ndarray]]) -> Iterator[int]:
        for (rows, keys), features in done:
            fine = np.isfinite(features).all(axis=1)
            keys = list(itertools.compress(keys, fine))
            self._parts.append(self.shards.rows(keys, features[fine]))
            self._n_bytes += self._parts[-1].nbytes
            seconds = 0 if self._alone else time.monotonic() - self._began
            if _is_worth_a_shard(seconds, self._n_bytes):
                self._write()
            yield from rows


def _is_worth_a_shard(seconds: float, n_bytes: int) -> bool:
    return seconds > SECONDS_A_SHARD or n_bytes > BYTES_A_SHARD
