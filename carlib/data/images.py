"""Encoded bytes → upright RGB pixels: the one way in, for training and prediction.

The network sees what a viewer would show: EXIF orientation applied, alpha laid over
white, CMYK, palette, grey and 16 bits turned into RGB, the first frame of an animation.
(ICC profiles are not applied.) What can't be decoded to its end is an ImageError.

All of it may be called from many threads at once.
"""

import contextlib
import io
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from carlib.errors import ImageError, OptionError

MAX_BYTES = 512 * 2**20
GAP = 2  # Pillow's own for thumbnails; see `squares`
Shape = tuple[int, str]  # of a square: its side in pixels, the interpolation
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
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


def read(path: str | os.PathLike) -> bytes:
    """Return the bytes of a photo's file.

    Raises:
        ImageError: It's missing, unreadable, over 512 MiB or not a regular file.
    """
    return read_with_status(path)[0]


def read_with_status(path: str | os.PathLike) -> tuple[bytes, os.stat_result]:
    """Return the bytes of a photo's file, and its own status from just before.

    Raises:
        ImageError: As from `read`.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
            raise ImageError(f"{path} is a folder or a device, not a file.")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"{path} is too large: {status.st_size:,} bytes.")
        with Path(path).open("rb") as file:  # a link may lead elsewhere by now
            status = os.fstat(file.fileno())
            return file.read(), status
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
    with opened(data, name) as image:
        return _loaded(image)


def _loaded(image: Image.Image) -> np.ndarray:
    image.load()
    return np.array(_to_rgb(upright(image)))


def squares(
    photo: bytes | np.ndarray, shapes: Iterable[Shape], name: str = "image"
) -> list[np.ndarray]:
    """Turn a photo into the squares of pixels that networks take, decoding it once.

    Each is `decode`, then `resize`; but of a JPEG that is at least `GAP` times as large
    both ways, the decoder makes a smaller picture in the first place, a half, a quarter
    or an eighth of it, still `GAP` times the square or more. That saves three quarters
    of the time for 12 megapixels, and changes a pixel by 0.2 of 255 on average. What a
    square holds doesn't depend on the others: one for which another such picture is
    right is decoded anew.

    Args:
        photo: Encoded, or pixels as `from_array` returns them.
        shapes: Of each square its side in pixels, 1 or more, and the interpolation,
            "bilinear" or "bicubic".
        name: What to call it in an error.

    Returns:
        For each shape uint8 (side, side, 3), RGB.

    Raises:
        ImageError: As from `decode`.
    """
    if isinstance(photo, np.ndarray):
        return [resize(photo, *shape) for shape in shapes]
    decoded: dict[int, np.ndarray] = {}
    made = []
    for side, interpolation in shapes:
        with opened(photo, name) as image:
            part = _part(image, side)
            if part not in decoded:
                image.draft(image.mode, (GAP * side, GAP * side))
                decoded[part] = _loaded(image)
        made.append(resize(decoded[part], side, interpolation))
    return made


def pixels(
    photo: bytes | np.ndarray,
    side: int,
    interpolation: str = "bilinear",
    name: str = "image",
) -> np.ndarray:
    """Turn a photo into one square of pixels; see `squares`."""
    return squares(photo, [(side, interpolation)], name)[0]


def _part(image: Image.Image, side: int) -> int:
    """Return which part of its size a JPEG is decoded at: 1, 1/2, 1/4 or 1/8 of it."""
    if image.format not in ("JPEG", "MPO"):
        return 1
    times = min(image.size) // (GAP * side)
    return next((part for part in (8, 4, 2) if times >= part), 1)


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
    channels = (*array.shape, 1)[2] if array.ndim in (2, 3) else 0
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
