"""A trainer's options as plain values: back and forth, and edited by hand."""

import json
import sys

import numpy as np
import pytest
from keras import optimizers as keras_optimizers
from keras.callbacks import LambdaCallback
from keras.optimizers import schedules as keras_schedules

from carlib.backbones import precisions
from carlib.backbones.backbone import Backbone
from carlib.errors import OptionError, WeightsError
from carlib.model.model import load_model
from carlib.training.early_stopping import EarlyStopping
from carlib.training.schedules import (
    ExponentialLRDecay,
    LsrDecay,
    PolynomialLRDecay,
)
from carlib.training.trainer import ImageClassificationTrainer
from tests.training.told import QUICK, same


def again(trainer, **options):
    plain = json.loads(json.dumps(trainer.options()))
    made = ImageClassificationTrainer.from_options(plain, **options)
    assert made.options() == trainer.options()
    for one, other in zip(made.backbones, trainer.backbones, strict=True):
        np.testing.assert_array_equal(one.weights_vector(), other.weights_vector())
        assert one.calibration_id == other.calibration_id
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


@pytest.mark.slow
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


def test_all_that_is_wrong_with_options_is_named_at_once(trainer):
    odd = {"optimizer": [1], "early_stopping": {"x": 1}, "backbones": [{}], 5: 1}
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer.from_options(trainer().options() | odd)
    named = {line.split()[0].rstrip(":") for line in caught.value.problems}
    assert {"optimizer", "early_stopping", "arch"} <= named
    assert any("no option 5" in line for line in caught.value.problems)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"arch": "auto"}, "arch"),
        ({"arch": None}, "arch"),
        ({"weights": 5}, "weights"),
        ({"weights": ["a.h5"]}, "weights"),
        ({"weights": r"\\host\x.h5"}, "weights"),
        ({"weights": "//host/x.h5"}, "weights"),
        ({"weights": r"/\host\x.h5"}, "weights"),
        ({"weights": "https://host/x.h5"}, "weights"),
        ({"weights": "file:///x.h5"}, "weights"),
        ({"weights_seed": -1}, "weights_seed"),
        ({"weights_seed": "1"}, "weights_seed"),
        ({"precision": "auto"}, "precision"),
        ({"precision": ["int8"]}, "precision"),
        ({"calibration": "photos"}, "calibration"),
        ({"calibration": [r"\\host\1.jpeg"]}, "calibration"),
        ({"calibration": [5]}, "calibration"),
        ({"trainable": True}, "trainable"),
    ],
    ids=repr,
)
def test_a_backbone_is_not_made_of_what_trainers_do_not_write(
    trainer, changes, named, monkeypatch
):
    plain = through_json(trainer())
    plain["backbones"][0] |= changes
    monkeypatch.setattr(Backbone, "__init__", lambda *_, **__: pytest.fail("it was"))
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer.from_options(plain)
    (line,) = caught.value.problems
    assert named in line
    assert "of backbone 1" in line


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"epoch": 10**400}, "more than 100 digits"),
        ({"class_weight": {"a": 10**400}}, "more than 100 digits"),
        ({"optimizer": {"kind": "SGD", "config": {"x": "y" * 10**6}}}, "optimizer"),
        ({"early_stopping": {"\x1b[2J": 1}}, "early_stopping"),
        ({"\x1b[2J": 1}, "no option"),
        ({"x" * 10**6: 1}, "no option"),
    ],
    ids=range(6),
)
def test_odd_options_get_an_error_that_a_terminal_can_print(trainer, odd, says):
    with pytest.raises(OptionError, match=says) as caught:
        ImageClassificationTrainer.from_options(trainer().options() | odd)
    said = str(caught.value)
    assert said.replace("\n", "").isprintable()
    assert len(said) < 2_000


def test_options_nested_without_end_get_an_error(trainer):
    deep = []
    deep.append(deep)
    with pytest.raises(OptionError, match="nested more than"):
        ImageClassificationTrainer.from_options(trainer().options() | {"logs": deep})


def test_options_make_the_same_trainer_again(backbone):
    trainer = ImageClassificationTrainer(
        arch=backbone,
        epoch=7,
        early_stopping=EarlyStopping("loss"),
        learning_rate_scheduler=None,
    )
    options = json.loads(json.dumps(trainer.options()))
    again = ImageClassificationTrainer.from_options(options)
    assert again.options() == options
    assert (again.epoch, again.early_stopping.metric) == (7, "loss")
    assert "epoch=7" in repr(again)


def through_json(trainer):
    return json.loads(json.dumps(trainer.options()))


