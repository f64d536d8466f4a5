"""A small file can't ask for gigabytes or minutes, and damage in metadata is none."""

import io
import os
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from carlib.data import opening
from carlib.data.images import decode, squares
from carlib.data.opening import read, starts_like_a_photo
from carlib.errors import ImageError, OptionError

DAMAGED = struct.pack("<HHII", 0x010F, 2, 400, 9999)  # a maker's name far outside
TURNED = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)


def jpeg(entries=(), **options) -> bytes:
    exif = b""
    if entries:
        ifd = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
        exif = b"Exif\0\0II*\0\x08\0\0\0" + ifd
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(buffer, "JPEG", exif=exif, **options)
    return buffer.getvalue()


def test_the_orientation_behind_a_damaged_tag_is_found():
    assert decode(jpeg([TURNED])).shape == (40, 20, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(jpeg([DAMAGED, TURNED])).shape == (40, 20, 3)
        assert decode(jpeg([DAMAGED])).shape == (20, 40, 3)


def test_a_malformed_mpo_of_a_phone_is_read_without_a_word():
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:])
    data = bytearray(buffer.getvalue())
    place = data.index(b"MPF\0") + 8
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert decode(bytes(data)).shape == (8, 8, 3)
    assert not told


def test_the_filters_of_the_program_are_as_they_were():
    before = list(warnings.filters)
    threads = [threading.Thread(target=decode, args=(jpeg(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def png(width: int, height: int, colour: int = 6, chunks: int = 0) -> bytes:
    """A PNG, RGBA by default, whose rows are zeros: large out of a small file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    packer, channels = zlib.compressobj(9), {2: 3, 6: 4}[colour]
    rows = bytes(width * channels + 1)
    pixels = b"".join(packer.compress(rows) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    more = chunk(b"teSt", b"") * chunks
    parts = chunk(b"IHDR", header) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_a_photo_costs_256_mb_at_most_by_its_header(monkeypatch):
    large = png(4000, 3000)
    with pytest.raises(ImageError, match="takes 288 MB(.|\n)*CARLIB_PHOTO_MB"):
        squares(large, [(224, "bilinear")])
    monkeypatch.setenv("CARLIB_PHOTO_MB", "much")
    with pytest.raises(OptionError, match="CARLIB_PHOTO_MB to be a number"):
        squares(large, [(224, "bilinear")])
    monkeypatch.setenv("CARLIB_PHOTO_MB", "300")
    assert squares(large, [(224, "bilinear")])[0].shape == (224, 224, 3)


def test_a_phones_photo_of_48_megapixels_is_within_the_bound():
    buffer = io.BytesIO()
    Image.new("RGB", (8000, 6000), "red").save(buffer, "JPEG")
    assert squares(buffer.getvalue(), [(224, "bilinear")])[0][9, 9, 0] > 250


def test_a_jpeg_of_hundreds_of_scans_is_refused_by_count(monkeypatch):
    data = jpeg(progressive=True)
    assert decode(data).shape == (20, 40, 3)
    monkeypatch.setattr(opening, "MAX_SCANNED", 40 * 20 * 2)
    with pytest.raises(ImageError, match="a JPEG of .* scans: too many"):
        decode(data)
    assert decode(jpeg()).shape == (20, 40, 3)


def test_a_png_of_a_million_chunks_is_refused_in_a_moment():
    data, began = png(4, 4, chunks=1_000_000), time.monotonic()
    with pytest.raises(ImageError, match="more than 50,000 chunks"):
        decode(data)
    assert decode(png(4, 4, chunks=100)).shape == (4, 4, 3)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_photo_is_known_by_its_first_bytes(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(buffer, kind)
    assert starts_like_a_photo(buffer.getvalue()[:16])
    assert not starts_like_a_photo(b"BM is no bitmap!")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_file_that_becomes_a_fifo_does_not_hang(tmp_path, monkeypatch):
    path, real = tmp_path / "photo.jpg", os.stat
    path.write_bytes(jpeg())
    status = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *args, **options: status)
    with pytest.raises(ImageError):
        read(path) or decode(read(path))
    monkeypatch.setattr(os, "stat", real)
