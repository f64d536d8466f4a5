"""C: photo files that are broken, odd, hostile or no photos, and what isn't a file."""

import os
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms, ImageFile

import carlib
from carlib.data import photos as reading
from carlib.data.contents import content_hashes
from carlib.data.images import decode, squares
from carlib.data.opening import read
from carlib.errors import DataError, ImageError, OptionError
from tests.data.written import HEADER, write
from tests.faults import made
from tests.faults.made import encoded, noise, quarters
from tests.tiny import Tiny, counts

ON_UNIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
BY_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
RED = [255, 0, 0]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with image/1.jpeg to image/9.jpeg, and no index yet."""
    monkeypatch.chdir(tmp_path)
    made.data_folder(tmp_path / "photos")
    return Path("photos")


def refusal(data: bytes, name: str = "image/5.jpeg") -> str:
    """What is said of bytes that are refused, by their name."""
    with pytest.raises(ImageError, match=f"^{name} ") as caught:
        decode(data, name)
    return str(caught.value)


def near(pixel: np.ndarray, colour: list[int], slack: int = 6) -> bool:
    """Whether a pixel has a colour, as far as JPEG keeps it."""
    return abs(pixel.astype(int) - colour).max() <= slack


def kept(tmp_path: Path, files: dict[str, bytes]) -> np.ndarray:
    """The features that files of these contents get, in a network of two numbers."""
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in files]
    return carlib.compute_bottlenecks(paths, Tiny(), None, progress=False)


def problems(folder: Path, *names: str) -> list[str]:
    """What is wrong with photos that an index lists, a line each."""
    rows = "".join(f"{name},a,T\n" for name in names)
    with pytest.raises(DataError) as caught:
        carlib.load_index(write(folder, HEADER + rows))
    return caught.value.problems


def test_c01_a_file_without_a_byte_is_called_empty():
    """A file of no bytes is called empty, by its name."""
    assert refusal(b"") == "image/5.jpeg is empty."


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b"\xef\xbb\xbf\r\n <html>Log in</html>", "HTML"),
        (b'{"error": "not found"}', "JSON"),
        (b"\n[]", "JSON"),
    ],
)
def test_c02_a_web_page_named_like_a_photo_is_called_one(data, kind):
    """HTML or JSON from a failed download is called so, whatever the file is named."""
    assert f"looks like {kind}, not an image" in refusal(data)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("tolerant", [False, True])
def test_c03_a_photo_that_is_cut_off_is_refused(share, tolerant, monkeypatch):
    """A cut photo is refused, wherever it ends, even where Pillow is told to go on."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    data = encoded(Image.fromarray(noise()), "JPEG")
    assert "cut off or damaged" in refusal(data[: int(len(data) * share)])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is tolerant


def test_c04_damage_that_no_decoder_sees_makes_another_photo(tmp_path):
    """Bytes lost within a JPEG decode in silence; hash and features are another's."""
    path, whole = tmp_path / "1.jpeg", encoded(Image.fromarray(noise()), "JPEG")
    table, hashes = pd.DataFrame({"image_path": [str(path)]}), []
    for data in (whole, made.zeroed(whole)):
        path.write_bytes(data)
        assert decode(data).shape == (40, 60, 3)
        hashes += content_hashes(table)
        assert counts([path], Tiny(), tmp_path / "workspace") == (0, 1)
    assert len(set(hashes)) == 2


def test_c05_content_decides_and_not_the_name(tmp_path):
    """A PNG, WebP or BMP named .jpeg is read as what it is, with the same features."""
    photo = Image.fromarray(noise())
    kinds = {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}
    files = {f"{k}.jpeg": encoded(photo, k, **kinds[k]) for k in kinds}
    values = kept(tmp_path, {"right.png": files["PNG.jpeg"], **files})
    assert (values == values[0]).all()


