"""Encoded photos of every kind become the pixels that a viewer would show."""

import contextlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from carlib.data import opening
from carlib.data.images import decode, from_array, resize
from carlib.data.opening import read
from carlib.errors import ImageError, OptionError
from tests.faults.made import bomb, encoded, noise, quarters, ycck

FORMATS = ["JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF", "TIFF"]
EXACT = ["PNG", "BMP", "TIFF"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_contiguous_rgb_bytes_of_the_same_size(kind):
    pixels = decode(encoded(Image.fromarray(noise()), kind))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (40, 60, 3)
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("kind", EXACT)
def test_a_lossless_format_keeps_every_pixel(kind):
    np.testing.assert_array_equal(
        decode(encoded(Image.fromarray(noise()), kind)), noise()
    )


def test_a_progressive_jpeg_reads_like_a_baseline_one():
    image = Image.fromarray(noise())
    progressive = decode(encoded(image, "JPEG", progressive=True))
    np.testing.assert_array_equal(progressive, decode(encoded(image, "JPEG")))


@pytest.mark.parametrize("kind", [*FORMATS, "TIFF lzw", "TIFF deflate", "TIFF jpeg"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("tolerant", [False, True])
def test_a_file_that_is_cut_off_is_an_error(kind, share, tolerant, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    kind, _, compression = kind.partition(" ")
    compression = {"lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate"}.get(
        compression, compression
    )
    options = {"compression": compression} if compression else {}
    data = encoded(Image.fromarray(noise()), kind, **options)
    with pytest.raises(ImageError, match="photo 1 is "):
        decode(data[: int(len(data) * share)], "photo 1")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is tolerant


def test_a_png_with_a_wrong_checksum_is_an_error():
    data = bytearray(encoded(Image.fromarray(noise())))
    data[data.index(b"IDAT") + 20] ^= 0xFF
    with pytest.raises(ImageError, match="damaged"):
        decode(bytes(data))


def test_an_empty_file_is_called_empty():
    with pytest.raises(ImageError, match=r"image/5\.jpeg is empty\."):
        decode(b"", "image/5.jpeg")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<!DOCTYPE html><html>", "looks like HTML"),
        (b"\xef\xbb\xbf\n  <html>", "looks like HTML"),
        (b'\n{"error": 404}', "looks like JSON"),
        (b'<?xml version="1.0"?><svg/>', "is SVG"),
        (b"\0\0\0\x18ftypheic", "is HEIC"),
        (b"\xff\x0a123456", "JPEG XL"),
        (b"%PDF-1.7", "PDF"),
        (b"GIF88a", "not an image of a known"),
        (b"RIFF1234WAVE", "not an image"),
        (b"\xff", "not an image"),
    ],
)
def test_what_is_not_an_image_is_called_what_it_looks_like(data, says):
    with pytest.raises(ImageError, match=says):
        decode(data)


def test_a_format_off_the_list_is_refused_though_pillow_could_read_it():
    ppm, ico = (encoded(quarters(), kind) for kind in ("PPM", "ICO"))
    for data in (ppm, ico):
        Image.open(io.BytesIO(data)).load()
        with pytest.raises(ImageError, match="JPEG, PNG, WebP, BMP, GIF and TIFF"):
            decode(data)


@pytest.mark.parametrize("size", [(30_000, 30_000), (12_000, 9_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_by_its_header(size):
    with pytest.raises(ImageError, match=r"pixels( than|; at most) 89"):
        decode(bomb(*size))


def test_the_limit_counts_pixels_and_spares_what_is_just_within(monkeypatch):
    monkeypatch.setattr(opening, "MAX_PIXELS", 600)
    assert decode(encoded(Image.new("RGB", (30, 20)))).shape == (20, 30, 3)
    with pytest.raises(ImageError, match="31 × 20 pixels"):
        decode(encoded(Image.new("RGB", (31, 20))))


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 2)])
def test_tiny_and_thin_pictures_are_read_and_squashed(size):
    pixels = decode(encoded(Image.new("RGB", size, "red")))
    assert pixels.shape == (size[1], size[0], 3)
    for interpolation in ("bilinear", "bicubic"):
        small = resize(pixels, 24, interpolation)
        assert (small == [255, 0, 0]).all() and small.shape == (24, 24, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_picture_is_upright_whatever_its_exif_orientation(kind, turn):
    # How a camera stores an upright scene, by the definition of the tag.
    stored = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    image = quarters()
    for step in stored.get(turn, []):
        image = image.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = turn
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    pixels = decode(encoded(image, kind, exif=exif, **lossless))
    assert pixels.shape == (20, 30, 3)
    middles = pixels[[5, 5, 15, 15], [7, 22, 7, 22]].astype(int)
    wanted = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]])
    assert abs(middles - wanted).max() < 12


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x1a\x01\x05\0\xff\xff\0\0\xff\xff\0\0",
        b"Exif\0\0garbage that is no EXIF at all",
    ],
)
@pytest.mark.filterwarnings("ignore")  # Pillow's own, of the damage
def test_damaged_exif_is_ignored(exif):
    data = encoded(quarters(), "JPEG", exif=exif, quality=100)
    np.testing.assert_array_equal(
        decode(data), decode(encoded(quarters(), "JPEG", quality=100))
    )


