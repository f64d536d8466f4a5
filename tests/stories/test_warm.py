"""A warm run builds no backbone: what it needs lies beside its features."""

import subprocess
import sys

import numpy as np
import pytest

from carlib.backbones import precisions
from carlib.backbones.architectures import find
from carlib.backbones.backbone import Backbone
from carlib.model.model import load_model
from carlib.training.trainer import ImageClassificationTrainer

WARM = """
import sys
from carlib.backbones import architectures
from carlib.cli.main import main

def build():
    raise SystemExit("a backbone was built")

for architecture in architectures._ALL:
    object.__setattr__(architecture, "build", build)
data, workspace, output = sys.argv[1:]
arguments = ["--workspace", workspace, "--epoch", "3", "--output", output]
main(["train", data, "--arch", "EfficientNetLite0", *arguments])
"""


@pytest.mark.slow
def test_a_warm_train_builds_no_backbone_and_writes_the_same(photos, sample, tmp_path):
    trainer = ImageClassificationTrainer(
        arch=Backbone("EfficientNetLite0"), workspace_path=tmp_path / "w", epoch=3
    )
    cold = trainer.fit(photos[photos.subset == "T"])
    arguments = [str(sample), str(tmp_path / "w"), str(tmp_path / "m.zip")]
    result = subprocess.run(
        [sys.executable, "-c", WARM, *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    warm = load_model(tmp_path / "m.zip")
    np.testing.assert_array_equal(warm.head.kernel, cold.head.kernel)
    np.testing.assert_array_equal(
        warm.backbones[0].weights_vector(), cold.backbones[0].weights_vector()
    )


@pytest.mark.slow
def test_a_loaded_models_backbone_finds_what_was_computed(photos, keras_home, tmp_path):
    """Its fingerprint is by the weights, wherever they came from."""
    few = photos[photos.subset == "T"][::8]
    file = keras_home / "models" / find("MobileNetV2-0.35").file
    trainer = ImageClassificationTrainer(
        arch=[Backbone("MobileNetV2-0.35", file), "EfficientNetLite0"],
        workspace_path=tmp_path / "w",
        epoch=1,
    )
    model = trainer.fit(few)
    loaded = load_model(model.save(tmp_path / "m.zip"), tmp_path / "w")
    for one, other in zip(loaded.backbones, model.backbones, strict=True):
        assert one.fingerprint == other.fingerprint
        one._converted = lambda: pytest.fail("a backbone was built")
    assert len(loaded.predict(few, progress=False)) == len(few)


def test_random_weights_are_known_by_their_seed_without_the_network():
    drawn = Backbone("InceptionV3", weights=None, seed=3)
    assert drawn.fingerprint != Backbone("InceptionV3", weights=None).fingerprint
    assert "_core" not in vars(drawn)
    drawn = Backbone("MobileNetV2-0.35", weights=None)
    by_weights = Backbone("MobileNetV2-0.35", weights=drawn.weights_vector())
    assert by_weights.fingerprint != drawn.fingerprint  # a miss, and never a lie


@pytest.mark.slow
@pytest.mark.skipif("int8" not in precisions.supported(), reason="no int8 here")
def test_a_warm_int8_model_is_saved_without_calibrating_again(photos, tmp_path):
    pytest.importorskip("nncf")
    few = photos[photos.subset == "T"][::4]

    def trained(backbone):
        trainer = ImageClassificationTrainer(
            arch=backbone, workspace_path=tmp_path / "w", epoch=1
        )
        return trainer.fit(few)

    def backbone():
        some = few.image_path[:4]
        return Backbone("EfficientNetLite0", precision="int8", calibration=some)

    trained(backbone()).save(tmp_path / "cold.zip")
    again = backbone()
    again._converted = lambda: pytest.fail("it was calibrated again")
    trained(again).save(tmp_path / "warm.zip")
    assert load_model(tmp_path / "warm.zip").backbones[0].int8_network()
