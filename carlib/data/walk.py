"""What lies in a folder of photos: one walk, for class folders and for predictions.

Content decides whether a file is a photo, not what it is called. Nothing is left out in
silence but what systems leave behind (`._a.jpg`, `Thumbs.db`, hidden folders).
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from carlib.data.opening import starts_like_a_photo

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
)
# Pictures that aren't read: a class that has nothing else would be gone.
OTHER_PICTURES = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".nef"}
)
JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "icon\r"})
SHOWN = 9


class Walk(NamedTuple):
    """The photos in a folder, sorted by path, and what else lies there, with its kind.

    All are relative to the folder. A kind is a suffix, or a word such as "link".
    """

    photos: list[Path]
    left_out: list[tuple[Path, str]]


def walk(root: Path) -> Walk:
    """Look for photos in a folder and those inside it; links to folders are left out.

    Raises:
        OSError: The folder itself can't be read.
    """
    photos, left_out = [], []
    for path, kind in _files(root, Path()):
        if kind:
            left_out.append((path, kind))
        else:
            photos.append(path)
    return Walk(photos, left_out)


def _files(root: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file's path and why it is no photo, "" if it is one."""
    with os.scandir(root / folder) as entries:
        visible = [entry for entry in entries if not is_junk(entry.name)]
    for entry in sorted(visible, key=lambda entry: entry.name):
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            yield path, _kind(Path(entry.path))
            continue
        try:
            yield from _files(root, path)
        except OSError:
            yield path, "unreadable folder"


def is_junk(name: str) -> bool:
    """Tell whether a name is hidden, or of what systems leave behind."""
    return name.startswith((".", "__")) or name.casefold() in JUNK


def _kind(path: Path) -> str:
    """Return "" for a photo, by its suffix or its first bytes, else what it is."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "link that leads nowhere"
    if stat.S_ISDIR(mode):
        return "link to a folder"
    if not stat.S_ISREG(mode):
        return "device"
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES or starts_like_a_photo(_head(path)):
        return ""
    return suffix or "file without a suffix"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def by_suffix(names: Iterable[str]) -> Walk:
    """Part the names of files in a store or a tar into photos and others.

    Here suffixes decide: a look at each file's first bytes would be a question each.
    """
    photos, left_out = [], []
    for name in names:
        path = Path(name)
        if path.suffix.lower() in PHOTO_SUFFIXES:
            photos.append(path)
        else:
            left_out.append((path, path.suffix.lower() or "file without a suffix"))
    return Walk(photos, left_out)


def left_out_text(left_out: Iterable[tuple[Path, str]]) -> str:
    """Return what was left out, by kind and folder, in one sentence; "" if nothing."""
    counts = Counter((kind, path.parent.as_posix()) for path, kind in left_out)
    parts = [
        f"{count:,} {kind}" + (f" in {folder}" if folder != "." else "")
        for (kind, folder), count in counts.most_common(SHOWN)
    ]
    rest = counts.total() - sum(count for _, count in counts.most_common(SHOWN))
    parts += [f"{rest:,} more"] if rest else []
    return f"Left out: {', '.join(parts)}." if parts else ""
