"""The photos of a page: each once, small, and only as many as can be mailed."""

import base64
import functools
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from carlib.cores import usable_cores
from carlib.data.addresses import file_name, shown
from carlib.data.images import thumbnail
from carlib.data.photos import read_photo, readers
from carlib.errors import ImageError, printable
from carlib.messages import bar

SIDE, QUALITY = 192, 70  # pixels; JPEG's: some 7 kB a photo
BUDGET = 13_000_000  # characters of all pictures, so that a page stays under 15 MB
_FOLDERS = re.compile(r"(?<!\w)(?:[A-Za-z]:)?[\\/](?:[^\s\\/]+[\\/])+")
AT_ONCE = 64  # photos read before the budget is looked at again


@dataclass
class Shown:
    """A photo of a page: its name, what is said of it, and a picture of it, or ""."""

    name: str
    caption: str
    src: str = ""
    width: int = 0
    height: int = 0


class PhotoStore:
    """Hold the photos of a page under numbers, each once, however often it's shown.

    The pictures are made at the end, in the order in which the photos came, until
    the budget is used up; the others have a name and a caption alone.

    Args:
        paths: All that may come: names are told from where these have their folder in
            common, so that no page tells of its maker's own folders.
        budget: Characters that all pictures may take.
        side: Their longer side in pixels, at most.

    Example:
        >>> store = PhotoStore(photos.image_path)
        >>> store.number(photos.image_path[0], "door_dent")
        0
        >>> store.fill()
    """

    def __init__(self, paths: Iterable[str], budget: int = BUDGET, side: int = SIDE):
        self._names = names_of(list(paths))
        self._numbers: dict[str, int] = {}
        self._shown: list[Shown] = []
        self._budget, self._side = budget, side

    def number(self, path: str, caption: str = "") -> int:
        """Return a photo's number; the first caption that it comes with is kept."""
        if path not in self._numbers:
            self._numbers[path] = len(self._shown)
            self._shown.append(Shown(self.name(path), printable(caption)))
        return self._numbers[path]

    def name(self, path: str) -> str:
        """Return what a page calls a photo: its path inside the common folder."""
        return self._names.get(path) or printable(file_name(path))

    def without_folders(self, text: str) -> str:
        """Return a text in which photos' paths, and others, have lost their folders."""
        for path, name in self._names.items():
            text = text.replace(path, name)
        return _FOLDERS.sub("", text)

    def __getitem__(self, number: int) -> Shown:
        return self._shown[number]

    @property
    def n_left_out(self) -> int:
        """How many photos have no picture, for the budget or because of the file."""
        return sum(not shown.src for shown in self._shown)

    def fill(self, progress: bool = True) -> None:
        """Make the pictures."""
        paths, left = list(self._numbers), self._budget
        options = {} if progress else {"disable": True}
        with (
            bar(len(paths), "Thumbnails", "photo", **options) as shown_bar,
            readers(usable_cores()) as pool,
        ):
            for first in range(0, len(paths), AT_ONCE):
                some = paths[first : first + AT_ONCE]
                made = pool.map(functools.partial(picture, side=self._side), some)
                left = self._take(first, made, left)
                shown_bar.update(len(some))

    def _take(
        self, first: int, pictures: Iterable[tuple[str, int, int]], left: int
    ) -> int:
        """Keep pictures, from a photo on, that the budget has room for."""
        for number, made in enumerate(pictures, first):
            if len(made[0]) <= left:
                shown = self._shown[number]
                shown.src, shown.width, shown.height = made
                left -= len(shown.src)
        return left

    def to_list(self) -> list[dict[str, Any]]:
        """Return the photos as plain values, by their numbers."""
        return [asdict(shown) for shown in self._shown]


def picture(path: str, side: int = SIDE) -> tuple[str, int, int]:
    """Return a photo as a data URI of a small JPEG, its width and its height.

    Nothing of the file but its pixels goes into it. Of a photo that can't be read it's
    an empty one.
    """
    from PIL import Image

    try:
        image = Image.fromarray(thumbnail(read_photo(path), side))
    except ImageError:
        return "", 0, 0
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return data_uri("image/jpeg", buffer.getvalue()), *image.size


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as an address that holds them (RFC 2397)."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """Return each path as it is told inside the folder that all have in common."""
    absolute = [Path(shown(path)).absolute() for path in paths]
    try:
        root = os.path.commonpath([path.parent for path in absolute] or ["."])
    except ValueError:  # on several drives
        return {}
    told = (path.relative_to(root).as_posix() for path in absolute)
    return {path: printable(name) for path, name in zip(paths, told, strict=True)}
