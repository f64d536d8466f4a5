"""Photos' files that can't be read, and those that are called what they aren't."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from carlib.data.sources import Source
from carlib.reading import open_file

COLUMNS = ["image_path", "kind", "problem"]
# How a file of each format starts, from byte 0 or, after a *, byte 8; its suffixes.
FORMATS = {
    "JPEG": ((b"\xff\xd8\xff",), (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    "PNG": ((b"\x89PNG\r\n",), (".png",)),
    "GIF": ((b"GIF87a", b"GIF89a"), (".gif",)),
    "BMP": ((b"BM",), (".bmp", ".dib")),
    "TIFF": ((b"II*\0", b"MM\0*"), (".tif", ".tiff")),
    "WebP": ((b"*WEBP",), (".webp",)),
}


def file_faults(sources: Sequence[Source], errors: Mapping[int, str]) -> pd.DataFrame:
    """Return what is wrong with the photos' files.

    Args:
        sources: The photos.
        errors: What came of those that can't be read, by their position.

    Returns:
        A row a fault: image_path, kind ("unreadable": missing, empty, cut off, of
        another format …; "suffix": it's read, but called like another format), problem.
    """
    rows = [(sources[row].name, "unreadable", errors[row]) for row in sorted(errors)]
    readable = (source for row, source in enumerate(sources) if row not in errors)
    names = [source.name for source in readable if source.is_file]
    rows += [(n, "suffix", why) for n in names if (why := _false_suffix(Path(n)))]
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


def _false_suffix(path: Path) -> str:
    """Return what a file is if its name says something else, or ""."""
    kind, suffix = _format(path), path.suffix.lower()
    if not suffix or not kind or suffix in FORMATS[kind][1]:
        return ""
    return f"{path} is {kind}, not {suffix}."


def _format(path: Path) -> str:
    try:
        with open_file(path) as file:
            start = file.read(16) or b""
    except OSError:
        return ""
    for kind, (starts, _) in FORMATS.items():
        if start.startswith(starts) or (b"*" + start[8:]).startswith(starts):
            return kind
    return ""
