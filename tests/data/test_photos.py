"""What people hand in as photos, gone through once; and each decoded once."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data import images
from carlib.data.photos import as_sources
from carlib.errors import OptionError
from carlib.training.trainer import ImageClassificationTrainer
from tests.tiny import Tiny, draw_photos


@pytest.fixture
def folder(tmp_path):
    draw_photos(tmp_path / "photos", 5)
    return tmp_path / "photos"


KINDS = {
    "glob": lambda folder: folder.glob("*.png"),
    "generator": lambda folder: (str(path) for path in sorted(folder.iterdir())),
    "map": lambda folder: map(str, sorted(folder.iterdir())),
    "series": lambda folder: pd.Series(map(str, sorted(folder.iterdir()))),
    "bytes": lambda folder: (path.read_bytes() for path in sorted(folder.iterdir())),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_gone_through_only_once_is_gone_through_once(folder, kind):
    expected = compute_bottlenecks(sorted(folder.iterdir()), Tiny(), None, False)
    given = compute_bottlenecks(KINDS[kind](folder), Tiny(), None, False)
    order = slice(None)
    if kind == "glob":
        names = [path.name for path in folder.glob("*.png")]
        order = np.argsort(names)
    np.testing.assert_array_equal(given[order], expected)


@pytest.fixture(scope="module")
def joined(few, backbone, workspace):
    drawn = Backbone("MobileNetV2-0.35", weights=None)
    trainer = ImageClassificationTrainer(
        arch=[backbone, drawn], workspace_path=workspace, epoch=1
    )
    return trainer.fit(few)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("several", [False, True])
def test_a_model_predicts_them_joined_or_not(folder, kind, several, trained, joined):
    model = joined if several else trained
    table = model.predict(KINDS[kind](folder), progress=False)
    assert len(table) == 5
    assert ("image_path" in table) == (kind != "bytes")


@pytest.mark.parametrize("photos", [None, 3, 2.5, object(), [None], [3], [["a"]]])
def test_what_is_no_photo_is_refused_by_its_kind(photos):
    with pytest.raises(OptionError, match="Expected photos.*Received: "):
        as_sources(photos)


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
