"""Features on disk: shards that are only ever added, under names that prove them.

A backbone's folder holds `.npy` files of rows (photo: 32 bytes, the SHA-256 of the
photo's bytes; features: float32). A shard's name is the SHA-256 of the whole file, and
it appears by an atomic rename: any number of writers need no lock, a kill leaves whole
shards only, and a flipped bit is noticed. Two shards may hold the same photo: as a
feature depends on the photo's bytes and the fingerprint alone, both are right.

Shards are read in blocks, never mapped: what was computed is not in memory, but for the
48 bytes a photo that say where it lies.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from carlib.bottlenecks.open_folder import OpenFolder, could_not_keep, rows_of
from carlib.bottlenecks.shard_file import (
    AGAIN,
    HINT,
    HINTED,
    LARGEST,
    SHARD,
    ShardError,
    header_of,
    read_hint,
    read_shard,
    remove_hint,
    row_type,
    size_of,
    write_hint,
    write_shard,
)
from carlib.bottlenecks.shard_folder import ShardFolder
from carlib.bottlenecks.tables import Tables, as_words
from carlib.errors import DataError
from carlib.files import mapped_array
from carlib.reading import open_file

BLOCK = 1 << 24  # bytes of features that are gathered at once, a shard opened once
GAP = 8  # rows that are read along rather than jumped over
MAPPED = 64 << 20  # bytes of features from which on they lie in a file
MERGED = 256 << 20  # bytes of a shard that is large enough


class Shards:
    """The features of one backbone that lie in a workspace, as a call sees them.

    Args:
        folder: The backbone's own; None keeps all in memory.
        n_features: How many features a row has.
        look: Take up what lies there; if False, only what is added from now on.
        prepare: Is called before the first shard is written.
        opened: The folder as this process has it open; None: it is read for this.
    """

    def __init__(
        self,
        folder: Path | None,
        n_features: int,
        look: bool = True,
        prepare: Callable[[], None] = lambda: None,
        opened: OpenFolder | None = None,
    ):
        self.folder, self.n_features, self._prepare = folder, n_features, prepare
        self.dtype = row_type(folder, n_features)
        self._opened, self._look, self._refused = opened, look, False
        self._memory: dict[bytes, np.ndarray] = {}  # what isn't in a file
        self._held: dict[bytes, np.ndarray] = {}  # what other calls hold back
        if opened:
            self._known, self._held = opened.now()
        else:
            self._known = ShardFolder(folder, self.dtype)
            self.refresh()

    def __contains__(self, key: bytes) -> bool:
        return self._in_memory(key) is not None or self._known.place(key) >= 0

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[bytes]:
        in_memory = {**self._held, **self._memory}
        yield from in_memory
        yield from (key for key in self._known if key not in in_memory)

    def _in_memory(self, key: bytes) -> np.ndarray | None:
        return self._memory.get(key, self._held.get(key))

    @property
    def shards(self) -> list[Path]:
        """The files."""
        return self._known.paths

    @property
    def damaged(self) -> list[Path]:
        """Where shards lay that aren't whole."""
        return self._known.damaged

    @property
    def keeps(self) -> bool:
        """Whether what is added outlives this process."""
        return self.folder is not None and not self._refused

    def prepare(self) -> None:
        """Make the folder ready, where it can be written to."""
        if self.folder:
            with contextlib.suppress(OSError):
                self._prepare()

    def refresh(self, anew: bool = False) -> None:
        """Take up shards that came since, from other processes too; or all, anew."""
        if self._look or anew:
            self._known.refresh(anew)

    def verify(self, below: int = LARGEST + 1) -> None:
        """Read all shards of fewer bytes, and set aside what is damaged."""
        self._known.read_hinted(below)

    def may_hold(self, keys: np.ndarray) -> np.ndarray:
        """Tell of photos, uint8 (n, 32), if they lie here, as far as hints say."""
        return self._known.may_hold(keys)

    def rows(self, keys: Sequence[bytes], features: np.ndarray) -> np.ndarray:
        """Return photos' keys and features (n, d) as rows to `add`."""
        return rows_of(keys, features, self.dtype)

    def add(self, parts: Sequence[np.ndarray]) -> None:
        """Write rows as one shard and take it up; in memory if the disk refuses."""
        if shard := self._written(parts):
            self._known.enter(shard, np.concatenate([part["photo"] for part in parts]))
        else:
            self._remember(parts)

    def hold_back(
        self, parts: Sequence[np.ndarray], seconds: float
    ) -> tuple[float, int]:
        """Keep rows in memory, for other calls too, until `write_held_back`.

        Where they will hardly be written at all they are added at once, which warns.

        Args:
            seconds: What it took to compute them.

        Returns:
            How many seconds' work, and how many bytes, wait now.
        """
        if not (self._opened and self.folder and self.folder.is_dir()):
            self.add(parts)
            return 0.0, 0
        return self._opened.hold(self._remember(parts), seconds)

    def write_held_back(self) -> None:
        """Write what calls held back, as one shard."""
        if self._opened:
            self._opened.write()

    def _remember(self, parts: Sequence[np.ndarray]) -> dict[bytes, np.ndarray]:
        rows: dict[bytes, np.ndarray] = {}
        for part in parts:
            rows.update(zip(_keys_of(part), part["features"], strict=True))
        self._memory |= rows
        return rows

    def _written(self, parts: Sequence[np.ndarray]) -> Path | None:
        if self.folder and not self._refused:
            try:
                self.prepare()
                return write_shard(self.folder, parts)
            except OSError as error:
                self._refused = True
                could_not_keep(self.folder, error)
        return None

    def gather(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return the features of photos, float32 (n, d), in the order asked for.

        b"" stands for a photo that has none: its row is NaN. From 64 MiB on it is a
        memory map of a file in the workspace.
        """
        per_block = max(1, BLOCK // self.dtype.itemsize)
        return assembled(
            self.folder if self.keeps else None,
            (len(keys), self.n_features),
            lambda rows: self._block(keys[rows]),
            per_block,
        )

    def merge(self, large: int) -> None:
        """Merge shards smaller than `large` bytes; see `cache.compact_cache`.

        A merged shard's rows are sorted and each photo's last is kept: of the same
        shards every process makes the same one. So of two that merge at once neither
        can remove the last file that holds a photo.

        Hints of shards that are gone go, too, and large ones get theirs.
        """
        sizes = {path: size_of(path) for path in self.shards}
        small = sorted(path for path, size in sizes.items() if size < large)
        while len(small) > 1:
            group = [small.pop(0)]
            while small and sum(sizes[path] for path in group) < large:
                group.append(small.pop(0))
            if len(group) > 1:
                self._merge(group)
        self._mend_hints()

    def _mend_hints(self) -> None:
        for hint in self.folder.glob(HINT):
            if not hint.with_suffix(".npy").exists():
                remove_hint(hint)
        for path in self.folder.glob(SHARD):
            size = size_of(path)
            if size >= HINTED and read_hint(path, self.dtype, size) is None:
                with contextlib.suppress(OSError, ShardError):
                    rows = read_shard(path, self.dtype, path.stem)
                    write_hint(path, [block["photo"].copy() for block in rows])

    def _merge(self, group: list[Path]) -> None:
        try:
            blocks = [rows for p in group for rows in read_shard(p, self.dtype, p.stem)]
        except (OSError, ShardError):  # another process merges, too
            return
        rows = np.concatenate(blocks)
        del blocks
        written = write_shard(self.folder, [rows[_lasts(rows["photo"])]])
        for path in group:
            if path != written:
                path.unlink(missing_ok=True)
                remove_hint(path)

    def _block(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return a few photos' features, wherever other processes merged them to."""
        for attempt in range(AGAIN):
            try:
                return self._read(keys)
            except FileNotFoundError:
                self.refresh(anew=attempt > 0 or not self._look)
        raise DataError(
            f"The bottlenecks in {self.folder} are gone.",
            hint="Has somebody cleared the cache? Run it again, and they're computed.",
        )

    def _read(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return a few photos' features, reading each shard from first to last."""
        features = np.full((len(keys), self.n_features), np.nan, np.float32)
        own = {i: f for i, f in enumerate(map(self._in_memory, keys)) if f is not None}
        for i, found in own.items():
            features[i] = found
        wanted = np.array([i for i, k in enumerate(keys) if k and i not in own], int)
        photos = np.frombuffer(b"".join(keys[i] for i in wanted), np.uint8)
        places = self._known.find(photos.reshape(-1, 32))
        if (places < 0).any():
            raise FileNotFoundError
        for shard, run in _by_shard(places):
            rows = self._rows(self._known.path(shard), places[run] & 0xFFFFFFFF)
            features[wanted[run]] = rows
        return features

    def _rows(self, shard: Path, places: np.ndarray) -> np.ndarray:
        """Return the features at ascending places of a shard."""
        features = np.empty((len(places), self.n_features), np.float32)
        offset, filled = len(header_of(self.dtype, 0)), 0
        with open_file(shard) as file:
            for run in np.split(places, np.flatnonzero(np.diff(places) > GAP) + 1):
                file.seek(offset + run[0] * self.dtype.itemsize)
                rows = np.fromfile(file, self.dtype, run[-1] - run[0] + 1)
                features[filled : filled + len(run)] = rows["features"][run - run[0]]
                filled += len(run)
        return features


def assembled(
    folder: Path | None,
    shape: tuple[int, int],
    block: Callable[[slice], np.ndarray],
    per_block: int,
) -> np.ndarray:
    """Put float32 rows together, a block at a time.

    From 64 MiB on it is a memory map of a file in `folder`, where there is one that can
    be written to.
    """
    slices = [slice(i, i + per_block) for i in range(0, shape[0], per_block)]
    if folder and 4 * shape[0] * shape[1] >= MAPPED:
        with contextlib.suppress(OSError):  # a read-only workspace, a full disk
            return mapped_array(folder, shape, map(block, slices))
    features = np.empty(shape, np.float32)
    for rows in slices:
        features[rows] = block(rows)
    return features


def _keys_of(rows: np.ndarray) -> list[bytes]:
    data = rows["photo"].tobytes()
    return [data[i : i + 32] for i in range(0, len(data), 32)]


def _lasts(photos: np.ndarray) -> np.ndarray:
    """Return the position of each photo's last row, in the photos' order."""
    found = Tables(4, 5)
    numbers = np.arange(len(photos), dtype=np.uint64)
    found.add(np.column_stack([as_words(photos), numbers]))
    return found.distinct()[:, 4]


def _by_shard(places: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of each shard, and which of the places are its, ascending."""
    order = np.argsort(places)
    shards = places[order] >> 32
    for run in np.split(order, np.flatnonzero(np.diff(shards)) + 1):
        if len(run):
            yield int(places[run[0]] >> 32), run
