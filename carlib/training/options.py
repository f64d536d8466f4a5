"""The trainer's options: what they may be, and as plain values."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from carlib.backbones.backbone import Backbone
from carlib.backbones.precisions import or_float32
from carlib.training import logs, optimizers, schedules
from carlib.training.early_stopping import EarlyStopping


def out_of_range(trainer: Any) -> Iterator[str]:
    """Yield a line for each option of a trainer that is out of its range."""
    for names, (expected, passes) in _EXPECTED.items():
        for name in names.split():
            value = getattr(trainer, name)
            if not passes(value):
                yield f"{name} must be {expected}. Received: {value!r}"
    if trainer.logs and trainer.workspace_path is None:
        yield "logs go into the workspace, and workspace_path is None."
    if (
        trainer.learning_rate_scheduler is not None
        and optimizers.is_optimizer(trainer.optimizer)
        and optimizers.has_schedule(trainer.optimizer)
    ):
        yield (
            "optimizer has a schedule of its own: learning_rate_scheduler must be None."
        )


def as_python(value: Any) -> Any:
    """Return NumPy's numbers, in a dict too, as Python's, which JSON and Keras take."""
    if isinstance(value, Mapping):
        return {name: as_python(value[name]) for name in value}
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and value >= 1


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_schedule(value: Any) -> bool:
    if isinstance(value, schedules.LearningRateScheduler | None):
        return True
    keras = sys.modules.get("keras")  # whoever has made a schedule has imported it
    kind = keras and keras.optimizers.schedules.LearningRateSchedule
    return kind is not None and isinstance(value, kind)


def _is_class_weight(value: Any) -> bool:
    if isinstance(value, Mapping):
        values = value.values()
        return all(_is_number(x) and 0 <= x < float("inf") for x in values)
    return value is None or isinstance(value, str) and value == "balanced"


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "batch_size epoch": ("a whole number of 1 or more", _is_count),
    "learning_rate": (
        "a positive number",
        lambda value: _is_number(value) and 0 < value < float("inf"),
    ),
    "validation_set_fraction": (
        'between 0 and 1, None, or "auto"',
        lambda value: (
            value is None
            or (isinstance(value, str) and value == "auto")
            or (_is_number(value) and 0 < value < 1)
        ),
    ),
    "learning_rate_scheduler": (
        "None, one of carlib's schedules or one of Keras's",
        _is_schedule,
    ),
    "early_stopping": (
        "an EarlyStopping or None",
        lambda value: isinstance(value, EarlyStopping | None),
    ),
    "on_error": ('"raise" or "skip"', lambda value: value in ("raise", "skip")),
    "augment": ('"flip" or None', lambda value: value in ("flip", None)),
    "l2": (
        '0 or more, or "auto"',
        lambda value: (
            (isinstance(value, str) and value == "auto")
            or (_is_number(value) and 0 <= value < float("inf"))
        ),
    ),
    "label_smoothing": (
        "from 0 up to, but not, 1",
        lambda value: _is_number(value) and 0 <= value < 1,
    ),
    "class_weight": (
        '"balanced", None, or a dict from class name to a factor of 0 or more',
        _is_class_weight,
    ),
    "optimizer": ("the name of a Keras optimizer, or one", optimizers.is_optimizer),
    "logs": (
        f"a list of some of {', '.join(logs.KINDS)}",
        lambda value: _is_list(value) and all(kind in logs.KINDS for kind in value),
    ),
    "callbacks": (
        "a list of Keras callbacks",
        lambda value: (
            _is_list(value) and all(hasattr(each, "on_epoch_end") for each in value)
        ),
    ),
    "standardize": (
        "True, False or None",
        lambda value: isinstance(value, bool | None),
    ),
    "shuffle": ("True or False", lambda value: isinstance(value, bool)),
    "seed": (
        "a whole number of 0 or more",
        lambda value: isinstance(value, Integral) and value >= 0,
    ),
}
_NOT_PLAIN = ("arch", "metrics_callback", "callbacks")


def to_plain(trainer: Any) -> dict:
    """Return a trainer's options but its callbacks as plain values, ready for JSON."""
    plain = {
        field.name: getattr(trainer, field.name)
        for field in dataclasses.fields(trainer)
        if field.name not in _NOT_PLAIN
    }
    stopping = trainer.early_stopping
    plain["early_stopping"] = stopping and dataclasses.asdict(stopping)
    schedule = trainer.learning_rate_scheduler
    plain["learning_rate_scheduler"] = schedules.to_plain(schedule)
    plain["optimizer"] = optimizers.plain(trainer.optimizer)
    plain["workspace_path"] = trainer.workspace_path and str(trainer.workspace_path)
    plain["logs"] = list(trainer.logs)
    return {"backbones": [_of_backbone(each) for each in trainer.backbones]} | plain


def _of_backbone(backbone: Backbone) -> dict:
    return {"arch": backbone.arch} | backbone.weights_options


def from_plain(options: Mapping) -> dict:
    """Return what to make the trainer of whose `to_plain` these are."""
    rest = dict(options)
    rest.pop("l2_chosen", None)  # a model's options tell it
    backbones = [
        Backbone(b["arch"], b["weights"], b["weights_seed"], or_float32(b["precision"]))
        for b in rest.pop("backbones")
    ]
    stopping = rest["early_stopping"]
    rest["early_stopping"] = stopping and EarlyStopping(**stopping)
    schedule = rest["learning_rate_scheduler"]
    rest["learning_rate_scheduler"] = schedules.from_plain(schedule)
    rest["optimizer"] = optimizers.from_plain(rest["optimizer"])
    return {"arch": backbones if len(backbones) > 1 else backbones[0]} | rest
