"""Class maps: they add up to the logit, and evidence lies where it is."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carlib.backbones.backbone import Backbone
from carlib.backbones.maps import MapNetwork
from carlib.data import images
from carlib.data.opening import read
from carlib.errors import ImageError, OptionError
from carlib.explain.class_maps import ClassMaps, class_maps
from carlib.model.head import LinearHead
from carlib.model.model import ImageClassificationModel

SIZE = 48


@pytest.fixture(scope="module")
def asked(photos):
    return photos[photos.subset == "V"].head(5)


@pytest.fixture(scope="module", params=["plain", "joined", "calibrated"])
def model(request, trained, joined):
    """Joined also means mirrored and standardised."""
    if request.param != "calibrated":
        return {"plain": trained, "joined": joined}[request.param]
    head, shift = joined.head, np.linspace(-1, 1, 8).astype(np.float32)
    folded = LinearHead(head.kernel / 2, head.bias / 2 + shift, head.mean, head.scale)
    return dataclasses.replace(joined, head=folded)


def logits_of(model, photos):
    """By the pooled features of each view, one after another, as `predict` has them."""
    found = []
    for turn in (1, -1) if model.augment else (1,):
        parts = []
        for backbone in model.backbones:
            shape = backbone.input_size, backbone.interpolation
            pixels = [images.pixels(read(path), *shape) for path in photos.image_path]
            parts.append(backbone.features(np.stack(pixels)[:, :, ::turn]))
        standard = (np.concatenate(parts, axis=1) - model.head.mean) / model.head.scale
        found.append(standard.astype(float) @ model.head.kernel + model.head.bias)
    return np.mean(found, axis=0)


def test_the_maps_add_up_to_the_logits(model, asked):
    maps = class_maps(model, asked, classes="all", progress=False)
    logits = logits_of(model, asked)
    assert len(maps) == len(asked) and logits.std() > 0.5
    np.testing.assert_allclose(maps.logits, logits, atol=1e-4)
    assert [each.dtype for each in maps.maps] == [np.float32] * len(model.backbones)
    assert maps.archs == tuple(backbone.arch for backbone in model.backbones)
    sums = sum(each.sum(axis=(2, 3), dtype=float) for each in maps.maps)
    np.testing.assert_allclose(sums, logits, atol=1e-4)
    together = maps.together()
    assert together.shape == (len(asked), 8, 7, 7)
    np.testing.assert_allclose(together.sum((2, 3)), logits, atol=1e-4)


def test_a_map_is_of_the_class_predicted_or_of_those_named(model, asked):
    predicted = class_maps(model, asked, progress=False)
    best = predicted.logits.argmax(axis=1)
    assert predicted.classes.tolist() == best[:, None].tolist()
    assert predicted.labels(0) == [model.class_names[best[0]]]
    assert predicted.shown_logits()[:, 0].tolist() == predicted.logits.max(1).tolist()
    assert predicted.image_paths == list(asked.image_path)
    named = class_maps(model, asked, classes=["unknown", "door_dent"], progress=False)
    assert named.labels(3) == ["unknown", "door_dent"]
    every = class_maps(model, asked, classes="all", progress=False)
    for number, backbone in enumerate(every.maps):
        for place, name in enumerate(named.labels(0)):
            whole = backbone[:, model.class_names.index(name)]
            np.testing.assert_allclose(named.maps[number][:, place], whole, atol=1e-6)


def test_the_label_is_the_one_that_predict_gives(trained, asked):
    maps = class_maps(trained, asked, progress=False)
    labels = [maps.labels(row)[0] for row in range(len(maps))]
    predicted = trained.predict(asked, progress=False)
    assert labels == list(predicted.predicted_label)


def pixel_model(augment=None, kernel=((1.0, -1.0),), ends=None):
    """A model of two classes that sees how bright each place is, and nothing else."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIZE, SIZE, 3))
    bright = keras.layers.Conv2D(
        1, 1, kernel_initializer=keras.initializers.Constant(1 / 765)
    )(pixels)
    features = ends(bright) if ends else keras.layers.GlobalAveragePooling2D()(bright)
    network = keras.Model(pixels, features)
    kernel = np.array(kernel, np.float32)
    mean, scale = (
        np.full(len(kernel), 0.5, np.float32),
        np.ones(len(kernel), np.float32),
    )
    return ImageClassificationModel(
        backbones=(Backbone.from_keras(network, name="Bright", precision="float32"),),
        class_names=("bright", "dark"),
        head=LinearHead(kernel, np.array([0.1, 0.3], np.float32), mean, scale),
        history=pd.DataFrame(),
        best_epoch=0,
        options={},
        data_hash="",
        augment=augment,
    )