def test_c06_suffixes_in_capitals_are_photos(folder, few, trained):
    """Files named .JPG or .Jpeg are found, by an index, class folders and predict."""
    photo = Path(few.image_path[0]).read_bytes()
    for name in ("a/1.JPG", "a/2.Jpeg", "b/1.JPEG", "b/2.PNG"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(photo + name.encode())
    for path in (folder / "image").iterdir():
        path.unlink()
    assert len(carlib.load_index(folder)) == 4
    write(folder, f"{HEADER}a/1.JPG,a,T\nb/1.JPEG,b,V\n")
    assert len(carlib.load_index(folder)) == 2
    assert len(trained.predict(folder / "a", progress=False)) == 2


@pytest.mark.parametrize("turn", range(1, 9))
def test_c07_the_picture_is_upright_and_damaged_exif_is_no_fault(turn):
    """All 8 orientations are turned upright; damaged EXIF is passed over in silence."""
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = turn
    image = quarters()
    as_stored = image.transpose(stored[turn]) if turn in stored else image
    pixels = decode(made.with_exif(exif, as_stored))
    assert pixels.shape == (20, 30, 3)
    middles = pixels[[5, 5, 15, 15], [7, 22, 7, 22]]
    wanted = [RED, [0, 255, 0], [0, 0, 255], [255] * 3]
    assert all(near(m, w, 12) for m, w in zip(middles, wanted, strict=True))
    behind_damage = made.with_exif(made.damaged_exif(turn), as_stored)
    assert abs(decode(behind_damage).astype(int) - pixels).max() < 12
    for damaged in (b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01", b"Exif\0\0", b"Exif"):
        assert decode(made.with_exif(damaged)).shape == (20, 30, 3)


def test_c08_grey_and_one_bit_become_three_equal_channels():
    """Grey and one-bit photos become three equal channels."""
    grey = Image.fromarray(noise()[..., 0])
    pixels = decode(encoded(grey))
    np.testing.assert_array_equal(pixels, np.repeat(noise()[..., :1], 3, axis=2))
    one_bit = decode(encoded(grey.convert("1")))
    assert set(np.unique(one_bit)) == {0, 255}
    assert (one_bit == one_bit[..., :1]).all()


def test_c09_colours_of_print_are_those_of_the_screen():
    """CMYK and YCCK, inverted as Adobe does, become the colours they stand for."""
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for data in (encoded(red, "JPEG"), encoded(red, "TIFF"), made.ycck()):
        assert near(decode(data)[8, 8], RED)


def test_c10_what_is_transparent_is_white_and_hides_no_colour():
    """Transparent pixels are laid over white: RGBA, grey with alpha and palettes."""
    rgba = np.array([[[*RED, 0], [*RED, 128], [*RED, 255]]], np.uint8)
    over_white = [[255, 255, 255], [255, 127, 127], RED]
    assert decode(encoded(Image.fromarray(rgba)))[0].tolist() == over_white
    grey = np.array([[[0, 0], [0, 255], [100, 255]]], np.uint8)
    pixels = decode(encoded(Image.fromarray(grey)))
    assert pixels[0, :, 0].tolist() == [255, 0, 100]
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        pixels = decode(encoded(palette, kind, transparency=0))
        assert pixels[0].tolist() == [[255] * 3, [0, 0, 255]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[0, 256, 32768, 65535]], np.uint16), "PNG"),
        (np.array([[0, 256, 32768, 65535]], np.uint16), "TIFF"),
        (np.array([[0, 256, 32768, 65535]], np.int32), "TIFF"),
        (np.array([[0, 0.004, 0.5, 1]], np.float32), "TIFF"),
    ],
)
def test_c11_deep_grey_is_scaled_and_not_clipped(values, kind):
    """Grey of 16 or 32 bits, or of fractions, is scaled, not clipped to white."""
    pixels = decode(encoded(Image.fromarray(values), kind))
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "MPO", "TIFF"])
def test_c12_of_several_frames_the_first_is_the_photo(kind):
    """Of an animation, or a file with several pages, the first is read."""
    first, *rest = (Image.new("RGB", (8, 8), c) for c in ("red", "blue", "lime"))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=rest, **options)
    pixels = decode(data)
    assert pixels.shape == (8, 8, 3) and near(pixels[4, 4], RED)


OTHERS = [
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC, AVIF"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a\xfa\x7f\x01", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "is JPEG 2000"),
    (b'<?xml version="1.0"?><svg width="9"/>', "is SVG"),
    (made.jpeg_of_12_bits(), "12 bits"),
]


@pytest.mark.parametrize(("data", "says"), OTHERS)
def test_c13_a_format_is_read_or_named_as_one_that_is_not(data, says):
    """Progressive and arithmetic JPEGs are read; HEIC, JXL, JP2 and SVG are named."""
    said = refusal(data)
    assert says in said and "JPEG, PNG, WebP, BMP, GIF and TIFF are read" in said
    progressive = decode(encoded(quarters(), "JPEG", progressive=True))
    np.testing.assert_array_equal(progressive, decode(encoded(quarters(), "JPEG")))
    assert decode(made.arithmetic_jpeg()).shape == (20, 30, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 2)])
