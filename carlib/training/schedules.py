"""Learning rates that change while the head trains, as ML.NET's schedulers do."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from carlib import runtime
from carlib.errors import OptionError


@dataclass(frozen=True)
class TrainState:
    """Where training stands: an epoch (from 0), some of its batches (from 0), sizes.

    Only whole batches count as batches an epoch, so that a last, smaller one has the
    step of the next epoch's first. Fewer photos than a batch make one step an epoch,
    where ML.NET divides by zero and trains on with a rate that is not a number.
    """

    epoch: int
    batches: np.ndarray
    batches_per_epoch: int
    batch_size: int
    learning_rate: float

    @property
    def steps(self) -> np.ndarray:
        """The steps of the batches, counted from the first epoch's first."""
        return self.epoch * max(1, self.batches_per_epoch) + self.batches

    def decay_steps(self, num_epochs: float) -> int:
        """Return so many epochs in steps, rounded down, 1 or more.

        In float32 as in ML.NET: 2.3 epochs of 100 batches are 230 steps, not 229.
        """
        size = np.float32(self.batch_size)
        photos = size * np.float32(max(1, self.batches_per_epoch))
        return max(1, int(photos * np.float32(num_epochs) / size))


class LearningRateScheduler(ABC):
    """What all three schedules share: they are formulas of epoch and batch."""

    @abstractmethod
    def _rates(self, state: TrainState) -> np.ndarray:
        """Return the rate of each batch."""

    def rate(
        self,
        epoch: int,
        batch: int,
        batches_per_epoch: int,
        learning_rate: float = 0.01,
        batch_size: int = 10,
    ) -> float:
        """Return the learning rate of a batch; epochs and batches count from 0.

        Args:
            batches_per_epoch: Whole batches, training photos // batch size.
            learning_rate: The trainer's, used where the schedule has none of its own.
        """
        one = np.array([batch])
        state = TrainState(epoch, one, batches_per_epoch, batch_size, learning_rate)
        return float(self._rates(state)[0])

    def rates(
        self, epoch: int, n_photos: int, batch_size: int, learning_rate: float = 0.01
    ) -> np.ndarray:
        """Return the learning rates of an epoch, float64, one a batch.

        A last, smaller batch has its own. With fewer photos than a batch there is one
        step an epoch, and never a rate that is not a number.
        """
        batches = np.arange(-(-n_photos // batch_size))
        whole = n_photos // batch_size
        return self._rates(TrainState(epoch, batches, whole, batch_size, learning_rate))


@dataclass(frozen=True)
class ExponentialLRDecay(LearningRateScheduler):
    """Multiply the learning rate by `decay_rate` every so many epochs.

    rate = learning_rate · decay_rate ^ (step / decay_steps), where decay_steps =
    int(num_epochs_per_decay · batches an epoch) and the exponent is rounded down if
    `staircase`: ML.NET's ExponentialLRDecay.

    Args:
        learning_rate: The first rate; None: the trainer's.
        num_epochs_per_decay: Epochs from one decay to the next.
        decay_rate: What the rate is multiplied by.
        staircase: Fall in steps instead of continuously.

    Example:
        >>> ExponentialLRDecay(0.01).rate(epoch=32, batch=0, batches_per_epoch=114)
        0.003715...
    """

    learning_rate: float | None = None
    num_epochs_per_decay: float = 2.0
    decay_rate: float = 0.94
    staircase: bool = True

    def __post_init__(self):
        _check(
            self,
            learning_rate=_POSITIVE_OR_NONE,
            num_epochs_per_decay=_POSITIVE,
            decay_rate=_POSITIVE,
            staircase=_FLAG,
        )

    def _rates(self, state: TrainState) -> np.ndarray:
        exponent = state.steps / state.decay_steps(self.num_epochs_per_decay)
        exponent = np.floor(exponent) if self.staircase else exponent
        return (self.learning_rate or state.learning_rate) * self.decay_rate**exponent


@dataclass(frozen=True)
class PolynomialLRDecay(LearningRateScheduler):
    """Lower the learning rate to `end_learning_rate` within so many epochs.

    rate = (learning_rate - end) · (1 - step / decay_steps) ^ power + end, where
    decay_steps = int(num_epochs_per_decay · batches an epoch): ML.NET's
    PolynomialLRDecay. After that it stays at the end's, which with the defaults is
    from the third epoch on.

    Args:
        learning_rate: The first rate; None: the trainer's.
        num_epochs_per_decay: Epochs until the end's rate is reached.
        end_learning_rate: The rate that it ends with.
        power: 1: along a straight line.
        cycle: Rise and fall again instead of staying: with each further
            `num_epochs_per_decay` the decay is stretched to end there.

    Example:
        >>> PolynomialLRDecay(0.01, num_epochs_per_decay=40).rate(20, 0, 114)
        0.00505
    """

    learning_rate: float | None = None
    num_epochs_per_decay: float = 2.0
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self):
        _check(
            self,
            learning_rate=_POSITIVE_OR_NONE,
            num_epochs_per_decay=_POSITIVE,
            end_learning_rate=_NOT_NEGATIVE,
            power=_POSITIVE,
            cycle=_FLAG,
        )

    def _rates(self, state: TrainState) -> np.ndarray:
        steps, decay_steps = state.steps, state.decay_steps(self.num_epochs_per_decay)
        if self.cycle:
            decay_steps = decay_steps * np.maximum(1, -(-steps // decay_steps))
        rest = 1 - np.minimum(steps, decay_steps) / decay_steps
        first, end = self.learning_rate or state.learning_rate, self.end_learning_rate
        return (first - end) * rest**self.power + end


@dataclass(frozen=True)
class LsrDecay(LearningRateScheduler):
    """Scale the learning rate with the batch size, and lower it at given epochs.

    rate = base_learning_rate · batch size / 128 · the factor of the last start that is
    reached, 1 before the first: ML.NET's LsrDecay, the linear scaling rule. The
    trainer's own learning rate has no part in it, as there.

    Args:
        base_learning_rate: The first rate at a batch size of 128.
        lr_schedule: Start epochs and factors: pairs in any order, or a dict.

    Example:
        >>> LsrDecay(lr_schedule={0: 1, 30: 0.1}).rate(30, 0, 8, batch_size=128)
        0.01
    """

    base_learning_rate: float = 0.1
    lr_schedule: tuple[tuple[int, float], ...] = (
        (182, 0.0001),
        (136, 0.01),
        (91, 0.1),
        (0, 1.0),
    )

    def __post_init__(self):
        _check(self, base_learning_rate=_POSITIVE, lr_schedule=_TABLE)
        object.__setattr__(self, "lr_schedule", _table(self.lr_schedule))

    def _rates(self, state: TrainState) -> np.ndarray:
        reached = (f for start, f in self.lr_schedule if state.epoch >= start)
        rate = self.base_learning_rate * state.batch_size / 128 * next(reached, 1.0)
        return np.full(len(state.batches), rate)


_OWN = {kind.__name__: kind for kind in LearningRateScheduler.__subclasses__()}


def _is_number(value: Any) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and -np.inf < value < np.inf


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _table(given: Any) -> tuple[tuple[int, float], ...]:
    """Return start epochs and factors, the last start first; () if they aren't that."""
    try:
        pairs = tuple(sorted(dict(given).items(), reverse=True))
        distinct = len(pairs) == len(given)
    except (TypeError, ValueError):
        return ()
    whole = all(isinstance(start, Integral) and start >= 0 for start, _ in pairs)
    positive = all(_is_positive(factor) for _, factor in pairs)
    return pairs if distinct and whole and positive else ()


_POSITIVE = ("a positive number", _is_positive)
_POSITIVE_OR_NONE = (
    "a positive number or None",
    lambda value: value is None or _is_positive(value),
)
_NOT_NEGATIVE = ("0 or more", lambda value: _is_number(value) and value >= 0)
_FLAG = ("True or False", lambda value: isinstance(value, bool | np.bool_))
_TABLE = ("pairs of a start epoch, each once, and a positive factor", _table)


def _check(schedule: Any, **expected: tuple[str, Callable[[Any], bool]]) -> None:
    """Refuse fields that are not what's expected, all of them at once."""
    values = {name: getattr(schedule, name) for name in expected}
    problems = [
        f"{name} must be {what}. Received: {values[name]!r}"
        for name, (what, passes) in expected.items()
        if not passes(values[name])
    ]
    if problems:
        name = type(schedule).__name__
        raise OptionError(f"These options of {name} are out of their range.", problems)


def kind_of(schedule: Any) -> str:
    """Return the name that a schedule has in `to_plain`.

    One of somebody's own carries its module's name, so that it's never taken for one
    of Keras's, whatever it's called.
    """
    kind = type(schedule)
    known = _OWN.get(kind.__name__) or _keras_kinds().get(kind.__name__)
    return kind.__name__ if known is kind else f"{kind.__module__}.{kind.__name__}"


def to_plain(schedule: Any) -> dict | None:
    """Return a schedule, one of Keras's too, as plain values, ready for JSON.

    Of somebody's own there is only the name: what it's made from may be anything.
    """
    if schedule is None:
        return None
    kind = kind_of(schedule)
    if isinstance(schedule, LearningRateScheduler):
        fields = dataclasses.asdict(schedule)
        return {"kind": kind, **{name: _plain(fields[name]) for name in fields}}
    if "." in kind:
        return {"kind": kind}
    config = schedule.get_config()
    return {"kind": kind, "config": {name: _plain(config[name]) for name in config}}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return np.asarray(value).tolist()


def from_plain(plain: Mapping | None) -> Any:
    """Make the schedule again that `to_plain` described.

    It comes from a file: it names one of carlib's or of Keras's schedules and gives
    its numbers, and nothing else is looked up by it.

    Raises:
        OptionError: There is no such schedule, or it doesn't take these options.
    """
    if plain is None:
        return None
    options = dict(plain)
    name = str(options.pop("kind", None))
    kind = _OWN.get(name)
    if kind is None:
        kind, options = _keras_kind(name), options.get("config", {})
    try:
        return kind(**options)
    except TypeError as error:
        raise OptionError(f"{name} does not take these options: {error}") from error


def _keras_kind(name: str) -> type:
    known = _keras_kinds()
    if name not in known:
        raise OptionError(
            f"There is no learning-rate schedule {name!r}.",
            hint=f"There are {', '.join([*_OWN, *sorted(known)])}.",
        )
    return known[name]


def _keras_kinds() -> dict[str, type]:
    """Return the schedules that Keras comes with, by name."""
    schedules = runtime.keras().optimizers.schedules
    base = schedules.LearningRateSchedule
    return {
        name: kind
        for name, kind in vars(schedules).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }
