"""The trainer's further options: what they may be, what they do, their way by JSON."""

import pytest
from keras import optimizers as keras_optimizers
from keras.callbacks import LambdaCallback
from keras.optimizers import schedules as keras_schedules

from carlib.errors import OptionError
from carlib.training.early_stopping import EarlyStopping
from carlib.training.schedules import ExponentialLRDecay
from carlib.training.trainer import ImageClassificationTrainer


def test_every_bad_value_is_named_at_once():
    bad = {
        "learning_rate_scheduler": "cosine",
        "augment": "rotate",
        "l2": -0.1,
        "label_smoothing": 1,
        "class_weight": {"door_dent": -1},
        "optimizer": "sgdd",
        "calibrate": "platt",
        "refuse": 1,
        "logs": ("csv", "wandb"),
    }
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer(arch="EfficientNetLite0", **bad)
    assert [problem.split()[0] for problem in caught.value.problems] == list(bad)
    for name, value in bad.items():
        assert any(
            line.startswith(name) and repr(value) in line
            for line in caught.value.problems
        )


@pytest.mark.parametrize(
    "bad",
    [
        {"logs": "csv"},
        {"logs": None},
        {"l2": "best"},
        {"l2": float("nan")},
        {"l2": None},
        {"label_smoothing": True},
        {"class_weight": "even"},
        {"class_weight": {"door_dent": float("inf")}},
        {"class_weight": [1, 2]},
        {"optimizer": None},
        {"calibrate": True},
        {"refuse": 0},
        {"refuse": "some"},
        {"optimizer": keras_optimizers.Adam},
        {"optimizer": keras_optimizers.LossScaleOptimizer(keras_optimizers.SGD())},
        {"validation_set_fraction": "some"},
        {"validation_set_fraction": 0},
        {"learning_rate_scheduler": keras_schedules.CosineDecay},
        {"callbacks": LambdaCallback()},
        {"callbacks": [EarlyStopping()]},  # carlib's, which is no callback
        {"standardize": "yes"},
        {"seed": -1},
    ],
    ids=repr,
)
def test_a_bad_value_is_an_option_error(bad):
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer(arch="EfficientNetLite0", **bad)
    assert caught.value.problems[0].startswith(next(iter(bad)))


def test_logs_need_a_workspace():
    with pytest.raises(OptionError, match="workspace_path is None"):
        ImageClassificationTrainer(workspace_path=None, logs=("csv",))


def test_two_schedules_of_the_learning_rate_are_one_too_many():
    own = keras_optimizers.SGD(keras_schedules.CosineDecay(0.1, 10))
    for schedule in (ExponentialLRDecay(), keras_schedules.CosineDecay(0.1, 10)):
        with pytest.raises(OptionError, match="optimizer has a schedule"):
            ImageClassificationTrainer(optimizer=own, learning_rate_scheduler=schedule)
    ImageClassificationTrainer(optimizer=own, learning_rate_scheduler=None)
