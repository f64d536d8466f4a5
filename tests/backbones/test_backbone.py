"""The networks: their weights, where those come from, and what they see."""

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones.backbone import Backbone
from carlib.data import images, opening
from carlib.errors import WeightsError


def noise(backbone, n=2):
    shape = (n, backbone.input_size, backbone.input_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    "arch", ["InceptionV3", "MobileNetV2-0.35", "MobileNetV2-1.3", "ResNet50V2"]
)
def test_a_network_with_random_weights_gives_features_of_the_stated_width(arch):
    backbone = Backbone(arch, weights=None)
    features = backbone.features(noise(backbone))
    assert features.shape == (2, backbone.n_features)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_random_weights_follow_the_seed():
    one, same, other = (
        Backbone("MobileNetV2-0.35", weights=None, seed=seed) for seed in (3, 3, 4)
    )
    pixels = noise(one)
    np.testing.assert_array_equal(one.features(pixels), same.features(pixels))
    assert np.abs(one.features(pixels) - other.features(pixels)).max() > 1e-3
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_photos_features_do_not_depend_on_the_other_photos(backbone):
    pixels = noise(backbone, 5)
    together = backbone.features(pixels)
    alone = np.concatenate([backbone.features(pixels[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(together, alone)


def test_no_photos_give_no_features(backbone):
    assert backbone.features(noise(backbone)[:0]).shape == (0, 1280)


def test_the_fingerprint_changes_with_network_and_weights_only(backbone):
    assert Backbone("EfficientNetLite0").fingerprint == backbone.fingerprint
    vector = backbone.weights_vector()
    again = Backbone("EfficientNetLite0", weights=vector)
    pixels = noise(backbone)
    np.testing.assert_array_equal(again.features(pixels), backbone.features(pixels))
    with pytest.raises(ValueError, match="read-only"):
        vector[0] += 1
    vector = vector.copy()
    vector[0] += 1
    changed = Backbone("EfficientNetLite0", weights=vector)
    assert again.fingerprint == backbone.fingerprint != changed.fingerprint
    with pytest.raises(WeightsError, match="expected 3,413,024"):
        Backbone("EfficientNetLite0", weights=vector[1:]).features(pixels)


def test_other_settings_of_the_process_do_not_reach_the_network(photos):
    keras = runtime.keras()
    pixels = images.resize(images.decode(opening.read(photos.image_path[0])), 224)
    plain = Backbone("MobileNetV2-0.35", weights=None).features(pixels[None])
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = Backbone("MobileNetV2-0.35", weights=None).features(pixels[None])
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(plain, mixed)
