"""Learning rates that change while the head trains, as ML.NET's schedulers do.

A schedule of carlib's is its numbers: it can be compared, printed and saved, and needs
no Keras. For a training `as_keras` makes the Keras schedule of it, which knows how many
batches an epoch has; from there on carlib's and Keras's go the same way.
"""

import dataclasses
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from carlib import runtime
from carlib.errors import OptionError
from carlib.training import ranges


@dataclass(frozen=True)
class _Moment:
    """Where training stands: in which epoch and at which of its batches, from 0.

    Only whole batches count as batches an epoch, so that a last, smaller one has the
    step of the next epoch's first. Fewer photos than a batch make one step an epoch,
    where ML.NET divides by zero and trains on with a rate that is not a number.

    `ops` are the functions for what epoch and batch are: NumPy's, or `keras.ops`.
    """

    epoch: Any
    batch: Any
    batches_per_epoch: int
    batch_size: int
    learning_rate: float
    ops: Any = np

    @property
    def step(self) -> Any:
        """The steps taken since the first epoch's first."""
        return self.epoch * max(1, self.batches_per_epoch) + self.batch

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
    def _rate(self, moment: _Moment) -> Any:
        """Return the rate of a batch."""

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
        moment = _Moment(epoch, batch, batches_per_epoch, batch_size, learning_rate)
        return float(self._rate(moment))


def as_keras(schedule: Any, n_rows: int, batch_size: int, learning_rate: float) -> Any:
    """Return what a Keras optimizer takes for a learning rate.

    Args:
        schedule: One of carlib's; or Keras's, which is returned as it is; or None: the
            rate doesn't change.
        n_rows: Rows an epoch; a last, smaller batch has a step of its own.
        learning_rate: The first rate, where the schedule has none of its own.
    """
    if schedule is None:
        return learning_rate
    if not isinstance(schedule, LearningRateScheduler):
        return schedule
    keras, whole = runtime.keras(), n_rows // batch_size
    n_batches = -(-n_rows // batch_size)

    class ByEpochs(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            ops, step = keras.ops, keras.ops.cast(step, "int64")
            # As float64, so that the rate is NumPy's to the last bit of a float32.
            epoch = ops.cast(step // n_batches, "float64")
            batch = ops.cast(step % n_batches, "float64")
            moment = _Moment(epoch, batch, whole, batch_size, learning_rate, ops)
            return ops.cast(schedule._rate(moment), "float32")

        def get_config(self) -> dict:
            return {"schedule": to_plain(schedule), "n_rows": n_rows}

    return ByEpochs()


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

    def __post_init__(self) -> None:
        ranges.check(
            self,
            learning_rate=ranges.or_none(ranges.POSITIVE),
            num_epochs_per_decay=ranges.POSITIVE,
            decay_rate=ranges.POSITIVE,
            staircase=ranges.FLAG,
        )

    def _rate(self, moment: _Moment) -> Any:
        exponent = moment.step / moment.decay_steps(self.num_epochs_per_decay)
        exponent = moment.ops.floor(exponent) if self.staircase else exponent
        return (self.learning_rate or moment.learning_rate) * self.decay_rate**exponent


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
        0.00505...
    """

    learning_rate: float | None = None
    num_epochs_per_decay: float = 2.0
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        ranges.check(
            self,
            learning_rate=ranges.or_none(ranges.POSITIVE),
            num_epochs_per_decay=ranges.POSITIVE,
            end_learning_rate=ranges.NOT_NEGATIVE,
            power=ranges.POSITIVE,
            cycle=ranges.FLAG,
        )

    def _rate(self, moment: _Moment) -> Any:
        ops, step = moment.ops, moment.step
        decay_steps = moment.decay_steps(self.num_epochs_per_decay)
        if self.cycle:
            decay_steps = decay_steps * ops.maximum(1, ops.ceil(step / decay_steps))
        rest = 1 - ops.minimum(step, decay_steps) / decay_steps
        first = self.learning_rate or moment.learning_rate
        end = self.end_learning_rate
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
        0.01...
    """

    base_learning_rate: float = 0.1
    lr_schedule: tuple[tuple[int, float], ...] = (
        (182, 0.0001),
        (136, 0.01),
        (91, 0.1),
        (0, 1.0),
    )

    def __post_init__(self) -> None:
        ranges.check(self, base_learning_rate=ranges.POSITIVE, lr_schedule=_TABLE)
        object.__setattr__(self, "lr_schedule", _table(self.lr_schedule))

    def _rate(self, moment: _Moment) -> Any:
        factor = 0.0 * moment.epoch + 1.0  # what the epoch is: a number, or a tensor
        for start, value in reversed(self.lr_schedule):
            factor = moment.ops.where(moment.epoch >= start, value, factor)
        return self.base_learning_rate * moment.batch_size / 128 * factor


_OWN = {kind.__name__: kind for kind in LearningRateScheduler.__subclasses__()}


def is_schedule(value: Any) -> bool:
    """Tell whether it is one of carlib's schedules, or one of Keras's, or None."""
    if isinstance(value, (*_OWN.values(), type(None))):
        return True
    keras = sys.modules.get("keras")  # whoever has made a schedule has imported it
    kind = keras and keras.optimizers.schedules.LearningRateSchedule
    return kind is not None and isinstance(value, kind)


def _table(given: Any) -> tuple[tuple[int, float], ...]:
    """Return start epochs and factors, the last start first; () if they aren't that."""
    try:
        pairs = tuple(sorted(dict(given).items(), reverse=True))
        distinct = len(pairs) == len(given)
    except (TypeError, ValueError):
        return ()
    whole = all(isinstance(start, Integral) and start >= 0 for start, _ in pairs)
    positive = all(ranges.is_number(f) and f > 0 for _, f in pairs)
    return pairs if distinct and whole and positive else ()


_TABLE = ("pairs of a start epoch, each once, and a positive factor", _table)


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
