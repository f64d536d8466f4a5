"""Open an encoded photo with Pillow: few formats, bounded size, nothing tolerated."""

import contextlib
import io
import re
import threading
from collections.abc import Iterator

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from carlib.errors import ImageError

MAX_PIXELS = 89_000_000  # just below where Pillow begins to warn of bombs
READ = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# What a file is, told by how it starts, that can't be read as one of those.
OTHERS = {
    rb"....ftyp": "is HEIC, AVIF or a film",
    rb"\0\0\0\x0cjP  |\0\0\0\x0cJXL |\xff\x0a": "is JPEG 2000 or JPEG XL",
    rb"%PDF|PK\x03\x04": "is a PDF or a zip",
    rb"(?i).{0,999}<svg": "is SVG",
    rb"(\xef\xbb\xbf)?\s*<": "looks like HTML, not an image",
    rb"(\xef\xbb\xbf)?\s*[{\[]": "looks like JSON, not an image",
    rb"\xff\xd8\xff|\x89PNG|RIFF....WEBP": "is cut off or damaged",
    rb"BM|GIF8[79]a|II\*\0|MM\0\*": "is cut off or damaged",
}


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Yield an encoded photo as Pillow's image, its size checked, not yet loaded.

    Raises:
        ImageError: Empty, of another format, over 89 megapixels, or whatever the
            decoder raises inside of the block.
    """
    if not data:
        raise ImageError(f"{name} is empty.")
    try:
        with _whole_images_only, Image.open(io.BytesIO(data), formats=READ) as image:
            _check_size(image.size, name)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        hint = "JPEG, PNG, WebP, BMP, GIF and TIFF are read."
        raise ImageError(f"{name} {_what_else(data)}.", hint=hint) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has more pixels than {MAX_PIXELS:,}.") from error
    except Exception as error:  # hostile bytes get nearly anything out of a decoder
        detail = str(error) or type(error).__name__
        raise ImageError(f"{name} is cut off or damaged: {detail}.") from error


def upright(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF asks; damaged EXIF asks for nothing."""
    with contextlib.suppress(Exception):  # Pillow lets most of a parser's errors out
        return ImageOps.exif_transpose(image)
    return image


def _what_else(data: bytes) -> str:
    kinds = (kind for start, kind in OTHERS.items() if re.match(start, data, re.DOTALL))
    return next(kinds, "is not an image of a known format")


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
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
