"""The options of a training, and what they may be."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from carlib.display import card, chosen, short
from carlib.errors import OptionError
from carlib.model.calibration import METHODS
from carlib.training import optimizers, ranges, schedules
from carlib.training.early_stopping import EarlyStopping
from carlib.training.ranges import Expected
from carlib.training.schedules import ExponentialLRDecay

# Cross-validated best, of what was tried, on the workshop's photos (see the README): a
# penalty so strong that the head is never sure, and then a temperature.
RECOMMENDED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "augment": "flip",
        "l2": 1.0,
        "within_class": 0.25,
        "class_weight": "balanced",
        "optimizer": "lbfgs",
        "early_stopping": None,
        "epoch": 500,
        "calibrate": "temperature",
        "refuse": 0.05,
    }
)


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingOptions:
    """Say how a head is trained; the trainer's own options have these among them.

    Names, defaults and meaning are those of ML.NET's ImageClassificationTrainer, except
    where that has a defect (see `ImageClassificationTrainer`).

    Args:
        batch_size: Photos a training step; a last, smaller batch is trained on too.
        epoch: The most passes over the training photos.
        learning_rate: The first, or with no schedule the only, learning rate.
        learning_rate_scheduler: How it changes: one of carlib's schedules or of Keras's
            (which counts the optimizer's steps); None: it doesn't.
        early_stopping: When to stop; None: after the last epoch.
        validation_set_fraction: Share of the training photos that is watched, and not
            trained on, where `fit` is given no validation set; None: no photos. "auto":
            0.1, or None where early stopping is off. (Early stopping without watched
            photos goes by the training photos.)
        augment: "flip": train on mirror images too, and average the logits of both in
            predictions.
        standardize: Bring each feature to mean 0 and variance 1 over the training
            photos; None: where backbones are joined or there is an l2.
        l2: Penalty on the kernel, as `keras.regularizers.L2` has it; "auto": chosen by
            cross-validation on the training photos (see `choose_l2`).
        within_class: The share of the penalty that is not on the kernel, but on how far
            the logits of photos of one class lie from each other, as in Fisher's
            discriminant: from 0 to below 1. Only with optimizer="lbfgs".
        label_smoothing: As of `keras.losses.CategoricalCrossentropy`.
        class_weight: What the losses of a class are multiplied by: a dict by name (1
            where it has no entry), or "balanced": n / (n_classes · n_of_class), as in
            scikit-learn.
        optimizer: The name of one of Keras's, or an optimizer; each fit uses a fresh
            copy. An optimizer brings its own learning rate, which stays as it is unless
            there is a schedule: pass `learning_rate_scheduler=None` to keep it. Or
            "lbfgs": find the optimum of the penalised loss directly (see `optimum`).
            Then `epoch` is the most iterations, all photos are one batch, and the
            learning rate, its schedule, batch_size and shuffle mean nothing.
        calibrate: Make the probabilities true, by what heads say of training photos
            that they never saw: "temperature", "bias-corrected" or "adjusted" (see
            `calibrate`); None: leave them.
        refuse: The share of wrong answers that is wanted among those that a model
            doesn't refuse (see `Confidence`); None: it refuses none.
        shuffle: Draw a new order of the photos for each epoch.
        seed: The same seed and photos give the same model.

    Raises:
        OptionError: With all options that are out of their range.

    Example:
        >>> options = carlib.TrainingOptions(**{**carlib.RECOMMENDED, "epoch": 50})
        >>> carlib.compare(
        ...     photos, ["EfficientNetLite0", "EfficientNetLite0-layers"], options,
        ...     folds=2, seeds=[1])
    """

    batch_size: int = 10
    epoch: int = 200
    learning_rate: float = 0.01
    learning_rate_scheduler: Any = ExponentialLRDecay()
    early_stopping: EarlyStopping | None = EarlyStopping()
    validation_set_fraction: float | Literal["auto"] | None = "auto"
    augment: Literal["flip"] | None = None
    standardize: bool | None = None
    l2: float | Literal["auto"] = 0.0
    within_class: float = 0.0
    label_smoothing: float = 0.0
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None
    optimizer: Any = "sgd"
    calibrate: Literal["temperature", "bias-corrected", "adjusted"] | None = None
    refuse: float | None = None
    shuffle: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _as_python(getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        problems = list(self._problems())
        if problems:
            raise OptionError("These options are out of their range.", problems)

    def _problems(self) -> Iterator[str]:
        """Yield a line for each option that is out of its range."""
        yield from ranges.problems(self, _EXPECTED)
        if self.learning_rate_scheduler and optimizers.has_schedule(self.optimizer):
            yield "optimizer has a schedule: learning_rate_scheduler must be None."
        if self.within_class and not optimizers.is_direct(self.optimizer):
            yield 'within_class needs optimizer="lbfgs".'
        if self.within_class and self.l2 in (0, "auto"):
            yield "within_class needs an l2 above 0, as a number: 1.0 does well."

    _shown_first = ()  # whether they are the defaults or not; no option

    def __repr__(self) -> str:
        return short(self, self._shown_first)

    def _repr_html_(self) -> str:
        found = chosen(self, self._shown_first) or {"options": "the defaults"}
        return card(type(self).__name__, found)

    @property
    def held_out_share(self) -> float | None:
        """The share of the training photos to watch; None: no photos."""
        if self.validation_set_fraction != "auto":
            return self.validation_set_fraction
        return 0.1 if self.early_stopping else None

    def batches(self, n_rows: int) -> int:
        """Return how many batches so many rows make."""
        whole = optimizers.is_direct(self.optimizer)
        return 1 if whole else -(-n_rows // self.batch_size)


def _as_python(value: Any) -> Any:
    """Return NumPy's numbers, in a dict too, as Python's, which JSON and Keras take."""
    if isinstance(value, Mapping):
        return {name: _as_python(value[name]) for name in value}
    return value.item() if isinstance(value, np.generic) else value


def _is_share(value: Any) -> bool:
    return ranges.is_number(value) and 0 < value < 1


def _is_class_weight(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(ranges.NOT_NEGATIVE[1](factor) for factor in value.values())
    return ranges.is_one_of(value, "balanced", None)


_EXPECTED: dict[str, Expected] = {
    "batch_size": ranges.COUNT,
    "epoch": ranges.COUNT,
    "learning_rate": ranges.POSITIVE,
    "learning_rate_scheduler": (
        "None, one of carlib's schedules or one of Keras's",
        schedules.is_schedule,
    ),
    "early_stopping": (
        "an EarlyStopping or None",
        lambda value: isinstance(value, EarlyStopping | None),
    ),
    "validation_set_fraction": (
        'between 0 and 1, None, or "auto"',
        lambda value: ranges.is_one_of(value, "auto", None) or _is_share(value),
    ),
    "augment": ranges.or_none(ranges.one_of("flip")),
    "standardize": (
        "True, False or None",
        lambda value: isinstance(value, bool | None),
    ),
    "l2": (
        '0 or more, or "auto"',
        lambda value: ranges.is_one_of(value, "auto") or ranges.NOT_NEGATIVE[1](value),
    ),
    "within_class": ranges.BELOW_1,
    "label_smoothing": ranges.BELOW_1,
    "class_weight": (
        '"balanced", None, or a dict from class name to a factor of 0 or more',
        _is_class_weight,
    ),
    "optimizer": (
        'the name of a Keras optimizer, or one, or "lbfgs"',
        optimizers.is_optimizer,
    ),
    "calibrate": ranges.or_none(ranges.one_of(*METHODS)),
    "refuse": ("between 0 and 1, or None", lambda v: v is None or _is_share(v)),
    "shuffle": ranges.FLAG,
    "seed": ranges.SEED,
}
