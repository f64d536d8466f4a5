"""A backbone in ONNX: the same features, and the maps whose means they are."""

import numpy as np
import onnxruntime
import pytest

from carlib.errors import OptionError
from carlib.exports.onnx import backbone_onnx
from tests.backbones.mine import noise, own
from tests.exports.made import drawn, small


def test_it_gives_the_features_of_any_number_of_photos():
    backbone = small()
    session = onnxruntime.InferenceSession(backbone_onnx(backbone))
    (pixels,), (features,) = session.get_inputs(), session.get_outputs()
    assert (pixels.name, pixels.shape) == ("pixels", ["n", 32, 32, 3])
    assert (features.name, features.shape) == ("features", ["n", 3])
    for n in (1, 5):
        (found,) = session.run(None, {"pixels": noise(n, 32)})
        expected = backbone.features(noise(n, 32))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["MobileNetV2-0.35", "EfficientNetLite0-layers"])
def test_with_maps_their_means_are_the_features(arch):
    backbone = drawn(arch)
    session = onnxruntime.InferenceSession(backbone_onnx(backbone, maps=True))
    features, *maps = session.run(None, {"pixels": noise(2, 224)})
    assert len(maps) == (5 if "layers" in arch else 1)
    means = np.concatenate([each.mean((1, 2)) for each in maps], axis=1)
    expected = backbone.features(noise(2, 224))
    for found in (features, means):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_without_means_over_space_there_are_no_maps():
    import keras

    layers = [keras.Input((48, 48, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    with pytest.raises(OptionError, match="means over the photo"):
        backbone_onnx(own(keras.Sequential(layers), "Flat"), maps=True)
