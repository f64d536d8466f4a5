"""The shards of a folder: those that were found whole, and those that hints promise."""

import contextlib
import hashlib
import sys
import threading
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carlib.bottlenecks.shard_file import (
    AGAIN,
    ShardError,
    is_shard,
    read_hint,
    read_shard,
    remove_hint,
    size_of,
)
from carlib.bottlenecks.status import Status, statuses_in
from carlib.bottlenecks.tables import Tables, as_words
from carlib.errors import printable


class _Taken(NamedTuple):
    """A shard, as it was when it was looked at, and the photos of its rows."""

    path: Path
    status: Status | None
    photos: np.ndarray
    is_hint: bool


class ShardFolder:
    """Where each photo's features lie in a folder, as far as that was looked at.

    It only ever grows, and may be used by several threads: who has found a photo in it
    finds it again. Of a shard that has a hint no more is read until a photo is looked
    for that it may hold: then all of it is, and what it doesn't hold isn't found.

    Args:
        folder: The backbone's own; None: there is none.
        dtype: What a row is.

    Attributes:
        damaged: Where shards lay that aren't whole.
    """

    def __init__(self, folder: Path | None, dtype: np.dtype):
        self.folder, self.dtype = folder, dtype
        self.damaged: list[Path] = []
        # A photo's key → the number of a shard and of a row of it, in one word. What a
        # number stands for never changes: a hint that erred leaves it to nobody.
        self._places = Tables(4, 5)
        self._shards: list[Path] = []
        self._read: set[int] = set()  # shards that were found whole
        self._hints: dict[int, bytes] = {}  # the others', as their SHA-256
        # Of what was looked at, whole or not; None: what is there is to be read again.
        self._statuses: dict[str, Status | None] = {}
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[bytes]:
        """Yield each photo once, those that hints promise too."""
        return self._places.keys()

    @property
    def paths(self) -> list[Path]:
        """The shards."""
        with self._lock:
            paths = [self._shards[number] for number in self._present()]
            return list(dict.fromkeys(paths))

    def path(self, number: int) -> Path:
        """Return the shard of a place, by its number."""
        return self._shards[number]

    def place(self, key: bytes) -> int:
        """Return where a photo's features lie: shard << 32 | row; -1: nowhere."""
        while True:
            found = next(self._places.matches(key), None)
            if found is None:
                return -1
            place = int.from_bytes(found, sys.byteorder)
            if place >> 32 in self._read:
                return place
            self._read_hinted(place >> 32)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return where photos' features lie, int64 (n,), as `place` does.

        Args:
            keys: uint8 (n, 32).
        """
        while True:
            found, values = self._places.find(as_words(keys))
            places = np.where(found, values[:, 0].view(np.int64), -1)
            numbers = np.unique(places[found] >> 32).tolist()
            if all(n in self._read or self._read_hinted(n) for n in numbers):
                return places

    def may_hold(self, keys: np.ndarray) -> np.ndarray:
        """Tell of photos, uint8 (n, 32), if they are here, as far as hints say."""
        return self._places.find(as_words(keys))[0]

    def refresh(self, anew: bool = False) -> None:
        """Take up shards that came since, from other processes too; or all, anew."""
        with self._lock:
            known = set(self._statuses)
            if anew:
                known.difference_update(path.name for path in self.paths)
            taken: list[_Taken] = []
            for _ in range(AGAIN):  # what was merged meanwhile lies in another one now
                now = self._statuses_now(known)
                new = sorted(now, key=lambda name: self._size(name, now[name]))
                known.update(n for n in new if self._take_up(n, now[n], taken))
                if known.issuperset(new):
                    break
            self._enter(taken)

    def reopened(self) -> "ShardFolder":
        """Return what is known now: this and what came since, or all looked at anew.

        That's needed if a shard is gone or isn't what it was; its photos may be lost.
        """
        with self._lock:
            if not self._statuses:  # there is nothing yet to compare
                self.refresh()
                return self
            now = self._statuses_now()
            if now == self._statuses and None not in now.values():
                return self
            if not all(self._is_still_whole(number, now) for number in self._present()):
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

    def enter(self, path: Path, photos: np.ndarray) -> None:
        """Take up a whole shard that holds these photos, row by row, uint8 (n, 32)."""
        with self._lock:
            status = self._statuses.get(path.name)
            self._enter([_Taken(path, status, photos, is_hint=False)])

    def read_hinted(self, below: int) -> None:
        """Read, of the shards that have fewer bytes, those of which only hints were."""
        while numbers := [n for n in sorted(self._hints) if self._bytes(n) < below]:
            for number in numbers:
                self._read_hinted(number)

    def _present(self) -> list[int]:
        return sorted(self._read | self._hints.keys())

    def _statuses_now(self, but: Collection[str] = ()) -> dict[str, Status | None]:
        def is_asked_for(name: str) -> bool:
            return is_shard(name) and name not in but

        return statuses_in(self.folder, is_asked_for) if self.folder else {}

    def _size(self, name: str, status: Status | None) -> int:
        """Return a shard's size: the largest, into which others go, come last."""
        return status[0] if status else size_of(self.folder / name)

    def _bytes(self, number: int) -> int:
        return size_of(self._shards[number])

    def _is_still_whole(self, number: int, now: dict[str, Status | None]) -> bool:
        """Tell whether a shard is what it was, by its status, or its content.

        What is only promised is still to be read.
        """
        path = self._shards[number]
        if now.get(path.name) and now[path.name] == self._statuses.get(path.name):
            return True
        if number in self._hints:
            return path.name in now
        try:
            self._photos_in(path)
        except (OSError, ShardError):
            return False
        return True

    def _photos_in(self, path: Path) -> np.ndarray:
        """Return the photos of a shard's rows, uint8 (n, 32).

        Raises:
            ShardError: It isn't whole.
            OSError: It can't be read.
        """
        photos = [np.empty((0, 32), np.uint8)]
        for rows in read_shard(path, self.dtype, path.stem):
            photos.append(rows["photo"].copy())  # of a block that need not stay
            if not np.isfinite(rows["features"]).all():
                raise ShardError("it holds features that are not numbers")
        return np.concatenate(photos)

    def _take_up(self, name: str, status: Status | None, taken: list[_Taken]) -> bool:
        """Take up a shard, or pass it over; False if it isn't there any more."""
        path = self.folder / name
        self._statuses.pop(name, None)
        photos = read_hint(path, self.dtype, self._size(name, status))
        is_hint = photos is not None
        try:
            photos = photos if is_hint else self._whole(path)
        except FileNotFoundError:  # another process merged it or set it aside
            return False
        if photos is None:
            self._statuses.setdefault(name, status)
        else:
            taken.append(_Taken(path, status, photos, is_hint))
        return True

    def _enter(self, taken: list[_Taken]) -> None:
        """Enter what was taken up, from first to last; cut off, it can be done again.

        So nothing has a status before its photos have their places.
        """
        statuses = {each.path.name: each.status for each in taken}
        taken.reverse()
        rows = []
        while taken:  # a hint goes as soon as its rows are there
            rows.append(self._rows(taken.pop()))
        self._places.add(*rows)
        self._statuses |= statuses

    def _whole(self, path: Path) -> np.ndarray | None:
        """Return the photos of a shard, or None, with a warning, if it's passed over.

        Raises:
            FileNotFoundError: It isn't there any more.
        """
        try:
            return self._photos_in(path)
        except FileNotFoundError:
            if not path.is_symlink():
                raise
            self._statuses[path.name] = None
        except ShardError as error:
            set_aside(path, error.message)
            self.damaged.append(path)
        except OSError as error:  # it may be whole, and readable another time
            _warn(path, f"can't be read now: {error.strerror}")
            self._statuses[path.name] = None
        return None

    def _rows(self, taken: _Taken) -> np.ndarray:
        """Give a shard a number; return its photos with their places, to be added."""
        number, count = len(self._shards), len(taken.photos)
        self._shards.append(taken.path)
        if taken.is_hint:
            self._hints[number] = _digest(taken.photos)
        else:
            self._read.add(number)
        rows = np.empty((count, 5), np.uint64)
        rows[:, :4] = as_words(taken.photos)
        rows[:, 4] = np.arange(count, dtype=np.uint64) + (number << 32)
        return rows

    def _read_hinted(self, number: int) -> bool:
        """Read a shard of which only its hint was, and tell whether that was right.

        If it was not, its photos are where the shard has them, or not here any more.
        """
        with self._lock:
            if number not in self._hints:
                return number in self._read  # as another thread found out
            path = self._shards[number]
            try:
                photos = self._whole(path)
            except FileNotFoundError:  # merged: its photos lie in another one now
                missing = [n for n in self._hints if not self._shards[n].exists()]
                self._leave({number, *missing})
                self.refresh()
                return False
            return self._is_as_promised(number, photos)

    def _is_as_promised(self, number: int, photos: np.ndarray | None) -> bool:
        if photos is not None and _digest(photos) == self._hints[number]:
            self._read.add(number)
            del self._hints[number]
            return True
        if photos is not None:
            path = self._shards[number]
            remove_hint(path)
            self.enter(path, photos)
        self._leave({number})
        return False

    def _leave(self, numbers: Collection[int]) -> None:
        """Forget what shards' hints promised."""
        gone = np.array(list(numbers), np.uint64)
        self._places.keep(lambda rows: ~np.isin(rows[:, 4] >> 32, gone))
        for number in numbers:
            del self._hints[number]


def _digest(photos: np.ndarray) -> bytes:
    return hashlib.sha256(photos).digest()


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
    remove_hint(path)
    with contextlib.suppress(OSError):  # a read-only workspace: it is passed over
        path.rename(path.with_suffix(".damaged"))