@pytest.fixture
def half_bright():
    """White at the top left, black elsewhere."""
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[:12, :24] = 255
    return pixels


def test_evidence_lies_where_it_is(half_bright):
    maps = class_maps(pixel_model(), [half_bright], classes="all", progress=False)
    bright, dark = maps.maps[0][0] * SIZE**2
    assert bright[:12, :24] == pytest.approx(0.5 + 0.1, abs=1e-5)
    assert bright[12:] == pytest.approx(-0.5 + 0.1, abs=1e-5)
    assert bright[:, 24:] == pytest.approx(-0.5 + 0.1, abs=1e-5)
    assert dark[12:] == pytest.approx(0.5 + 0.3, abs=1e-5)


def test_the_mirror_images_map_is_turned_back(half_bright):
    """Of a network to which a photo and its mirror image differ in nothing but place"""
    alone = class_maps(pixel_model(), [half_bright], progress=False)
    both = class_maps(pixel_model("flip"), [half_bright], progress=False)
    np.testing.assert_allclose(both.maps[0], alone.maps[0], atol=1e-7)


def test_grids_of_several_layers_come_together(half_bright):
    def ends(bright):
        coarse = keras.layers.AveragePooling2D(5, strides=5)(bright)  # 9 × 9
        pooled = [
            keras.layers.GlobalAveragePooling2D()(each) for each in (bright, coarse)
        ]
        return keras.layers.Concatenate()(pooled)

    model = pixel_model(kernel=[[1.0, -1.0], [2.0, 0.5]], ends=ends)
    assert MapNetwork(model.backbones[0]).shapes == [(48, 48, 1), (9, 9, 1)]
    maps = class_maps(model, [half_bright], classes="all", progress=False)
    assert maps.maps[0].shape == (1, 2, 48, 48)
    features = model.backbones[0].features(half_bright[None]) - 0.5
    logits = features @ model.head.kernel + model.head.bias
    np.testing.assert_allclose(maps.maps[0].sum((2, 3)), logits, atol=1e-4)
    assert maps.maps[0][0, 0, :10, :20].min() > 0 > maps.maps[0][0, 0, 20:].max()


def test_grids_of_several_backbones_come_together():
    drawn = np.random.default_rng(0)
    shapes = [(2, 1, 14, 14), (2, 1, 9, 9)]
    maps = tuple(drawn.normal(size=shape).astype(np.float32) for shape in shapes)
    logits, classes = np.zeros((2, 3)), np.zeros((2, 1), int)
    names, archs = ("a", "b", "c"), ("fine", "coarse")
    together = ClassMaps(["1", "2"], names, logits, classes, archs, maps).together()
    assert together.shape == (2, 1, 14, 14) and together.dtype == np.float32
    expected = sum(each.sum((2, 3)) for each in maps)
    np.testing.assert_allclose(together.sum((2, 3)), expected, atol=1e-4)


def test_the_limit_is_one_for_all_photos(trained, asked):
    maps = class_maps(trained, asked, progress=False)
    values = np.abs(maps.maps[0])
    assert np.quantile(values, 0.98) < maps.limit <= values.max()
    assert repr(maps) == "ClassMaps(5 photos, EfficientNetLite0, 7 × 7)"


@pytest.mark.parametrize("classes", [["roof_dent"], "roof_dent", []])
def test_classes_that_there_are_none_of_are_refused(trained, asked, classes):
    with pytest.raises(
        OptionError, match="names of classes. Received: ('roof_dent'|none)"
    ):
        class_maps(trained, asked, classes=classes)


def test_bad_photos_are_named_all_at_once(trained, asked, tmp_path):
    for name in ("one.jpg", "two.jpg"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff")
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    paths = [tmp_path / name for name in ("one.jpg", "good.png", "two.jpg")]
    with pytest.raises(ImageError, match="2 of 3 photos can't be read") as refused:
        class_maps(trained, paths, progress=False)
    assert len(refused.value.problems) == 2
    with pytest.raises(OptionError, match="one photo or more"):
        class_maps(trained, [], progress=False)
