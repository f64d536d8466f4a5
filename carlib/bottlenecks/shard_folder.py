"""The shards of a folder that were read and found whole, and what waits to be one."""

import contextlib
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from carlib.bottlenecks.shard_file import (
    AGAIN,
    ShardError,
    is_shard,
    read_shard,
    size_of,
    write_shard,
)
from carlib.bottlenecks.status import Status, statuses_in
from carlib.errors import printable


class ShardFolder:
    """Where each photo's features lie in a folder, as far as that was looked at.

    It only ever grows, and may be used by several threads: who has found a photo in it
    finds it again.

    Args:
        folder: The backbone's own; None: there is none.
        dtype: What a row is.

    Attributes:
        paths: The shards.
        places: Photo → position of its shard in `paths` and of its row there, in one
            number.
        damaged: Where shards lay that aren't whole.
    """

    def __init__(self, folder: Path | None, dtype: np.dtype):
        self.folder, self.dtype = folder, dtype
        self.paths: list[Path] = []
        self.places: dict[bytes, int] = {}
        self.damaged: list[Path] = []
        # Of what was read, whole or not; None: what is there is to be read again.
        self._statuses: dict[str, Status | None] = {}
        self._lock = threading.RLock()

    def refresh(self, anew: bool = False) -> None:
        """Take up shards that came since, from other processes too; or all, anew."""
        with self._lock:
            known = set(self._statuses)
            if anew:
                known.difference_update(path.name for path in self.paths)
            for _ in range(AGAIN):  # what was merged meanwhile lies in another one now
                now = self._statuses_now()
                new = sorted(now.keys() - known, key=self._size)
                known.update(name for name in new if self._take_up(name, now[name]))
                if known.issuperset(new):
                    break

    def reopened(self) -> "ShardFolder":
        """Return what is known now: this and what came since, or all read anew.

        That's needed if a shard is gone or isn't what it was; its photos may be lost.
        """
        with self._lock:
            now = self._statuses_now()
            if now == self._statuses and None not in now.values():
                return self
            if not all(self._is_still_whole(path, now) for path in self.paths):
                anew = ShardFolder(self.folder, self.dtype)
                anew.refresh()
                return anew
            same = now.items() & self._statuses.items()
            known = {name: status for name, status in same if status}
            self._statuses = known | {
                path.name: now.get(path.name) for path in self.paths
            }
            self.refresh()
            return self

    def enter(self, path: Path, keys: Sequence[bytes]) -> None:
        """Take up a shard that holds these photos, row by row."""
        with self._lock:
            first = len(self.paths) << 32
            self.paths.append(path)
            places = range(first, first + len(keys))
            self.places.update(zip(keys, places, strict=True))
            self._statuses.setdefault(path.name, None)

    def _statuses_now(self) -> dict[str, Status | None]:
        return statuses_in(self.folder, is_shard) if self.folder else {}

    def _size(self, name: str) -> int:
        """Return a shard's size: the largest, into which others go, come last."""
        return size_of(self.folder / name)

    def _is_still_whole(self, path: Path, now: dict[str, Status | None]) -> bool:
        """Tell whether a shard is what it was, by its status, or its content."""
        if now.get(path.name) and now[path.name] == self._statuses[path.name]:
            return True
        try:
            self._keys_in(path)
        except (OSError, ShardError):
            return False
        return True

    def _keys_in(self, path: Path) -> list[bytes]:
        """Return the photos of a shard's rows.

        Raises:
            ShardError: It isn't whole.
            OSError: It can't be read.
        """
        keys: list[bytes] = []  # of each block's rows, side by side
        for rows in read_shard(path, self.dtype, path.stem):
            keys.append(rows["photo"].tobytes())
            if not np.isfinite(rows["features"]).all():
                raise ShardError("it holds features that are not numbers")
        data = b"".join(keys)
        return [data[i : i + 32] for i in range(0, len(data), 32)]

    def _take_up(self, name: str, status: Status | None) -> bool:
        """Enter a shard, or pass it over; False if it isn't there any more."""
        path = self.folder / name
        try:
            keys = self._keys_in(path)
        except FileNotFoundError:  # another process merged it or set it aside
            if not path.is_symlink():
                return False
            status = None
        except ShardError as error:
            set_aside(path, error.message)
            self.damaged.append(path)
        except OSError as error:  # it may be whole, and readable another time
            _warn(path, f"can't be read now: {error.strerror}")
            status = None
        else:
            self.enter(path, keys)
        self._statuses[name] = status
        return True


class OpenFolder:
    """A folder's shards as they are now, for all calls of a process; see `opened`.

    Features that calls hold back wait here until a shard of them is worth its file.

    Args:
        folder, dtype: As of `ShardFolder`.
    """

    def __init__(self, folder: Path, dtype: np.dtype):
        self._known = ShardFolder(folder, dtype)
        self._place = folder.absolute()  # the process may go elsewhere meanwhile
        self._held: dict[bytes, np.ndarray] = {}
        self._seconds = 0.0
        self._lock, self._writing = threading.Lock(), threading.Lock()

    def now(self) -> tuple[ShardFolder, dict[bytes, np.ndarray]]:
        """Return what lies in the folder, and the features that are held back."""
        with self._lock:
            self._known = self._known.reopened()
            return self._known, self._held

    def hold(
        self, features: dict[bytes, np.ndarray], seconds: float
    ) -> tuple[float, int]:
        """Hold photos' features back.

        Args:
            seconds: What it took to compute them.

        Returns:
            How many seconds' work, and how many bytes, wait here now.
        """
        with self._lock:
            self._held.update(features)
            self._seconds += seconds
            return self._seconds, len(self._held) * self._known.dtype.itemsize

    def write(self) -> None:
        """Write what was held back as a shard; where that can't be, let it go.

        Somebody who removed the folder doesn't want it back.
        """
        if not self._writing.acquire(blocking=False):
            return  # another thread does so
        try:
            with self._lock:
                held, known = dict(self._held), self._known
            if held and self._place.is_dir():
                self._write(held, known)
            with self._lock:
                left = {key: f for key, f in self._held.items() if key not in held}
                self._held, self._seconds = left, 0.0
        finally:
            self._writing.release()

    def _write(self, held: dict[bytes, np.ndarray], known: ShardFolder) -> None:
        rows = rows_of([*held], [*held.values()], known.dtype)
        try:
            written = write_shard(self._place, [rows])
        except OSError as error:
            could_not_keep(self._place, error)
        else:
            known.enter(known.folder / written.name, [*held])


def rows_of(
    keys: Sequence[bytes], features: Sequence[np.ndarray], dtype: np.dtype
) -> np.ndarray:
    """Return photos' keys and features as rows of a shard."""
    rows = np.empty(len(keys), dtype)
    rows["photo"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)
    rows["features"] = features
    return rows


def could_not_keep(folder: Path, error: OSError) -> None:
    """Warn that features can't be written."""
    warnings.warn(
        f"Could not keep bottlenecks in {folder.as_posix()} ({error.strerror}); they "
        "are used now and computed again next time.",
        stacklevel=3,
    )


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
    with contextlib.suppress(OSError):  # a read-only workspace: it is passed over
        path.rename(path.with_suffix(".damaged"))
