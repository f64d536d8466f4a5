"""Photos to measure with: as many distinct ones as asked for, and large ones."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import carlib
from carlib.data.images import decode

LARGE = (4000, 3000)  # 12 megapixels, as telephones make them
QUALITY = 92


def source(data: str) -> list[bytes]:
    """Return the photos that everything is measured with copies of, as JPEG.

    One way reads nothing else, and all get the same files.

    Args:
        data: As `carlib.locate_data` takes it.
    """
    table = carlib.load_index(carlib.locate_data(data))
    return [as_jpeg(Path(path).read_bytes()) for path in table["image_path"]]


def as_jpeg(data: bytes) -> bytes:
    """Return a photo as an upright JPEG, itself if it is one."""
    with Image.open(io.BytesIO(data)) as image:
        upright = image.getexif().get(0x0112, 1) == 1
        if image.format == "JPEG" and image.mode == "RGB" and upright:
            return data
        return encoded(Image.fromarray(decode(data)))


def encoded(image: Image.Image) -> bytes:
    """Return a picture as JPEG, its colours at half the resolution as cameras do."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def distinct(data: bytes, number: int) -> bytes:
    """Return the same picture in other bytes: carlib computes a photo once.

    What comes after the end of a JPEG is read by nobody.
    """
    return data + f"\n{number}".encode()


def write_copies(
    photos: Sequence[bytes], folder: Path, count: int, first: int = 0
) -> None:
    """Write `count` files that all differ, taking the photos in turn.

    Args:
        photos: JPEGs.
        folder: Is made. The files' names are in their order.
        first: The number of the first: copies with other numbers differ, too.
    """
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        data = distinct(photos[number % len(photos)], number)
        (folder / f"{number:08}.jpg").write_bytes(data)


def write_tiny(folder: Path, count: int, side: int = 32) -> None:
    """Write `count` small JPEGs, each of another picture."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for number in range(count):
        colours = draw.integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(colours).resize((side, side))
        data = distinct(encoded(picture), number)
        (folder / f"{number:08}.jpg").write_bytes(data)


def write_large(photos: Sequence[bytes], folder: Path, count: int) -> None:
    """Write 12-megapixel JPEGs: photos enlarged, with detail and grain of their own."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for number in range(count):
        with Image.open(io.BytesIO(photos[number % len(photos)])) as image:
            large = np.asarray(image.resize(LARGE, Image.Resampling.BICUBIC))
        rough = large + _noise(draw, 4, 10) + _noise(draw, 1, 5)
        picture = Image.fromarray(rough.clip(0, 255).astype(np.uint8))
        (folder / f"{number:08}.jpg").write_bytes(encoded(picture))


def _noise(draw: np.random.Generator, pixels: int, strength: float) -> np.ndarray:
    """Return brightness (height, width, 1) that varies within so many pixels."""
    width, height = LARGE[0] // pixels, LARGE[1] // pixels
    noise = draw.normal(0, strength, (height, width)).astype(np.float32)
    grown = Image.fromarray(noise).resize(LARGE, Image.Resampling.BICUBIC)
    return np.asarray(grown)[..., None]
