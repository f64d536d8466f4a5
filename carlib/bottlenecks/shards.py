"""Features on disk: shards that are only ever added, under names that prove them.

A backbone's folder holds `.npy` files of rows (photo: 32 bytes, the SHA-256 of the
photo's bytes; features: float32). A shard's name is the SHA-256 of the whole file, and
it appears by an atomic rename: any number of writers need no lock, a kill leaves whole
shards only, and a flipped bit is noticed. Two shards may hold the same photo: as a
feature depends on the photo's bytes and the fingerprint alone, both are right.

Shards are read in blocks, never mapped: what was computed is not in memory, but for the
32 bytes a photo that say where it lies.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from carlib.bottlenecks.shard_file import (
    AGAIN,
    BLOCK,
    SHARD,
    ShardError,
    header_of,
    read_shard,
    row_type,
    size_of,
    write_shard,
)
from carlib.errors import DataError, printable
from carlib.files import mapped_array
from carlib.reading import open_file

GAP = 8  # rows that are read along rather than jumped over
MAPPED = 64 << 20  # bytes of features from which on they lie in a file
MERGED = 256 << 20  # bytes of a shard that is large enough


class Shards:
    """The features of one backbone that lie in a workspace.

    Args:
        folder: The backbone's own; None keeps all in memory.
        n_features: How many features a row has.
        look: Take up what lies there; if False, only what is added from now on.
        prepare: Is called before the first shard is written.
    """

    def __init__(
        self,
        folder: Path | None,
        n_features: int,
        look: bool = True,
        prepare: Callable[[], None] = lambda: None,
    ):
        self.folder, self.n_features, self._prepare = folder, n_features, prepare
        self.dtype = row_type(folder, n_features)
        # Each a file, or rows in memory that the disk refused.
        self.shards: list[Path | np.ndarray] = []
        # Photo → position of its shard in `shards` and of its row there, in one number.
        self._places: dict[bytes, int] = {}
        self._passed_over: set[Path] = set()
        self.damaged: list[Path] = []  # where they lay
        self._refused, self._look = False, look
        self.refresh()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._places)

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
        if not (self._look or anew):
            return
        known = self._passed_over.copy()
        if not anew:
            known.update(shard for shard in self.shards if isinstance(shard, Path))
        for _ in range(AGAIN):  # what was merged meanwhile lies in another shard now
            paths = [path for path in self._listed() if path not in known]
            known.update(path for path in paths if self._take_up(path))
            if known.issuperset(paths):
                break

    def _listed(self) -> list[Path]:
        """Return the shards in the folder, the largest, into which others go, last."""
        try:
            return sorted(self.folder.glob(SHARD), key=size_of) if self.folder else []
        except OSError:  # a folder that may not be entered
            return []

    def _take_up(self, path: Path) -> bool:
        """Enter a shard, or pass it over for good; False if it isn't there any more."""
        keys: list[bytes] = []  # of each block's rows, side by side
        try:
            for rows in read_shard(path, self.dtype, path.stem):
                keys.append(rows["photo"].tobytes())
                if not np.isfinite(rows["features"]).all():
                    raise ShardError("it holds features that are not numbers")
        except FileNotFoundError:  # another process merged it or set it aside
            if not path.is_symlink():
                return False
            self._passed_over.add(path)
        except ShardError as error:
            set_aside(path, error.message)
            self.damaged.append(path)
            self._passed_over.add(path)
        except OSError as error:  # it may be whole, and readable another time
            _warn(path, f"can't be read now: {error.strerror}")
            self._passed_over.add(path)
        else:
            self._enter(path, _split(b"".join(keys)))
        return True

    def _enter(self, shard: Path | np.ndarray, keys: Sequence[bytes]) -> None:
        first = len(self.shards) << 32
        self.shards.append(shard)
        self._places.update(zip(keys, range(first, first + len(keys)), strict=True))

    def rows(self, keys: Sequence[bytes], features: np.ndarray) -> np.ndarray:
        """Return photos' keys and features (n, d) as rows to `add`."""
        rows = np.empty(len(keys), self.dtype)
        rows["photo"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)
        rows["features"] = features
        return rows

    def add(self, parts: Sequence[np.ndarray]) -> None:
        """Write rows as one shard and take it up; in memory if the disk refuses."""
        shard = self._written(parts)
        self._enter(shard, _split(b"".join(p["photo"].tobytes() for p in parts)))

    def _written(self, parts: Sequence[np.ndarray]) -> Path | np.ndarray:
        if self.folder and not self._refused:
            try:
                self.prepare()
                return write_shard(self.folder, parts)
            except OSError as error:
                self._refused = True
                warnings.warn(
                    f"Could not keep bottlenecks in {self.folder.as_posix()} "
                    f"({error.strerror}); they are used now and computed again next "
                    "time.",
                    stacklevel=2,
                )
        return np.concatenate(parts)

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

        A merged shard's rows are sorted and each photo's first is kept: of the same
        shards every process makes the same one. So of two that merge at once neither
        can remove the last file that holds a photo.
        """
        sizes = {path: size_of(path) for path in self.shards}
        small = sorted(path for path, size in sizes.items() if size < large)
        while len(small) > 1:
            group = [small.pop(0)]
            while small and sum(sizes[path] for path in group) < large:
                group.append(small.pop(0))
            if len(group) > 1:
                self._merge(group)

    def _merge(self, group: list[Path]) -> None:
        try:
            blocks = [rows for p in group for rows in read_shard(p, self.dtype, p.stem)]
        except (OSError, ShardError):  # another process merges, too
            return
        rows = np.concatenate(blocks)
        _, firsts = np.unique(rows["photo"].copy().view("V32"), return_index=True)
        written = write_shard(self.folder, [rows[firsts]])
        for path in group:
            if path != written:
                path.unlink(missing_ok=True)

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
        wanted = sorted((self._places[p], i) for i, p in enumerate(keys) if p)
        for shard, run in _by_shard(wanted):
            places, rows = np.array(run).T
            features[rows] = self._rows(self.shards[shard], places)
        return features

    def _rows(self, shard: Path | np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the features at ascending places of a shard."""
        if isinstance(shard, np.ndarray):
            return shard["features"][places]
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


def _split(data: bytes) -> list[bytes]:
    return [data[i : i + 32] for i in range(0, len(data), 32)]


def _by_shard(
    wanted: list[tuple[int, int]],
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Group ascending (place, row) by shard; yield its position and its own places."""
    start = 0
    while start < len(wanted):
        shard = wanted[start][0] >> 32
        stop = start
        while stop < len(wanted) and wanted[stop][0] >> 32 == shard:
            stop += 1
        yield shard, [(p & 0xFFFFFFFF, row) for p, row in wanted[start:stop]]
        start = stop


def _warn(path: Path, what: str) -> None:
    name = printable(path.name[:12])
    warnings.warn(
        f"The shard {name}… in {printable(path.parent.as_posix())} {what}. Its photos "
        "are computed again.",
        stacklevel=3,
    )


def set_aside(path: Path, why: str) -> None:
    """Rename a damaged shard, and say so once."""
    _warn(path, f"is set aside: {why}")
    try:
        path.rename(path.with_suffix(".damaged"))
    except OSError:
        return  # a read-only workspace: it is passed over all the same