def test_c14_tiny_and_thin_photos_have_pixels_and_features(tmp_path, size):
    """A photo of one pixel, or a strip, is resized as any, and has features."""
    data = encoded(Image.new("RGB", size, "red"))
    for interpolation in ("bilinear", "bicubic"):
        (square,) = squares(data, [(24, interpolation)])
        assert (square == RED).all() and square.shape == (24, 24, 3)
    assert np.isfinite(kept(tmp_path, {"1.png": data})).all()


def test_c15_a_photo_of_108_megapixels_is_refused_by_its_size():
    """A photo of 108 megapixels meets a limit that is named, before any is decoded."""
    data = made.jpeg_that_claims(12_000, 9_000)
    tracemalloc.start()
    try:
        said = refusal(data)
        with pytest.raises(ImageError, match="12,000 × 9,000"):
            squares(data, [(224, "bilinear")])
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert "12,000 × 9,000 pixels; at most 89 million are decoded" in said


@pytest.mark.parametrize("size", [(30_000, 30_000), (65_000, 65_000), (2**31 - 1, 1)])
def test_c16_a_bomb_is_refused_by_its_header(size):
    """A hundred bytes that claim a gigapixel are refused by their header."""
    data = made.bomb(*size)
    assert len(data) < 120
    assert "89" in refusal(data)


@pytest.mark.parametrize("megapixels", [90, 110, 178])
def test_c17_where_pillow_only_warns_a_photo_is_refused(megapixels):
    """From 89 to 179 megapixels, where Pillow warns of bombs, a photo is refused."""
    said = refusal(made.bomb(10_000, megapixels * 100))
    assert "at most 89 million are decoded" in said


