"""Keras's optimizers: made afresh for each fit, and written down as plain values."""

import sys
from typing import Any

from carlib import runtime
from carlib.errors import OptionError
from carlib.training import schedules

NAMES = (
    *("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax"),
    *("Adafactor", "Nadam", "Ftrl", "Lion", "Lamb", "Muon"),
)
DIRECT = "lbfgs"  # no optimizer of Keras's: the optimum is found directly
_BY_NAME = {name.lower(): name for name in NAMES}


def fresh(optimizer: Any, learning_rate: Any) -> Any:
    """Return an optimizer that has taken no step.

    Args:
        optimizer: The name of one of Keras's, which gets `learning_rate`, or an
            optimizer, of which this is a copy: that keeps its own rate, unless
            `learning_rate` is a Keras schedule.

    Raises:
        OptionError: Keras has no such optimizer.
    """
    keras = runtime.keras()
    schedule = keras.optimizers.schedules.LearningRateSchedule
    if isinstance(optimizer, str):
        return _class_of(optimizer)(learning_rate=learning_rate)
    copy = type(optimizer).from_config(optimizer.get_config())
    if isinstance(learning_rate, schedule):
        copy.learning_rate = learning_rate
    return copy


def rate_of(optimizer: Any) -> float:
    """Return the learning rate that an optimizer has now."""
    return float(runtime.tensorflow().convert_to_tensor(optimizer.learning_rate))


def is_direct(optimizer: Any) -> bool:
    """Tell whether the head's optimum is to be found directly, and not by epochs."""
    return isinstance(optimizer, str) and optimizer.lower() == DIRECT


def is_optimizer(value: Any) -> bool:
    """Tell whether it's an optimizer of Keras's, or the name of one, or "lbfgs".

    LossScaleOptimizer is none: it is for losses in float16, and has no rate of its own.
    """
    if isinstance(value, str):
        return value.lower() in _BY_NAME or is_direct(value)
    keras = sys.modules.get("keras")  # whoever has made an optimizer has imported it
    return (
        keras is not None
        and isinstance(value, keras.optimizers.Optimizer)
        and not isinstance(value, keras.optimizers.LossScaleOptimizer)
    )


def has_schedule(optimizer: Any) -> bool:
    """Tell whether an optimizer's learning rate is a Keras schedule of its own."""
    if isinstance(optimizer, str) or not is_optimizer(optimizer):
        return False
    return isinstance(optimizer.get_config()["learning_rate"], dict)


def plain(optimizer: Any) -> Any:
    """Return an optimizer as plain values, ready for JSON."""
    if isinstance(optimizer, str):
        return optimizer
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        config["learning_rate"] = {"kind": rate["class_name"], "config": rate["config"]}
    return {"kind": type(optimizer).__name__, "config": config}


def from_plain(value: Any) -> Any:
    """Make the optimizer again that `plain` returned as these values.

    Raises:
        OptionError: Keras has no such optimizer, or it doesn't take these options.
    """
    if isinstance(value, str):
        return value
    kind, config = _class_of(str(value.get("kind"))), dict(value.get("config", {}))
    if isinstance(config.get("learning_rate"), dict):
        config["learning_rate"] = schedules.from_plain(config["learning_rate"])
    try:
        return kind.from_config(config)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{kind.__name__} does not take these options: {error}"
        ) from error


def _class_of(name: str) -> Any:
    if name.lower() not in _BY_NAME:
        raise OptionError(
            f"Keras has no optimizer {name!r}. It has: {', '.join(NAMES)}"
        )
    return getattr(runtime.keras().optimizers, _BY_NAME[name.lower()])
