"""A trainer's options as plain values, ready for JSON, and made again from them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from carlib.backbones.backbone import Backbone
from carlib.backbones.precisions import or_float32
from carlib.errors import CarlibError, OptionError
from carlib.training import optimizers, schedules
from carlib.training.early_stopping import EarlyStopping
from carlib.training.options import TrainingOptions


def to_plain(
    options: TrainingOptions, backbones: Sequence[Backbone], others: Sequence[str]
) -> dict[str, Any]:
    """Return options as plain values.

    Args:
        others: Names of further attributes, whose values are plain.
    """
    names = [field.name for field in dataclasses.fields(TrainingOptions)]
    stopping = options.early_stopping
    return {
        "backbones": [backbone.options for backbone in backbones],
        **{name: getattr(options, name) for name in (*names, *others)},
        "early_stopping": stopping and dataclasses.asdict(stopping),
        "learning_rate_scheduler": schedules.to_plain(options.learning_rate_scheduler),
        "optimizer": optimizers.plain(options.optimizer),
    }


def from_plain(plain: Any, known: set[str], arch: Any = None) -> dict[str, Any]:
    """Return what to make the trainer of whose `to_plain` these are.

    Args:
        known: The names that there are.
        arch: What to take for the backbones, instead of those described.

    Raises:
        OptionError: They aren't what `to_plain` returns.
        WeightsError: A backbone's weights aren't there.
    """
    made = dict(plain) if isinstance(plain, Mapping) else {}
    made.pop("l2_chosen", None)  # a model's options tell it
    described = made.pop("backbones", None)
    problems = [f"there is no option {name}" for name in made if name not in known]
    if described is None and arch is None:
        problems.append("there are no backbones")
    if problems:
        hint = "Take what trainer.options() returned."
        raise OptionError("These are not a trainer's options.", problems, hint)
    for name, make in _MAKERS.items():
        if made.get(name) is not None:
            made[name] = _made(name, make, made[name])
    return made | {"arch": _remade(described) if arch is None else arch}


def _remade(described: Any) -> list[Backbone] | Backbone:
    try:
        return _made("backbones", _backbones, described)
    except CarlibError as error:
        hint = f"{error.hint} Or pass arch=, a Backbone.".strip()
        raise type(error)(error.message, error.problems, hint) from error


def _backbones(described: Sequence[Mapping[str, Any]]) -> list[Backbone] | Backbone:
    backbones = [_backbone(**each) for each in described]
    return backbones if len(backbones) > 1 else backbones[0]


def _backbone(
    arch: str, weights: Any, weights_seed: int, precision: str, calibration: Any = None
) -> Backbone:
    precision = or_float32(precision)
    if precision == "int8" and calibration is None:
        raise OptionError(
            f"{arch} was calibrated on photos that are not files of their own."
        )
    photos = calibration if precision == "int8" else None
    return Backbone(arch, weights, weights_seed, precision, photos)


_MAKERS = {
    "early_stopping": lambda fields: EarlyStopping(**fields),
    "learning_rate_scheduler": schedules.from_plain,
    "optimizer": optimizers.from_plain,
}


def _made(name: str, make: Any, plain: Any) -> Any:
    """Make an object of plain values that somebody may have written by hand."""
    try:
        return make(plain)
    except OptionError as error:
        message = f"{name}: {error.message}"
        raise OptionError(message, error.problems, error.hint) from error
    except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise OptionError(f"{name} can't be made of {plain!r}: {error}") from error
