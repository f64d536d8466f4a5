"""A trainer's options as plain values: back and forth, and edited by hand."""

import json

import pytest

from carlib.backbones import precisions
from carlib.backbones.backbone import Backbone
from carlib.errors import OptionError, WeightsError
from carlib.model.model import load_model
from carlib.training.trainer import ImageClassificationTrainer


def again(trainer, **options):
    plain = json.loads(json.dumps(trainer.options()))
    made = ImageClassificationTrainer.from_options(plain, **options)
    assert made.options() == trainer.options()
    assert [b.fingerprint for b in made.backbones] == [
        b.fingerprint for b in trainer.backbones
    ]
    return made


@pytest.mark.skipif("int8" not in precisions.supported(), reason="no int8 here")
def test_an_int8_backbone_is_calibrated_on_the_same_photos_again(few, photos):
    pytest.importorskip("nncf")
    some = few.image_path[:4]
    backbone = Backbone("EfficientNetLite0", precision="int8", calibration=some)
    again(ImageClassificationTrainer(arch=backbone))
    pixels = [b"no file of its own"]
    backbone = Backbone("EfficientNetLite0", precision="int8", calibration=pixels)
    trainer = ImageClassificationTrainer(arch=backbone)
    with pytest.raises(OptionError, match="not files of their own") as caught:
        again(trainer)
    assert "pass arch=" in caught.value.hint
    again(trainer, arch=backbone)


def test_a_saved_models_backbones_come_again(trained, few, tmp_path):
    drawn = Backbone("MobileNetV2-0.35", weights=None, seed=5)
    trainer = ImageClassificationTrainer(
        arch=[drawn, "EfficientNetLite0"], workspace_path=None, epoch=1
    )
    loaded = load_model(trainer.fit(few).save(tmp_path / "m.zip"))
    again(ImageClassificationTrainer(arch=loaded.backbones))


def test_weights_of_a_file_that_a_model_came_from_are_asked_for(tmp_path):
    vector = Backbone("EfficientNetLite0").weights_vector()
    backbone = Backbone("EfficientNetLite0", weights=vector)
    trainer = ImageClassificationTrainer(arch=backbone)
    with pytest.raises(WeightsError, match="from a saved model") as caught:
        again(trainer)
    assert "pass arch=" in caught.value.hint
    again(trainer, arch=backbone)


@pytest.mark.parametrize("plain", [None, [], 3, "trainer", {}, {"epoch": 3}])
def test_what_are_no_options_is_said_to_be_none(plain):
    with pytest.raises(OptionError, match="not a trainer's options"):
        ImageClassificationTrainer.from_options(plain)


@pytest.mark.parametrize(
    "edited",
    [
        {"early_stopping": "loss"},
        {"early_stopping": {"metric": "loss", "patience": "long"}},
        {"early_stopping": {"nonsense": 1}},
        {"learning_rate_scheduler": 3},
        {"learning_rate_scheduler": {"kind": "ExponentialLRDecay", "x": 1}},
        {"optimizer": 3},
        {"optimizer": {"kind": "Adam", "config": 3}},
        {"backbones": 3},
        {"backbones": []},
        {"backbones": [3]},
        {"backbones": [{"arch": "EfficientNetLite0"}]},
        {"backbones": [{"arch": 3}]},
        {"epoch": "many"},
        {"l2": [1]},
        {"class_weight": "heavy"},
        {"class_weight": {"a": "b"}},
        {"seed": None},
        {"logs": "csv"},
        {"workspace_path": 3},
        {"final_model_prefix": "../../x"},
        {"reuse_train_set_bottleneck_cached_values": "yes"},
        {"epochs": 3},
    ],
)
def test_options_edited_by_hand_get_a_clear_error(trainer, edited):
    plain = trainer().options() | edited
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer.from_options(plain)
    assert next(iter(edited)) in str(caught.value)