OPTIMIZERS = {
    "a name": "AdamW",
    "plain": keras_optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "many options": keras_optimizers.AdamW(0.002, weight_decay=0.01, clipnorm=1.0),
    "its own schedule": keras_optimizers.Adam(keras_schedules.CosineDecay(0.01, 9)),
}


SCHEDULES = {
    "none": None,
    "exponential": ExponentialLRDecay(0.02, 3, 0.9, False),
    "polynomial": PolynomialLRDecay(0.02, 7, power=2.0, cycle=True),
    "lsr": LsrDecay(0.2, {0: 1, 5: 0.5}),
    "cosine": keras_schedules.CosineDecay(0.01, 9, warmup_target=0.1, warmup_steps=3),
    "restarts": keras_schedules.CosineDecayRestarts(0.01, 9),
    "pieces": keras_schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.02, 0.01]),
    "inverse": keras_schedules.InverseTimeDecay(0.1, 3, 0.5),
    "keras's exponential": keras_schedules.ExponentialDecay(0.1, 3, 0.9),
    "keras's polynomial": keras_schedules.PolynomialDecay(0.1, 3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_come_through_json(trainer, skewed, name):
    made = trainer(optimizer=OPTIMIZERS[name], learning_rate_scheduler=None, **QUICK)
    plain = through_json(made)
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain == made.options()
    assert type(again.optimizer) is type(made.optimizer)
    assert same(made.fit(skewed), again.fit(skewed))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_come_through_json(trainer, name):
    made = trainer(learning_rate_scheduler=SCHEDULES[name])
    plain = through_json(made)
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain == made.options()
    assert type(again.learning_rate_scheduler) is type(SCHEDULES[name])


def test_all_other_options_come_through_json(trainer):
    made = trainer(
        augment="flip",
        standardize=False,
        l2="auto",
        label_smoothing=0.1,
        class_weight={"door_dent": 2.0},
        shuffle=True,
        logs=("csv", "tensorboard"),
        callbacks=[LambdaCallback()],
        early_stopping=EarlyStopping("loss", 0, 5),
        validation_set_fraction=0.2,
        seed=7,
    )
    plain = through_json(made)
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain
    assert (again.augment, again.standardize, again.l2) == ("flip", False, "auto")
    assert (again.class_weight, again.shuffle) == ({"door_dent": 2.0}, True)
    assert again.early_stopping == made.early_stopping
    assert set(again.logs) == {"csv", "tensorboard"}
    assert not again.callbacks


@pytest.mark.parametrize(
    "evil",
    [
        {"kind": "turtle.Turtle", "config": {"learning_rate": 0.1}},
        {"kind": "Turtle", "config": {"learning_rate": 0.1}},
        {"kind": "Optimizer", "config": {"learning_rate": 0.1}},
        {"kind": "schedules", "config": {"learning_rate": 0.1}},
        {"kind": ["turtle"], "config": {"learning_rate": 0.1}},
        {
            "kind": "SGD",
            "config": {"learning_rate": {"kind": "turtle.Turtle", "config": {}}},
        },
        {
            "kind": "SGD",
            "config": {
                "learning_rate": {
                    "module": "turtle",
                    "class_name": "Turtle",
                    "config": {},
                    "registered_name": "turtle>Turtle",
                }
            },
        },
        {"kind": "SGD", "config": {"learning_rate": 0.1, "turtle": 1}},
        {"kind": "SGD", "config": {"learning_rate": "turtle.Turtle"}},
    ],
    ids=repr,
)
def test_what_is_none_of_keras_is_refused_and_never_looked_for(trainer, evil):
    plain = through_json(trainer()) | {"optimizer": evil}
    with pytest.raises(OptionError):
        ImageClassificationTrainer.from_options(plain)
    assert "turtle" not in sys.modules


def test_a_schedule_that_is_none_of_keras_is_refused(trainer):
    evil = {"kind": "turtle.Turtle", "config": {}}
    plain = through_json(trainer()) | {"learning_rate_scheduler": evil}
    with pytest.raises(OptionError, match="no learning-rate schedule"):
        ImageClassificationTrainer.from_options(plain)
    assert "turtle" not in sys.modules


def test_numpys_numbers_come_through_json(trainer, skewed, tmp_path):
    made = trainer(
        batch_size=np.int64(9),
        seed=np.int32(3),
        l2=np.float32(0.5),
        class_weight={"unknown": np.float32(2)},
        **QUICK,
    )
    plain = through_json(made)
    assert (plain["batch_size"], plain["l2"]) == (9, 0.5)
    assert plain["class_weight"] == {"unknown": 2}
    assert made.fit(skewed).save(tmp_path / "model.zip").exists()
