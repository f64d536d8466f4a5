"""Whatever can be a photo, as people hand it in: gone through once, each named."""

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from carlib.data import images, opening, stores, tars
from carlib.data.addresses import address_fault, is_address, is_plain_file, shown
from carlib.data.walk import by_suffix, left_out_text, walk
from carlib.errors import ImageError, OptionError
from carlib.files import as_path
from carlib.messages import say


@dataclass(frozen=True, slots=True)
class Source:
    """A photo as it was handed in, and what to call it in a message.

    `content` is None for what is read by its name: a file, an address, a member of a
    tar (see `carlib.data.addresses`). Any process can read such.
    """

    name: str
    content: bytes | np.ndarray | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file by itself, whose path was handed in."""
        return self.content is None and is_plain_file(self.name)

    @property
    def shown(self) -> str:
        """What to call it in a message: its name, without what may be secret in it."""
        return shown(self.name)


def as_sources(photos: Any) -> list[Source]:
    """Accept all that can be photos, and name each.

    One photo is a path, bytes, an open file, pixels (uint8, height × width × 3) or a
    Pillow image. Several are a list of such, a Series, what can be gone through only
    once (`Path.glob`, a generator), an array (n, height, width, 3), a DataFrame with a
    column image_path, or the path of a folder or a tar, which stands for the photos in
    it. A path may be an address, such as s3://bucket/photos/1.jpeg (see
    `carlib.data.addresses` for those that are read); that of a folder ends in a slash.

    Raises:
        OptionError: Something is none of these; all such are named.
        ImageError: A folder without a photo.

    Example:
        >>> [source.name for source in as_sources(Path("photos").glob("*.jpg"))]
        ['photos/1.jpg', 'photos/2.jpg']
    """
    if hasattr(photos, "columns"):
        photos = _column(photos)
    elif _is_path(photos) and holds_photos(str(photos)):
        photos = photos_in(str(photos))
    elif _is_one_photo(photos):
        photos = [photos]
    elif isinstance(photos, Mapping | Set) or not isinstance(photos, Iterable):
        raise _no_photos([_kind_of(photos)])
    return _named(list(_rows(photos)))


def _column(table: Any) -> Any:
    """Return the column of a table that names photos: image_path, or its only one."""
    if "image_path" in table.columns:
        return table["image_path"]
    if len(table.columns) == 1:
        return table.iloc[:, 0]
    raise OptionError(
        "Expected a DataFrame with a column image_path. Received: "
        f"{', '.join(map(str, table.columns))}"
    )


def holds_photos(name: str) -> bool:
    """Tell whether a path or an address stands for the photos in it."""
    if is_address(name):
        return name.endswith("/") or tars.is_tar(name)
    return as_path(name).is_dir() or (tars.is_tar(name) and as_path(name).is_file())


def photos_in(folder: str | os.PathLike) -> list[str]:
    """Return the photos in a folder or a tar, and say what in it is left out.

    Raises:
        ImageError: There are none.
        ArchiveError: The tar is refused.
        DataError: The address can't be listed.
    """
    name = str(folder)
    photos, left_out = _found_in(name)
    note = left_out_text(left_out)
    if not photos:
        raise ImageError(f"No photos in {shown(name)}.", [note] if note else [])
    if note:
        say(f"{shown(name)}: {note}")
    return photos


def _found_in(folder: str) -> tuple[list[str], list[tuple[Path, str]]]:
    if tars.is_tar(folder) and (is_address(folder) or not as_path(folder).is_dir()):
        folder = folder if is_address(folder) else str(as_path(folder))
        found = tars.walk_tar(folder)
        return [f"{folder}/{path.as_posix()}" for path in found.photos], found.left_out
    if is_address(folder):
        entries = stores.listed(folder)
        photos, left_out = by_suffix(entries)
        return [entries[path.as_posix()].address for path in photos], left_out
    photos, left_out = walk(as_path(folder))
    return [str(as_path(folder) / path) for path in photos], left_out


def _rows(photos: Iterable[Any]) -> Iterator[Any]:
    """Yield each photo; of a column of a table, (n, 1), what stands in it."""
    is_column = isinstance(photos, np.ndarray) and photos.ndim == 2
    yield from photos.ravel() if is_column else photos


def _named(photos: list[Any]) -> list[Source]:
    sources = [_as_source(photo, number) for number, photo in enumerate(photos, 1)]
    wrong = [
        f"photo {number} is {_kind_of(photo)}"
        for number, (photo, made) in enumerate(zip(photos, sources, strict=True), 1)
        if made is None
    ]
    if wrong:
        raise _no_photos(wrong)
    return sources


def _as_source(photo: Any, number: int) -> Source | None:
    """Return a photo with its name; None if it is none."""
    name = f"photo {number}"
    if _is_path(photo):
        return _named_source(str(photo))
    if isinstance(photo, bytes | bytearray | memoryview):
        return Source(name, bytes(photo))
    if isinstance(photo, np.ndarray):
        return Source(name, images.from_array(photo, name))
    if _is_open_file(photo):
        return Source(name, _content_of(photo, name))
    if _is_pillow(photo):
        return Source(name, images.from_pillow(photo, name))
    return None


def _named_source(name: str) -> Source | None:
    """Return what is read by its name; None: an address that isn't read."""
    if is_address(name):
        return None if address_fault(name) else Source(name)
    if name.lower().startswith("file://"):
        return Source(url2pathname(urlsplit(name).path))
    return Source(str(as_path(name)) if name.startswith("~") else name)


def _content_of(file: Any, name: str) -> bytes:
    content = file.read(opening.MAX_BYTES + 1)
    if not isinstance(content, bytes):
        raise OptionError(f'{name} is a file that was opened as text: open it by "rb".')
    if len(content) > opening.MAX_BYTES:
        raise ImageError(f"{name} is larger than {opening.MAX_BYTES:,} bytes.")
    return content


def _is_path(photo: Any) -> bool:
    return isinstance(photo, str | os.PathLike)


def _is_open_file(photo: Any) -> bool:
    return callable(getattr(photo, "read", None))


def _is_pillow(photo: Any) -> bool:
    return callable(getattr(photo, "convert", None)) and hasattr(photo, "getbands")


def _is_one_photo(photos: Any) -> bool:
    if isinstance(photos, np.ndarray):
        return photos.dtype.kind in "uifb" and photos.ndim < 4
    alone = isinstance(photos, bytes | bytearray | memoryview) or _is_path(photos)
    return alone or _is_open_file(photos) or _is_pillow(photos)


def _kind_of(photo: Any) -> str:
    """Return what something is that is no photo, in a word or two."""
    if _is_path(photo):
        name = str(photo)
        return f"{address_fault(name)} ({shown(name)})"
    return "None" if photo is None else f"a {type(photo).__name__}"


def _no_photos(received: list[str]) -> OptionError:
    return OptionError(
        "Expected photos: paths, addresses, a folder, bytes, open files, Pillow "
        f"images, uint8 arrays, or a DataFrame. Received: {received[0]}",
        received[1:],
    )
