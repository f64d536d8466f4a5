"""Each photo is decoded once, whatever is asked of it."""

import numpy as np
import pytest
from PIL import Image

from carlib.data import images, photos
from carlib.data.sources import as_sources

SHAPES = [(224, "bicubic"), (224, "bilinear"), (299, "bilinear"), (32, "bilinear")]


@pytest.mark.parametrize("size", [(4000, 3000), (500, 400), (224, 224)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_square_does_not_depend_on_which_others_are_asked_for(tmp_path, size, kind):
    """It would else be another feature that lies under the same key."""
    small = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    path = tmp_path / "photo"
    Image.fromarray(small).resize(size).save(path, kind)
    together = images.squares(path.read_bytes(), SHAPES)
    for shape, square in zip(SHAPES, together, strict=True):
        np.testing.assert_array_equal(images.pixels(path.read_bytes(), *shape), square)
        assert square.shape == (shape[0], shape[0], 3)


def test_squares_that_need_the_same_picture_decode_it_once(tmp_path, monkeypatch):
    decoded, loaded = [], images._loaded
    path = tmp_path / "photo.jpeg"
    Image.new("RGB", (4000, 3000), "red").save(path)
    monkeypatch.setattr(
        images, "_loaded", lambda image: decoded.append(image.size) or loaded(image)
    )
    images.squares(path.read_bytes(), SHAPES)
    assert decoded == [(1000, 750), (500, 375)]


def test_without_threads_as_in_a_browser_the_same_is_read(
    sample, tmp_path, monkeypatch
):
    paths = [*sorted((sample / "image").iterdir())[:20], tmp_path / "missing.jpeg"]
    sources = as_sources([str(path) for path in paths])

    def read():
        found = photos.read_ahead(sources, range(21), SHAPES, lambda _: [True] * 4)
        return [(p.row, p.key, p.error, *map(_bytes, p.squares)) for p in found]

    expected = read()
    monkeypatch.setattr("sys.platform", "emscripten")
    monkeypatch.setattr("threading.Thread.start", _no_thread)
    assert read() == expected
    assert "missing.jpeg" in expected[20][2]


def _bytes(square):
    return None if square is None else square.tobytes()


def _no_thread(self):
    raise RuntimeError("can't start new thread")
