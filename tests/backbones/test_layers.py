"""Which layers are looked at, and that their maps are the network's own."""

import keras
import numpy as np
import pytest

from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.backbones.layers import early_and_middle
from carlib.backbones.maps import MapNetwork
from tests.backbones.noise import near, needs_openvino, noise

SIZE = 48
BY = [pytest.param("openvino", marks=needs_openvino), "tensorflow"]


@pytest.fixture
def executed_by(request, monkeypatch):
    monkeypatch.setattr(engines, "executor", lambda: request.param)


def network(*widths):
    """A Keras network with as many layers, each on half as many places a side."""
    keras.utils.set_random_seed(1)
    x = pixels = keras.Input((SIZE, SIZE, 3))
    for width in widths:
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(
            x
        )
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize("executed_by", BY, indirect=True)
def test_maps_are_those_of_the_first_layer_one_half_way_and_the_last(executed_by):
    model, pixels = network(4, 5, 6), noise(2, SIZE)
    backbone = Backbone.from_keras(model, name="Three", precision="float32")
    layers = MapNetwork(backbone, layers=True)
    assert layers.shapes == [(24, 24, 4), (12, 12, 5), (6, 6, 6)]
    own = [layer.output for layer in model.layers if layer.name.startswith("conv")]
    expected = keras.Model(model.input, own).predict(pixels, verbose=0)
    for found, each in zip(layers.maps(pixels), expected, strict=True):
        assert each.std() > 0.1
        assert near(found, each) < 1e-5


@pytest.mark.parametrize("executed_by", BY, indirect=True)
@pytest.mark.parametrize("widths", [(4,), (4, 5)])
def test_a_network_of_few_layers_has_fewer_maps(executed_by, widths):
    backbone = Backbone.from_keras(network(*widths), name="Few", precision="float32")
    shapes = MapNetwork(backbone, layers=True).shapes
    assert [shape[2] for shape in shapes] == list(widths)


def test_an_early_layer_has_many_places_and_the_last_the_features(exact):
    layers = MapNetwork(exact, layers=True)
    assert layers.shapes == [(112, 112, 32), (28, 28, 240), (7, 7, 1280)]
    pixels = noise(1)
    means = layers.maps(pixels)[-1].mean((1, 2), dtype=float)
    assert near(means, exact.features(pixels)) < 1e-6


def test_layers_are_found_by_their_grids_wherever_their_channels_lie():
    nodes = [
        ("Multiply", "no activation", (None, 3, 64, 64)),
        ("Relu", "first", (None, 8, 64, 64)),
        ("Relu", "channels last", (None, 16, 16, 24)),
        ("Relu", "the same grid, later", (None, 24, 16, 16)),
        ("Relu", "which axis?", (None, 12, 12, 12)),
        ("Swish", "weights of channels", (None, 24, 1, 1)),
        ("Relu", "flat", (None, 24)),
        ("Relu", "as small as the last", (None, 4, 4, 9)),
    ]
    found = early_and_middle(nodes, last=4)
    assert found == [
        ("first", (8, 64, 64), 1),
        ("the same grid, later", (24, 16, 16), 1),
    ]
    assert early_and_middle(nodes[:1], last=4) == []
    assert [shape for _, shape, _ in early_and_middle(nodes[2:3], 4)] == [(16, 16, 24)]


def test_places_are_where_they_are_in_the_photo(backbone):
    half = np.zeros((1, 224, 224, 3), np.uint8)
    half[:, :, 112:] = noise(1)[:, :, 112:]
    first = MapNetwork(backbone, layers=True).maps(half)[0][0]
    assert first[:, 60:].std() > 20 * first[:, 4:50].std(axis=(0, 1)).mean()
