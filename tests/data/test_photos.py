"""Each photo is decoded once, whatever is asked of it."""

import numpy as np
import pytest
from PIL import Image

from carlib.data import images

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
