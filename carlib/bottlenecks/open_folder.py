"""A folder of shards as a process has it open, and what waits there to be a shard."""

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from carlib.bottlenecks.shard_file import write_shard
from carlib.bottlenecks.shard_folder import ShardFolder


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
            known.enter(known.folder / written.name, rows["photo"])


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