def test_cmyk_becomes_the_colours_it_stands_for():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        red = decode(encoded(image, kind))[8, 8].astype(int)
        assert abs(red - [255, 0, 0]).max() < 6


def test_a_ycck_jpeg_becomes_the_colours_it_stands_for():
    assert abs(decode(ycck())[8, 8].astype(int) - [255, 0, 0]).max() < 6


def test_grey_and_one_bit_become_three_equal_channels():
    grey = Image.fromarray(noise()[..., 0])
    pixels = decode(encoded(grey))
    np.testing.assert_array_equal(pixels, np.repeat(noise()[..., :1], 3, axis=2))
    one_bit = decode(encoded(grey.convert("1")))
    assert set(np.unique(one_bit)) == {0, 255}
    assert (one_bit[..., :1] == one_bit).all()


def test_transparent_colours_do_not_leak_and_half_transparent_ones_are_blended():
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[:, 0] = [255, 0, 0, 0]  # hidden red
    rgba[:, 1] = [255, 0, 0, 128]
    rgba[:, 2] = [255, 0, 0, 255]
    wanted = [[255, 255, 255], [255, 127, 127], [255, 0, 0]]
    image = Image.fromarray(rgba)
    exact = {"WEBP": {"lossless": True, "exact": True}}
    for kind in ("PNG", "TIFF", "WEBP"):
        pixels = decode(encoded(image, kind, **exact.get(kind, {})))
        np.testing.assert_array_equal(pixels[0], wanted)
    np.testing.assert_array_equal(from_array(rgba)[0], wanted)


def test_grey_with_alpha_is_laid_over_white():
    la = np.array([[[0, 0], [0, 255], [100, 255]]], np.uint8)
    pixels = decode(encoded(Image.fromarray(la)))
    np.testing.assert_array_equal(pixels[0, :, 0], [255, 0, 100])


def test_a_palette_is_looked_up_and_its_transparent_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        np.testing.assert_array_equal(
            decode(encoded(image, kind))[0], [[255, 0, 0], [0, 0, 255]]
        )
        pixels = decode(encoded(image, kind, transparency=0))
        np.testing.assert_array_equal(pixels[0], [[255] * 3, [0, 0, 255]])
    pixels = decode(encoded(image, transparency=b"\x80\xff"))
    np.testing.assert_array_equal(pixels[0], [[255, 127, 127], [0, 0, 255]])


def test_one_transparent_colour_of_an_rgb_or_grey_png_is_white():
    rgb = Image.new("RGB", (1, 1), (10, 20, 30))
    assert (decode(encoded(rgb, transparency=(10, 20, 30))) == 255).all()
    assert (decode(encoded(Image.new("L", (1, 1), 7), transparency=7)) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind):
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    pixels = decode(encoded(Image.fromarray(values), kind))
    np.testing.assert_array_equal(pixels[0, :, 0], [0, 0, 1, 128, 255])


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 128, 255]], np.float32), [0, 128, 255]),
        (np.array([[-5, 32768, 65535]], np.float32), [0, 128, 255]),
        (np.array([[0, 1, 255]], np.int32), [0, 1, 255]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[0, 2**30, 2**31 - 1]], np.int32), [0, 128, 255]),
    ],
)
def test_32_bit_grey_is_scaled_by_the_range_that_holds_it(values, wanted):
    pixels = decode(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(pixels[0, :, 0], wanted)


def test_a_float_picture_with_nan_is_an_error():
    values = np.array([[0, np.nan]], np.float32)
    with pytest.raises(ImageError, match="NaN"):
        decode(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_read(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert abs(decode(data)[4, 4].astype(int) - [255, 0, 0]).max() < 3


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300), start=st.sampled_from(range(8)))
def test_no_bytes_make_anything_else_than_pixels_or_an_image_error(data, start):
    starts = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"BM"]
    starts += [b"GIF89a", b"II*\0", b"MM\0*", b""]
    with contextlib.suppress(ImageError):
        assert decode(starts[start] + data).shape[2] == 3


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=9),
)
def test_flipped_bytes_make_pixels_or_an_image_error(kind, changes):
    data = bytearray(encoded(quarters(), kind))
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(ImageError):
        assert decode(bytes(data)).dtype == np.uint8


