"""Feature maps: what lies behind the mean, in its place, whatever executes it."""

import keras
import numpy as np
import pytest

from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.backbones.maps import MapNetwork
from carlib.errors import OptionError
from tests.backbones.noise import OF_FLOATS, near, needs_openvino, noise

SIZE = 48
BY = [pytest.param("openvino", marks=needs_openvino), "tensorflow"]


@pytest.fixture
def executed_by(request, monkeypatch):
    monkeypatch.setattr(engines, "executor", lambda: request.param)


def own(*ends, name="Mine"):
    """A backbone whose features are what `ends` make of two maps."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIZE, SIZE, 3))
    first = keras.layers.Conv2D(6, 3, strides=2, activation="relu")(pixels)
    second = keras.layers.Conv2D(5, 3, strides=2, activation="relu")(first)
    made = [end(each) for end, each in zip(ends, (first, second), strict=False)]
    features = keras.layers.Concatenate()(made) if len(made) > 1 else made[0]
    model = keras.Model(pixels, features)
    return Backbone.from_keras(model, name=name, precision="float32")


def pooled(each, **options):
    return keras.layers.GlobalAveragePooling2D(**options)(each)


def pooled_and_flattened(each):
    return keras.layers.Flatten()(pooled(each, keepdims=True))


def means(maps):
    return np.concatenate([each.mean((1, 2), dtype=float) for each in maps], axis=1)


@pytest.mark.parametrize("precision", OF_FLOATS)
def test_the_features_are_the_means_of_the_maps(exact, precision):
    backbone, pixels = exact.at(precision), noise(6)
    network = MapNetwork(backbone)
    assert network.shapes == [(7, 7, 1280)]
    maps = network.maps(pixels)
    assert [each.dtype for each in maps] == [np.float32]
    features = backbone.features(pixels)
    assert features.std() > 0.01
    assert near(means(maps), features) < 1e-6


@pytest.mark.parametrize("executed_by", BY, indirect=True)
def test_features_of_several_layers_have_a_map_each(executed_by):
    backbone, pixels = own(pooled, pooled_and_flattened), noise(5, SIZE)
    network = MapNetwork(backbone)
    assert network.shapes == [(23, 23, 6), (11, 11, 5)]
    features = backbone.features(pixels)
    assert features.std() > 0.1
    assert near(means(network.maps(pixels)), features) < 1e-6


@pytest.mark.parametrize("executed_by", BY, indirect=True)
def test_a_place_in_the_map_is_that_place_in_the_photo(executed_by):
    """The map of a network that looks at single pixels is the photo in other colours"""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(4, 1),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    backbone = Backbone.from_keras(model, name="Pixels", precision="float32")
    pixels = noise(3, SIZE)
    kernel, bias = model.get_weights()
    expected = pixels.astype(np.float32) @ kernel[0, 0] + bias
    found = MapNetwork(backbone).maps(pixels)[0]
    np.testing.assert_allclose(found, expected, atol=0.01, rtol=1e-4)


@needs_openvino
def test_a_network_that_was_kept_needs_no_tensorflow(tmp_path, exact, monkeypatch):
    folder = tmp_path / "EfficientNetLite0-0123456789abcdef"
    folder.mkdir()
    first, again = exact.at("float32"), exact.at("float32")
    for backbone in (first, again):
        backbone.keep_in(folder)
    first.engine()
    monkeypatch.setattr(Backbone, "frozen", None)
    pixels = noise(2)
    maps = MapNetwork(again).maps(pixels)
    assert near(means(maps), first.features(pixels)) < 1e-6


@pytest.mark.slow
@needs_openvino
def test_an_int8_network_has_maps_too(photos):
    pytest.importorskip("nncf")
    some = photos.image_path[:8]
    backbone = Backbone("EfficientNetLite0", precision="int8", calibration=some)
    pixels = noise(4)
    maps = MapNetwork(backbone).maps(pixels)
    assert near(means(maps), backbone.features(pixels)) < 1e-5
    assert (
        near(
            means(maps), MapNetwork(backbone.at("float32")).maps(pixels)[0].mean((1, 2))
        )
        > 1e-3
    )


def by_channel(each):
    return keras.layers.Flatten()(keras.ops.mean(each, axis=-1))


ENDS = {
    "the largest": keras.layers.GlobalMaxPooling2D(),
    "a mean over channels": by_channel,
    "all places": keras.layers.Flatten(),
    "a layer after the mean": lambda each: keras.layers.Dense(4)(pooled(each)),
}


@pytest.mark.parametrize("executed_by", BY, indirect=True)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_backbone_that_ends_otherwise_is_refused_in_words(executed_by, end):
    with pytest.raises(OptionError, match="means over the photo. Received: Mine"):
        MapNetwork(own(end))
