"""The whole model in Keras: what `predict` says, from pixels of any size."""

import numpy as np
import pytest

from carlib.backbones.backbone import Backbone
from carlib.model.keras_model import standardizer
from carlib.training.trainer import ImageClassificationTrainer


@pytest.mark.parametrize("augment", [None, "flip"])
def test_it_gives_the_models_own_probabilities(few, workspace, augment):
    backbone = Backbone("MobileNetV2-0.35", weights=None, precision="float32")
    model = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, epoch=2, augment=augment, l2=0.01
    ).fit(few)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    expected = model.predict(pixels, progress=False)[list(model.class_names)]
    np.testing.assert_allclose(model.keras_model(pixels), expected, atol=1e-5)
    assert model.keras_model(pixels[:, :100, :150]).shape == (3, 8)


def test_a_standardizer_takes_the_mean_away_and_divides_by_the_scale():
    mean, scale = np.array([1, 2], np.float32), np.array([2, 4], np.float32)
    given = standardizer(mean, scale)(np.array([[3, 10]], np.float32))
    np.testing.assert_allclose(given, [[1, 2]])
