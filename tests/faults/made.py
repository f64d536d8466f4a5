"""Photos and folders of data as somebody made them, or broke them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

STARTS = {"baseline": b"\xff\xc0", "extended": b"\xff\xc1", "arithmetic": b"\xff\xc9"}


def data_folder(place: Path) -> Path:
    """A folder with image/1.jpeg to image/9.jpeg, a byte each, and no index."""
    (place / "image").mkdir(parents=True)
    for number in range(1, 10):
        (place / f"image/{number}.jpeg").write_bytes(bytes([number]))
    return place


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    """An image's bytes in a format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(height: int = 40, width: int = 60) -> np.ndarray:
    """Pixels that no two photos share, whatever is done to them."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def quarters() -> Image.Image:
    """A picture 30 wide and 20 high: red and lime above blue and white."""
    image = Image.new("RGB", (30, 20), "white")
    image.paste("red", (0, 0, 15, 10))
    image.paste("lime", (15, 0, 30, 10))
    image.paste("blue", (0, 10, 15, 20))
    return image


def bomb(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that claims any size."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", size) + data + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def jpeg_that_claims(width: int, height: int) -> bytes:
    """A small JPEG whose header claims any size up to 65,535 both ways."""
    data = bytearray(encoded(quarters(), "JPEG"))
    place = data.index(STARTS["baseline"]) + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_12_bits() -> bytes:
    """A JPEG whose header says 12 bits a sample, as scanners and X-rays write them."""
    data = encoded(quarters(), "JPEG")
    place = data.index(STARTS["baseline"])
    return (
        data[:place]
        + STARTS["extended"]
        + data[place + 2 : place + 4]
        + (b"\x0c" + data[place + 5 :])
    )


def arithmetic_jpeg() -> bytes:
    """A JPEG in arithmetic code: any bytes are some picture in it, tables none."""
    data = encoded(quarters(), "JPEG")
    made, place, marker = data[:2], 2, 0
    while marker != 0xDA:  # where the scan begins
        marker = data[place + 1]
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xC0:
            made += STARTS["arithmetic"] + data[place + 2 : end]
        elif marker != 0xC4:  # Huffman's tables
            made += data[place:end]
        place = end
    return made + bytes(8) + b"\xff\xd9"


def with_exif(exif: bytes | Image.Exif, image: Image.Image | None = None) -> bytes:
    """A JPEG with EXIF, of `quarters` or as a camera stored them."""
    return encoded(image or quarters(), "JPEG", exif=exif, quality=100)


def damaged_exif(orientation: int) -> bytes:
    """EXIF whose first tag points out of the file, before a right orientation."""
    make = struct.pack("<HHII", 0x010F, 2, 0xFFFF, 0xFFFF)
    turn = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0\x08\0\0\0\x02\0" + make + turn + bytes(4)


def zeroed(data: bytes, count: int = 64) -> bytes:
    """The same with some bytes in its middle lost, as by a bad disk."""
    place = len(data) // 2
    return data[:place] + bytes(count) + data[place + count :]


def ycck() -> bytes:
    """A JPEG of red in YCCK, inverted as Adobe writes it.

    Pillow writes plain CMYK, Adobe's transform 0; with a 2 it is read as YCCK. These
    are Y, Cb and Cr of red's cyan, magenta and yellow, and no black.
    """
    colour = (76, 84, 255, 0)
    data = encoded(Image.new("CMYK", (16, 16), colour), "JPEG", quality=100)
    place = data.index(b"Adobe") + 11
    return data[:place] + b"\x02" + data[place + 1 :]
