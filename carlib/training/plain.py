"""A trainer's options as plain values, ready for JSON, and made again from them."""

import dataclasses
import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from carlib.backbones.architectures import ARCHS
from carlib.backbones.backbone import Backbone
from carlib.backbones.precisions import PRECISIONS, or_float32
from carlib.errors import CarlibError, OptionError
from carlib.model.manifest import oddities
from carlib.training import optimizers, ranges, schedules
from carlib.training.early_stopping import EarlyStopping
from carlib.training.options import TrainingOptions

_HINT = (
    "Take what trainer.options() returned. For networks that aren't carlib's, or "
    "weights that lie elsewhere, pass arch=, a Backbone."
)
# A trainer's own options, whose values are plain.
_OTHERS = (
    "reuse_train_set_bottleneck_cached_values",
    "reuse_validation_set_bottleneck_cached_values",
    "test_on_train_set",
    "final_model_prefix",
    "on_error",
)


def to_plain(options: TrainingOptions, backbones: Sequence[Backbone]) -> dict[str, Any]:
    """Return a trainer's options as plain values."""
    names = [field.name for field in dataclasses.fields(TrainingOptions)]
    stopping = options.early_stopping
    return {
        "backbones": [backbone.options for backbone in backbones],
        **{name: getattr(options, name) for name in (*names, *_OTHERS)},
        "early_stopping": stopping and dataclasses.asdict(stopping),
        "learning_rate_scheduler": schedules.to_plain(options.learning_rate_scheduler),
        "optimizer": optimizers.plain(options.optimizer),
    }


def for_a_model(plain: dict[str, Any], backbones: Sequence[Backbone]) -> dict[str, Any]:
    """Return a trainer's plain options without what belongs to this machine only.

    Raises:
        OptionError: They can't be written down, as an optimizer of somebody's own may
            not: better now than when the model is saved.
    """
    del plain["workspace_path"]
    for made, backbone in zip(plain["backbones"], backbones, strict=True):
        made["weights"] = backbone.weights_name
        made.pop("calibration", None)
    try:
        json.dumps(plain)
    except (TypeError, ValueError) as error:
        raise OptionError(f"These options can't be saved: {error}.") from error
    return plain


def from_plain(plain: Any, known: set[str], arch: Any = None) -> dict[str, Any]:
    """Return what to make the trainer of whose `to_plain` these are.

    Args:
        known: The names that there are.
        arch: What to take for the backbones, instead of those described.

    Raises:
        OptionError: They aren't what `to_plain` returns.
        WeightsError: A backbone's weights aren't there.
    """
    made = _checked(plain)
    made.pop("l2_chosen", None)  # a model's options tell it
    described = made.pop("backbones", None)
    problems = [
        f"there is no option {reprlib.repr(name)}" for name in made if name not in known
    ]
    if described is None and arch is None:
        problems.append("there are no backbones")
    for name, make in _MAKERS.items():
        if made.get(name) is not None:
            made[name] = _made(name, make, made[name], problems)
    if arch is None and described is not None:
        problems += _backbone_problems(described)
    if problems:
        raise OptionError("These are not a trainer's options.", problems, _HINT)
    return made | {"arch": _remade(described) if arch is None else arch}


def _checked(plain: Any) -> dict[Any, Any]:
    """Return a dict of plain values of bounded depth; a copy."""
    problems = ["they are not a dict"] if not isinstance(plain, Mapping) else []
    problems += dict.fromkeys(oddities(plain, texts=False))
    if problems:
        raise OptionError("These are not a trainer's options.", problems, _HINT)
    return dict(plain)


def _backbone_problems(described: Any) -> Iterator[str]:
    """Yield what is wrong with backbones' options, before weights are looked for."""
    if not isinstance(described, list | tuple) or not described:
        yield f"backbones must be a list of them. Received: {reprlib.repr(described)}"
        return
    for number, each in enumerate(described, 1):
        where = f" of backbone {number}"
        fields = each if isinstance(each, Mapping) else {}
        for name in [name for name in fields if name not in _BACKBONE]:
            yield f"there is no option {reprlib.repr(name)}{where} in backbones"
        for name, (text, passes) in _BACKBONE.items():
            value = fields.get(name, ...)
            if value is ... and name != "calibration":
                yield f"{name}{where} in backbones is missing"
            elif value is not ... and not passes(value):
                got = f"{name}={reprlib.repr(value)}"
                yield f"{name}{where} in backbones must be {text}. Received: {got}"


def _is_local(value: Any) -> bool:
    """Tell whether a path leads to no other machine: Windows would log in there."""
    return isinstance(value, str) and not re.match(r"[\\/]{2}|\w+://", value)


_BACKBONE: dict[str, ranges.Expected] = {
    "arch": (
        f"one of {', '.join(ARCHS)}",
        lambda value: (
            isinstance(value, str) and value.casefold() in map(str.casefold, ARCHS)
        ),
    ),
    "weights": (
        'a path on this machine, "imagenet" or None',
        lambda value: value is None or _is_local(value),
    ),
    "weights_seed": ranges.SEED,
    "precision": ranges.one_of(*PRECISIONS[1:]),
    "calibration": ranges.or_none(
        ranges.list_of("paths on this machine, of photos", _is_local)
    ),
}


def _remade(described: Any) -> list[Backbone] | Backbone:
    try:
        return _backbones(described)
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


def _made(name: str, make: Any, plain: Any, problems: list[str]) -> Any:
    """Make an object of plain values that somebody may have written by hand.

    What is wrong with them is added to `problems`.
    """
    try:
        return make(plain)
    except CarlibError as error:
        lines = [f"{error.message} {error.hint}".strip(), *error.problems]
        problems += [f"{name}: {line[:500]}" for line in lines]
    except Exception as error:  # whatever Keras raises for values that it can't take
        lines = str(error).splitlines() or [type(error).__name__]
        got = reprlib.repr(plain)
        problems.append(f"{name} can't be made of {got}: {lines[0][:200]}")
    return None
