"""Encoded bytes → upright RGB pixels: the one way in, for training and prediction.

The network sees what a viewer would show: EXIF orientation applied, alpha laid over
white, CMYK, palette, grey and 16 bits turned into RGB, the first frame of an animation.
(ICC profiles are not applied.) What can't be decoded to its end is an ImageError.

All of it may be called from many threads at once.
"""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from carlib.data.opening import check_memory, check_size, in_words, opened, upright
from carlib.errors import OptionError

GAP = 2  # Pillow's own for thumbnails; see `squares`
Shape = tuple[int, str]  # of a square: its side in pixels, the interpolation
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def decode(data: bytes, name: str = "image") -> np.ndarray:
    """Turn an encoded photo into upright RGB pixels.

    Args:
        data: JPEG (MPO too), PNG, WebP, BMP, GIF or TIFF, whatever its file is called.
        name: What to call it in an error.

    Returns:
        uint8 (height, width, 3), contiguous, 0 to 255.

    Raises:
        ImageError: Empty, of another format, cut off, damaged, or such that decoding it
            would take more than 256 MB or some seconds.

    Example:
        >>> content = Path("image/1.jpeg").read_bytes()
        >>> pixels = decode(content, "image/1.jpeg")
    """
    with opened(data, name) as image:
        check_memory(image, name)
        return _loaded(image)


def from_pillow(image: Image.Image, name: str = "image") -> np.ndarray:
    """Turn an image that Pillow has opened, or made, into pixels as `decode` does.

    Raises:
        ImageError: It's cut off, damaged, or too large.
    """
    with in_words(name, b""):
        check_size(image.size, name)
        check_memory(image, name)
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
                check_memory(image, name)
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


def thumbnail(photo: bytes, side: int, name: str = "image") -> np.ndarray:
    """Turn an encoded photo into a picture of it that is at most so wide and high.

    The aspect ratio is kept, and a smaller photo as it is. Of a large JPEG the decoder
    makes a smaller picture in the first place, as for `squares`.

    Args:
        photo: As for `decode`.
        side: Pixels at most, both ways.
        name: What to call it in an error.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        ImageError: As from `decode`.
    """
    with opened(photo, name) as image:
        image.draft(image.mode, (GAP * side, GAP * side))
        check_memory(image, name)
        image.load()
        picture = _to_rgb(upright(image))
        picture.thumbnail((side, side))
        return np.array(picture)


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
            f"Expected a size of 1 or more and {names}. Received: {size}, "
            f"{interpolation!r}"
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
            f"(h, w, 4), RGB, 0 to 255. Received: {array.dtype} {array.shape}",
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
