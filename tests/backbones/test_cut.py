"""Cut backbones: both parts together are the whole, and only what's above trains."""

import keras
import numpy as np
import pytest

from carlib.backbones import engines
from carlib.backbones.architectures import Architecture
from carlib.backbones.backbone import Backbone
from carlib.backbones.cut import CutBackbone, copy_of
from carlib.backbones.int8 import Calibration
from carlib.errors import OptionError
from tests.backbones.mine import own
from tests.backbones.noise import needs_openvino, noise

BY = [pytest.param("openvino", marks=needs_openvino), "tensorflow"]
SIZE = 32


def blocks():
    """Two blocks, the second with a shortcut, and a mean of the first among features.

    It is the shape of carlib's own networks, and small.
    """
    pixels = keras.Input((SIZE, SIZE, 3))
    first = convolved(convolved(pixels, 4, strides=2), 6, strides=2)
    inner = convolved(convolved(first, 12), 6)
    second = keras.layers.Add()([first, inner])
    last = convolved(second, 9)
    means = [keras.layers.GlobalAveragePooling2D()(each) for each in (first, last)]
    return keras.Model(pixels, keras.layers.Concatenate()(means), name="blocks")


def convolved(x, filters, **options):
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, **options)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


@pytest.fixture
def small():
    made = Architecture("Blocks", "blocks", SIZE, 15, blocks)
    return Backbone(made, weights=None, precision="float32")


@pytest.fixture
def executed_by(request, monkeypatch):
    monkeypatch.setattr(engines, "executor", lambda: request.param)


def maps_of(cut, pixels):
    return engines.features(cut.engine(), pixels, cut.n_features)


def assert_composes(backbone, layers, n=3):
    cut, pixels = CutBackbone(backbone, layers), noise(n, backbone.input_size)
    expected = backbone.features(pixels)
    given = np.asarray(cut.upper(maps_of(cut, pixels)))
    np.testing.assert_allclose(given, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("executed_by", BY, indirect=True)
@pytest.mark.parametrize("layers", [1, 2])
def test_both_parts_together_are_the_whole(small, executed_by, layers):
    assert_composes(small, layers)


@pytest.mark.parametrize(
    "arch", ["EfficientNetLite0", "EfficientNetLite0-layers", "MobileNetV2-0.35"]
)
def test_so_are_those_of_carlibs_own(arch):
    weights = None if arch == "MobileNetV2-0.35" else "imagenet"
    assert_composes(Backbone(arch, weights, precision="float32"), 4)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["InceptionV3", "ResNet50V2"])
def test_so_are_those_of_large_ones(arch):
    assert_composes(Backbone(arch, None, precision="float32"), 4)


@pytest.mark.parametrize(("layers", "found"), [(1, 1), (2, 3), (3, 3), (4, 4)])
def test_it_is_cut_between_blocks(small, layers, found):
    assert CutBackbone(small, layers).layers == found


def test_means_of_what_lies_below_are_kept_and_not_their_maps(small):
    cut = CutBackbone(small, 1)  # one map of 8 × 8 × 6, and the mean of another
    assert cut.n_features == 8 * 8 * 6 + 6


def test_the_last_block_of_the_embedded_backbone_takes_37_kb_a_photo(backbone):
    cut = CutBackbone(backbone, 4)
    assert (cut.layers, cut.n_features) == (4, 7 * 7 * 192)


def test_its_maps_are_told_apart_by_weights_and_by_the_cut(small):
    made = small.architecture
    others = [
        CutBackbone(small, 1),
        CutBackbone(small, 2),
        CutBackbone(Backbone(made, None, seed=2, precision="float32"), 1),
    ]
    assert len({small.fingerprint, *(cut.fingerprint for cut in others)}) == 4
    assert CutBackbone(small, 2).fingerprint == CutBackbone(small, 3).fingerprint


def moved(cut):
    """Train a cut's upper part on noise, for a step that it can't overlook."""
    model = keras.Sequential([cut.upper, keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    rows = np.random.default_rng(0).normal(size=(4, cut.n_features))
    model.train_on_batch(rows.astype(np.float32), np.ones((4, 2)))
    return cut.whole("moved")


def test_what_lies_below_and_the_normalisations_stay_to_the_bit(small):
    whole = moved(CutBackbone(small, 2))
    before, after = (copy_of(each) for each in (small, whole))
    pairs = zip(before.layers, after.layers, strict=True)
    changed = [
        one.name
        for one, other in pairs
        if any(map(np.any, map(np.not_equal, one.get_weights(), other.get_weights())))
    ]
    convolutions = [layer.name for layer in before.layers if "conv" in layer.name]
    assert changed == convolutions[-3:]


def test_a_whole_one_has_a_fingerprint_and_features_of_its_own(small):
    whole, pixels = moved(CutBackbone(small, 2)), noise(2, SIZE)
    assert whole.weights_name == "moved"
    assert whole.fingerprint != small.fingerprint
    assert np.abs(whole.features(pixels) - small.features(pixels)).max() > 1e-3


def test_the_one_that_was_cut_stays_as_it_was(small):
    before = small.weights_vector().copy()
    moved(CutBackbone(small, 2))
    np.testing.assert_array_equal(small.weights_vector(), before)
    unpacked = np.concatenate([each.ravel() for each in small.network.get_weights()])
    np.testing.assert_array_equal(unpacked, before)


@pytest.mark.parametrize("layers", [6, 1000])
def test_more_convolutions_than_there_are_above_a_cut_are_refused(small, layers):
    with pytest.raises(OptionError, match=f"from 1 to 4.* Received: {layers}"):
        CutBackbone(small, layers)


def test_networks_of_ones_own_and_int8_are_refused_with_what_to_do():
    with pytest.raises(OptionError, match="train it in Keras"):
        CutBackbone(own(), 1)
    calibrated = Calibration("0" * 64)
    int8 = Backbone("MobileNetV2-0.35", None, 1, "int8", calibrated)
    with pytest.raises(OptionError, match=r'model.at\("float32"\)'):
        CutBackbone(int8, 1)