def test_c18_a_colour_profile_is_passed_over():
    """A colour profile, right or broken, changes no pixel."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        plain = decode(encoded(quarters(), kind))
        for profile in (lab, b"no profile at all"):
            pixels = decode(encoded(quarters(), kind, icc_profile=profile))
            np.testing.assert_array_equal(pixels, plain)


def test_c19_a_photo_of_one_colour_gets_probabilities_as_any(trained):
    """A photo all black, white or grey gets probabilities that sum to 1."""
    flat = [np.full((30, 40, 3), level, np.uint8) for level in (0, 127, 255)]
    table = trained.predict(flat, progress=False)
    sums = table[list(trained.class_names)].sum(axis=1)
    np.testing.assert_allclose(sums, 1)
    assert table.predicted_label.isin(trained.class_names).all()


@ON_UNIX
def test_c20_a_link_leads_about_the_folder_and_not_out_of_it(folder, tmp_path):
    """A link inside the folder is followed; one out of it, or to nowhere, is named."""
    (tmp_path / "secret.jpeg").write_bytes(b"x")
    image = folder / "image"
    (image / "inside.jpeg").symlink_to("1.jpeg")
    (image / "outside.jpeg").symlink_to(tmp_path / "secret.jpeg")
    (image / "dangling.jpeg").symlink_to("nowhere.jpeg")
    (image / "circle.jpeg").symlink_to("circle.jpeg")
    names = [f"image/{n}.jpeg" for n in ("inside", "outside", "dangling", "circle")]
    found = problems(folder, *names)
    assert [line.partition(":")[0] for line in found] == ["line 3", "line 4", "line 5"]
    assert "out of the data folder, by a link" in found[0]
    assert "dangling.jpeg is not a file" in found[1] and "circle.jpeg" in found[2]
    write(folder, f"{HEADER}image/inside.jpeg,a,T\n")
    assert len(carlib.load_index(folder)) == 1


@ON_UNIX
def test_c21_a_folder_fifo_or_socket_is_no_photo_and_never_waited_for(folder):
    """A folder, FIFO, socket or device named like a photo is refused at once."""
    names = [f"image/{n}.jpeg" for n in ("folder", "fifo", "socket", "device")]
    directory, fifo, listening, device = (folder / name for name in names)
    directory.mkdir()
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
        device.symlink_to("/dev/zero")
        found = problems(folder, *names)
        assert len(found) == 4
        assert all("is not a file" in line for line in found[:3])
        for name in names:
            with pytest.raises(ImageError, match="is a folder or a device"):
                read(folder / name)


@pytest.mark.skipif(BY_ROOT or os.name == "nt", reason="root reads all")
def test_c22_a_photo_that_may_not_be_read_is_named(tmp_path):
    """A photo without the permission to read it is named with the reason."""
    (tmp_path / "1.jpeg").touch(0)
    with pytest.raises(ImageError, match=r"1\.jpeg can't be read: Permission denied"):
        read(tmp_path / "1.jpeg")


def test_c23_what_was_hashed_is_what_is_decoded(tmp_path, monkeypatch):
    """A file that changes after it was hashed gives the features of what was hashed."""
    path, workspace = tmp_path / "1.png", tmp_path / "workspace"
    before = encoded(Image.fromarray(noise()))
    after = encoded(quarters())
    right = kept(tmp_path, {"before.png": before, "after.png": after})
    path.write_bytes(before)
    hashed = reading.photo_key

    def key_of(content):
        path.write_bytes(after)
        return hashed(content)

    monkeypatch.setattr(reading, "photo_key", key_of)
    first = carlib.compute_bottlenecks([path], Tiny(), workspace, progress=False)
    monkeypatch.undo()
    second = carlib.compute_bottlenecks([path], Tiny(), workspace, progress=False)
    np.testing.assert_array_equal(np.concatenate([first, second]), right)


def test_c24_a_name_longer_than_a_disk_has_is_said_in_words(folder):
    """A path longer than a disk allows is a photo that is missing, or can't be read."""
    name = f"image/{'x' * 300}.jpeg"
    (found,) = problems(folder, name)
    assert found.startswith("line 2: there is no image/xxx")
    with pytest.raises(ImageError, match="can't be read"):
        read(folder / name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_c25_an_array_with_nan_is_refused(trained, value):
    """An array with NaN or infinity is a ValueError, not a row of NaN."""
    array = np.full((8, 8, 3), 0.5, np.float32)
    array[0, 0, 0] = value
    with pytest.raises(ValueError, match=r"photo 2: expected uint8(.|\n)*float32"):
        trained.predict([np.zeros((8, 8, 3), np.uint8), array], progress=False)


def test_c26_predict_takes_all_that_can_be_a_photo_and_names_what_cannot(
    trained, few, tmp_path
):
    """Photos in any form get the same answer; others are refused by what they are."""
    paths = [Path(path) for path in few.image_path[:2]]
    data = [path.read_bytes() for path in paths]
    pixels = [decode(each) for each in data]
    for path, each in zip(paths, data, strict=True):
        (tmp_path / path.name).write_bytes(each)
    names = list(trained.class_names)
    right = trained.predict(paths, progress=False)[names].to_numpy()
    forms = {
        "texts": list(map(str, paths)),
        "bytes": data,
        "a generator": (path for path in sorted(paths)),
        "a glob": tmp_path.glob("*"),
        "a folder": tmp_path,
        "a Series": few.image_path[:2],
        "a table": few[:2],
        "a column": np.array(list(map(str, paths)), object)[:, np.newaxis],
        "pixels": pixels,
        "Pillow's": list(map(Image.open, paths)),
    }
    for form, photos in forms.items():
        got = trained.predict(photos, progress=False)[names].to_numpy()
        same = np.sort(got, axis=0) if "glob" in form else got
        wanted = np.sort(right, axis=0) if "glob" in form else right
        np.testing.assert_allclose(same, wanted, atol=1e-5, err_msg=form)
    with paths[0].open("rb") as file:
        assert len(trained.predict(file, progress=False)) == 1
    assert trained.predict(pixels[0], progress=False)[names].shape == (1, len(names))
    assert trained.predict([], progress=False)[names].shape == (0, len(names))
    others = [
        (np.zeros((8, 8, 3), np.float32), r"From 0 to 1\?"),
        (np.zeros((3, 40, 60), np.uint8), "Channels come last"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        *((5, "a int"), (None, "None"), ({"a": 1}, "a dict"), ({"a"}, "a set")),
        (["a.jpeg", 5, None], "photo 2 is a int(.|\n)*photo 3 is None"),
        ("ftp://example.org/1.jpeg", "an address with ftp://, which isn't read"),
    ]
    for photos, says in others:
        with pytest.raises(OptionError, match=says):
            trained.predict(photos, progress=False)
