"""The clients prepare a photo as carlib does, to the pixel, whatever it is."""

import ast
import io
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

from carlib.data.images import squares
from carlib.exports.clients import _RUNTIMES, client_text

PICTURE = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)


def picture(size=(200, 150), mode="RGB"):
    return Image.fromarray(PICTURE).resize(size).convert(mode)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(picture(), "JPEG", exif=exif)


def transparent():
    image = picture(mode="RGBA")
    image.putalpha(picture(mode="L"))
    return saved(image, "PNG")


PHOTOS = {
    "as large as the square": saved(picture((32, 32)), "PNG"),
    "larger": saved(picture(), "JPEG"),
    "so large that it's decoded smaller": saved(picture((900, 700)), "JPEG"),
    "upright": saved(picture((60, 300)), "PNG"),
    "smaller": saved(picture((9, 5)), "PNG"),
    "grey": saved(picture(mode="L"), "JPEG"),
    "of a palette": saved(picture(mode="P"), "PNG"),
    "of four colours": saved(picture(mode="CMYK"), "JPEG"),
    "transparent": transparent(),
    **{f"turned, {n}": turned(n) for n in range(1, 9)},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """What a client's program defines; it's asked about no photo."""
    folder = tmp_path_factory.mktemp("client")
    text = client_text("onnx", "c.py", "model.onnx", {"pixels": (32, "bicubic")}, 0.0)
    without_network = text.replace("session = onnx", "session = None  # ")
    (folder / "c.py").write_text(without_network, "utf-8")
    (folder / "labels.txt").write_text("a\nb\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["c.py"])
        return runpy.run_path(str(folder / "c.py"))


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("how", ["bicubic", "bilinear"])
def test_its_square_is_carlibs(client, tmp_path, photo, how):
    (tmp_path / "photo").write_bytes(PHOTOS[photo])
    (expected,) = squares(PHOTOS[photo], [(32, how)])
    found = client["square"](tmp_path / "photo", 32, how.upper())
    np.testing.assert_array_equal(found, expected[np.newaxis])


@pytest.mark.parametrize("runtime", _RUNTIMES)
@pytest.mark.parametrize("least", [0.25, float("inf")])
def test_every_client_is_a_program(runtime, least):
    inputs = {"pixels_32_bicubic": (32, "bicubic"), "pixels_48_bilinear": (48, "x")}
    text = client_text(runtime, "client.py", "model.file", inputs, least)
    ast.parse(text)
    assert "$" not in text and "carlib." not in text.split('"""')[2]
