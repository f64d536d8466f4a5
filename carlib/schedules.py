"""Learning rates that fall while the head trains."""

from dataclasses import dataclass

from carlib.errors import OptionError


@dataclass(frozen=True)
class ExponentialLRDecay:
    """Multiply the learning rate by `decay_rate` every so many epochs.

    rate = learning_rate · decay_rate ^ (step / decay_steps), where decay_steps =
    int(num_epochs_per_decay · batches an epoch) and the exponent is rounded down if
    `staircase`: ML.NET's ExponentialLRDecay. Only whole batches count as "batches an
    epoch" there, so that a last, smaller one belongs to the next epoch's step; here
    as well, but with a training set smaller than one batch there is one step an epoch
    where that system divides by zero.

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
        values = (self.learning_rate or 1, self.num_epochs_per_decay, self.decay_rate)
        if not all(0 < value < float("inf") for value in values):
            raise OptionError(f"Expected positive numbers. Received: {self}")

    def rate(
        self,
        epoch: int,
        batch: int,
        batches_per_epoch: int,
        learning_rate: float = 0.01,
    ) -> float:
        """Return the learning rate of a batch; epochs and batches count from 0.

        Args:
            batches_per_epoch: Whole batches, training photos // batch size.
            learning_rate: The trainer's, used where this schedule has none of its own.
        """
        batches_per_epoch = max(1, batches_per_epoch)
        decay_steps = max(1, int(self.num_epochs_per_decay * batches_per_epoch))
        exponent = (epoch * batches_per_epoch + batch) / decay_steps
        if self.staircase:
            exponent = exponent // 1
        return (self.learning_rate or learning_rate) * self.decay_rate**exponent
