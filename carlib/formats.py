"""Tell an image's format and open it with Pillow, strictly and quietly.

`Image.open` is not used: it warns of large images through filters that belong to the
whole process, and it offers the bytes to every plugin. A format is told by its first
bytes, and the class that reads it is called directly.
"""

import contextlib
import io
import re
import struct
import threading
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from carlib.errors import ImageError

MAX_PIXELS = 89_000_000


class _Jpeg(JpegImageFile):
    """A JPEG, or the first picture of an MPO."""

    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF alone: Pillow would parse all of it, and warn if it's damaged."""


# How a file starts, and the class that reads it or the name of what isn't read.
_KINDS: dict[bytes, Any] = {
    rb"\xff\xd8\xff": _Jpeg,
    rb"\x89PNG\r\n\x1a\n": PngImageFile,
    rb"RIFF....WEBP": WebPImageFile,
    rb"BM": BmpImageFile,
    rb"GIF8[79]a": GifImageFile,
    rb"II\*\0|MM\0\*": TiffImageFile,
    rb"....ftyp": "is HEIC, AVIF or a film",
    rb"\0\0\0\x0cjP  |\0\0\0\x0cJXL |\xff\x0a": "is JPEG 2000 or JPEG XL",
    rb"%PDF|PK\x03\x04": "is a PDF or a zip",
    rb"(?i).{0,999}<svg": "is SVG",
    rb"(\xef\xbb\xbf)?\s*<": "looks like HTML, not an image",
    rb"(\xef\xbb\xbf)?\s*[{\[]": "looks like JSON, not an image",
}


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Yield an encoded photo as Pillow's image, its size checked, not yet loaded.

    Raises:
        ImageError: Empty, of another format, over 89 megapixels, or whatever the
            decoder raises inside of the block.
    """
    reader = _reader(data, name)
    try:
        with _whole_images_only, reader(io.BytesIO(data)) as image:
            _check_size(image, name)
            yield image
    except ImageError:
        raise
    except Exception as error:  # hostile bytes get nearly anything out of a decoder
        detail = str(error) or type(error).__name__
        raise ImageError(f"{name} is cut off or damaged: {detail}.") from error


def _reader(data: bytes, name: str) -> type[ImageFile.ImageFile]:
    """Return the class that reads these bytes, told by how they start."""
    if not data:
        raise ImageError(f"{name} is empty.")
    kinds = (kind for start, kind in _KINDS.items() if re.match(start, data, re.DOTALL))
    kind = next(kinds, "is not an image of a known format")
    if isinstance(kind, str):
        hint = "JPEG, PNG, WebP, BMP, GIF and TIFF are read."
        raise ImageError(f"{name} {kind}.", hint=hint)
    return kind


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        most = f"at most {MAX_PIXELS / 1e6:g} million are decoded"
        raise ImageError(f"{name} is {width:,} × {height:,} pixels; {most}.")


class _WholeImagesOnly:
    """Keep Pillow's process-wide tolerance of cut-off images off while we decode.

    Other code may have turned it on; it gets its setting back when the last of our
    threads is done.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.theirs = threading.Lock(), 0, False

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.theirs = ImageFile.LOAD_TRUNCATED_IMAGES
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                ImageFile.LOAD_TRUNCATED_IMAGES = self.theirs


_whole_images_only = _WholeImagesOnly()


def orientation(exif: bytes) -> int:
    """Return the orientation in an EXIF block, 1 where there's none or it's damaged.

    Read here because Pillow parses every tag, and warns of each that is damaged. (A
    TIFF's own is applied by Pillow as it loads.)
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = ">" if block.startswith(b"MM") else "<"
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, entry)
            if tag == 0x0112:
                return value
    return 1