def test_many_threads_decode_alike_and_leave_no_file_or_setting_behind(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(Image.fromarray(noise()), "JPEG")
    (tmp_path / "a.jpeg").write_bytes(whole)

    def attempt(number: int):
        if number % 3:
            return decode(read(tmp_path / "a.jpeg")).tobytes()
        with pytest.raises(ImageError):
            decode(whole[:-100])

    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir())) if handles.exists() else 0
    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(attempt, range(300)))
    assert results == {decode(whole).tobytes(), None}
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert not handles.exists() or len(list(handles.iterdir())) <= before


def test_reading_gives_the_bytes_and_says_why_it_cannot(tmp_path):
    path = tmp_path / "a.jpeg"
    path.write_bytes(b"abc")
    assert read(path) == read(str(path)) == b"abc"
    with pytest.raises(ImageError, match=r"b\.jpeg does not exist"):
        read(tmp_path / "b.jpeg")
    with pytest.raises(ImageError, match="is a folder or a device"):
        read(tmp_path)
    with pytest.raises(ImageError, match="can't be read"):
        read("a\0b.jpeg")
    with pytest.raises(ImageError, match="can't be read"):
        read(tmp_path / ("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.jpeg")
    with pytest.raises(ImageError, match="device"):
        read(tmp_path / "a.jpeg")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("carlib.data.opening.MAX_BYTES", 2)
    (tmp_path / "a.jpeg").write_bytes(b"abc")
    with pytest.raises(ImageError, match="too large: 3 bytes"):
        read(tmp_path / "a.jpeg")


def test_resizing_to_the_size_it_has_gives_the_same_pixels():
    pixels = noise(30, 30)
    assert resize(pixels, 30) is pixels


def test_shrinking_is_antialiased():
    board = np.indices((400, 400)).sum(0) % 2 * 255
    pixels = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    for interpolation in ("bilinear", "bicubic"):
        small = resize(pixels, 20, interpolation).astype(int)
        assert abs(small[2:-2, 2:-2] - 127).max() <= 2


def test_squashing_keeps_what_lies_at_the_edges():
    pixels = np.zeros((20, 200, 3), np.uint8)
    pixels[:, -20:] = 255
    small = resize(pixels, 20)
    assert (small[:, -1] > 200).all() and (small[:, 0] == 0).all()


@pytest.mark.parametrize(
    "arguments", [(0, "bilinear"), (-1, "bicubic"), (8, "nearest")]
)
def test_resizing_refuses_sizes_and_interpolations_that_are_not_any(arguments):
    with pytest.raises(OptionError, match="bilinear or bicubic"):
        resize(noise(), *arguments)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_arrays_of_bytes_become_rgb(shape):
    array = np.full(shape, 255, np.uint8)
    pixels = from_array(array)
    assert pixels.shape == (4, 6, 3) and pixels.dtype == np.uint8
    assert (pixels == 255).all() and pixels.flags.c_contiguous


def test_a_grey_array_is_not_taken_for_a_palette():
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (from_array(array) == array[..., None]).all()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 6, 3)), r"float64 \(4, 6, 3\)(.|\n)*255"),
        (np.full((4, 6, 3), np.nan, np.float32), "float32"),
        (np.zeros((4, 6, 3), np.int64), "int64"),
        (np.zeros((3, 40, 60), np.uint8), r"moveaxis\(array, 0, -1\)"),
        (np.zeros((4, 6, 2), np.uint8), r"\(4, 6, 2\)"),
        (np.zeros((0, 6, 3), np.uint8), r"\(0, 6, 3\)"),
        (np.zeros((2, 4, 6, 3), np.uint8), "in a list"),
        (np.zeros(3, np.uint8), r"\(3,\)"),
        (np.array(None), "object"),
    ],
)
def test_other_arrays_are_refused_with_what_is_accepted(array, says):
    with pytest.raises(OptionError, match="photo 7: expected uint8") as caught:
        from_array(array, "photo 7")
    assert caught.match(says)
