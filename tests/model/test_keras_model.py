"""The whole model in Keras: what `predict` says, from pixels of any size."""

import numpy as np
import pytest

from carlib.backbones.backbone import Backbone
from carlib.errors import WeightsError
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


@pytest.fixture
def model(few, workspace):
    backbone = Backbone("MobileNetV2-0.35", weights=None, precision="float32")
    options = {"workspace_path": workspace, "epoch": 2}
    return ImageClassificationTrainer(arch=backbone, **options).fit(few)


@pytest.fixture
def network(model):
    """The backbone in the Keras model, trained by hand."""
    network = model.keras_model.get_layer("backbone_mobilenet_v2_0.35")
    network.get_layer("Conv_1").trainable = True
    model.keras_model.compile("sgd", "sparse_categorical_crossentropy")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    model.keras_model.train_on_batch(pixels, np.array([0, 1]))
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    "use",
    [
        lambda model, photos, path: model.predict(photos[:1], progress=False),
        lambda model, photos, path: model.save(path),
        lambda model, photos, path: model.at("float32"),
    ],
)
def test_weights_that_somebody_trained_are_not_passed_over(
    model, network, few, tmp_path, use
):
    with pytest.raises(WeightsError, match=r"other weights.*\n.*carlib.fine_tune"):
        use(model, few, tmp_path / "Model.zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_without_the_trained_copy_the_model_is_what_it_was(model, network, few):
    del model.keras_model
    backbone = Backbone("MobileNetV2-0.35", weights=None, precision="float32")
    vector = [weight.ravel() for weight in model.backbones[0].network.get_weights()]
    np.testing.assert_array_equal(np.concatenate(vector), backbone.weights_vector())
    assert len(model.predict(few[:1], progress=False)) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_backbone_can_be_made_of_what_was_trained(model, network, few, tmp_path):
    network.save_weights(tmp_path / "tuned.weights.h5")
    backbone = Backbone(
        "MobileNetV2-0.35", tmp_path / "tuned.weights.h5", precision="float32"
    )
    vector = np.concatenate([weight.ravel() for weight in network.get_weights()])
    np.testing.assert_array_equal(backbone.weights_vector(), vector)
    assert (vector != model.backbones[0].weights_vector()).any()


def test_a_look_at_the_keras_model_changes_nothing(model, few):
    before = model.predict(few[:1], progress=False)
    model.keras_model(np.zeros((1, 50, 60, 3), np.uint8))
    after = model.predict(few[:1], progress=False)
    assert after.equals(before)
