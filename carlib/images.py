"""Encoded bytes → upright RGB pixels: the one way in, for training and prediction.

The network sees what a viewer would show: EXIF orientation applied, alpha laid over
white, CMYK, palette, grey and 16 bits turned into RGB, the first frame of an animation.
(ICC profiles are not applied.) What can't be decoded to its end is an ImageError.

All of it may be called from many threads at once. `Image.open` is not used: it warns of
large images through filters that belong to the whole process, and offers the bytes to
every plugin. A format is told by its first bytes, and its class called directly.
"""

import contextlib
import io
import os
import re
import stat
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from carlib.errors import ImageError, OptionError

MAX_PIXELS = 89_000_000
MAX_BYTES = 512 * 2**20
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


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
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(path: str | os.PathLike) -> bytes:
    """Return the bytes of a photo's file.

    Raises:
        ImageError: It's missing, unreadable, over 512 MiB or not a regular file.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
            raise ImageError(f"{path} is a folder or a device, not a file.")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"{path} is too large: {status.st_size:,} bytes.")
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} can't be read: {reason}.") from error


def decode(data: bytes, name: str = "image") -> np.ndarray:
    """Turn an encoded photo into upright RGB pixels.

    Args:
        data: JPEG (MPO too), PNG, WebP, BMP, GIF or TIFF, whatever its file is called.
        name: What to call it in an error.

    Returns:
        uint8 (height, width, 3), contiguous, 0 to 255.

    Raises:
        ImageError: Empty, of another format, cut off, damaged, or over 89 megapixels.

    Example:
        >>> pixels = decode(read("image/1.jpeg"), "image/1.jpeg")
    """
    reader = _reader(data, name)
    try:
        with _whole_images_only, reader(io.BytesIO(data)) as image:
            _check_size(image, name)
            image.load()
            return np.array(_upright(_to_rgb(image), image.info.get("exif", b"")))
    except ImageError:
        raise
    except Exception as error:  # hostile bytes get nearly anything out of a decoder
        detail = str(error) or type(error).__name__
        raise ImageError(f"{name} is cut off or damaged: {detail}.") from error


def resize(
    pixels: np.ndarray, size: int, interpolation: str = "bilinear"
) -> np.ndarray:
    """Squash pixels to a square, antialiased, as the workshop's trainer does.

    The aspect ratio isn't kept, so that no damage at an edge is cropped away. Bicubic
    has a = -0.5, as in `tf.image.resize(..., antialias=True)`.

    Args:
        pixels: uint8 (height, width, 3).
        size: Side of the square in pixels, 1 or more.
        interpolation: "bilinear" or "bicubic".

    Returns:
        uint8 (size, size, 3); `pixels` itself if it has that size already.

    Raises:
        OptionError: Unknown interpolation, or size below 1.
    """
    if interpolation not in INTERPOLATIONS or size < 1:
        names = " or ".join(INTERPOLATIONS)
        raise OptionError(
            f"Expected a size of 1 or more and {names}; got {size}, {interpolation!r}."
        )
    if pixels.shape[:2] == (size, size):
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.array(image.resize((size, size), INTERPOLATIONS[interpolation]))


def from_array(array: np.ndarray, name: str = "array") -> np.ndarray:
    """Check pixels handed in as an array, and make them RGB.

    Args:
        array: uint8 (h, w), (h, w, 1), (h, w, 3) RGB or (h, w, 4) RGBA, 0 to 255.
        name: What to call it in an error.

    Returns:
        uint8 (h, w, 3), contiguous; grey repeated, alpha laid over white.

    Raises:
        OptionError: Another type or shape, or no pixels.
    """
    array = np.asarray(array)
    channels = array.shape[2] if array.ndim == 3 else array.ndim - 1
    if array.dtype != np.uint8 or channels not in (1, 3, 4) or not array.size:
        raise OptionError(
            f"{name}: expected uint8 pixels of shape (h, w), (h, w, 1), (h, w, 3) or "
            f"(h, w, 4), RGB, 0 to 255; got {array.dtype} {array.shape}.",
            hint=_array_hint(array),
        )
    if channels == 3:
        return np.ascontiguousarray(array)
    grey_or_rgba = array if channels == 4 else array.reshape(array.shape[:2])
    return np.array(_to_rgb(Image.fromarray(np.ascontiguousarray(grey_or_rgba))))


def _array_hint(array: np.ndarray) -> str:
    if array.ndim == 4:
        return "One photo at a time; several go in a list."
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (3, 4):
        return "Channels come last: np.moveaxis(array, 0, -1)."
    is_float = array.dtype.kind == "f"
    return "From 0 to 1? (array * 255).round().astype('uint8')" if is_float else ""


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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded image of any mode as RGB, what is transparent over white."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_scaled(np.asarray(image)))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return grey of 16 or 32 bits or floats as uint8, scaled instead of clipped.

    Of 16 bits the upper 8 stay, as Pillow does it with colour. 32-bit integers and
    floats have no range of their own: white is the first of 1 (floats only), 255,
    65,535 and 2³¹ - 1 that no pixel exceeds.
    """
    if values.dtype.itemsize == 2:
        return (values >> 8).astype(np.uint8)
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinite values")
    ranges = [1.0] * (values.dtype.kind == "f") + [255.0, 65535.0, 2.0**31 - 1]
    white = next((top for top in ranges if values.max() <= top), values.max())
    return (values.clip(0) / white * 255).round().astype(np.uint8)


def _upright(image: Image.Image, exif: bytes) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(exif))
    return image if turn is None else image.transpose(turn)


def _orientation(exif: bytes) -> int:
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
