"""What the metrics callback is told; printed, each is a line of the workshop's output.

```
Phase: Bottleneck Computation, Dataset used:      Train, Image Index:   1
Phase: Training, Dataset used:      Train, Batch Processed Count: 115, Epoch:  31, …
```
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BottleneckMetrics:
    """A photo's features were computed.

    Attributes:
        dataset: "Train" or "Validation".
        index: The how-manieth photo of this dataset that had to be computed, from 1.
    """

    dataset: str
    index: int

    def __str__(self) -> str:
        return (
            f"Phase: Bottleneck Computation, Dataset used: {self.dataset:>10}, "
            f"Image Index: {self.index:>3}"
        )


@dataclass(frozen=True)
class EpochMetrics:
    """An epoch was trained, or its head tried on the validation photos.

    Attributes:
        dataset: "Train" or "Validation".
        batch_processed_count: How many batches the dataset makes.
        epoch: From 0.
        accuracy: Share of the photos that were named right.
        cross_entropy: Mean of -ln(probability of the true class).
        learning_rate: That of the last batch; None where nothing was trained.
    """

    dataset: str
    batch_processed_count: int
    epoch: int
    accuracy: float
    cross_entropy: float
    learning_rate: float | None = None

    def __str__(self) -> str:
        line = (
            f"Phase: Training, Dataset used: {self.dataset:>10}, "
            f"Batch Processed Count: {self.batch_processed_count:>3}, "
            f"Epoch: {self.epoch:>3}, Accuracy: {general(self.accuracy):>10}, "
            f"Cross-Entropy: {general(self.cross_entropy):>10}"
        )
        if self.learning_rate is None:
            return line
        return f"{line}, Learning Rate: {general(self.learning_rate):>10}"


def general(value: float) -> str:
    """Write a float32 as .NET does: with the fewest digits that tell it apart.

    Below 0.0001 and from 10⁹ on with an exponent of two digits or more: 9.5E-05.
    """
    number = np.float32(value)
    if not np.isfinite(number):
        return {"inf": "∞", "-inf": "-∞"}.get(str(number), "NaN")
    if number == 0 or 1e-4 <= abs(number) < 1e9:
        return np.format_float_positional(number, trim="-")
    return np.format_float_scientific(number, trim="-", exp_digits=2).upper()


@dataclass(frozen=True)
class Scores:
    """How well the head did: accuracy and mean cross-entropy.

    The cross-entropy is the plain one: no class weight, smoothing or penalty in it.
    """

    accuracy: float
    cross_entropy: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. `validation` is None where there is no such set."""

    number: int
    train: Scores
    validation: Scores | None
    learning_rate: float

    def value(self, metric: str) -> float:
        """Return what early stopping looks at; higher is better."""
        scores = self.validation or self.train
        return scores.accuracy if metric == "accuracy" else -scores.cross_entropy

    def rank(self, metric: str) -> tuple[float, float]:
        """Order epochs from worst to best; of equal accuracy, the surer is better."""
        scores = self.validation or self.train
        return self.value(metric), -scores.cross_entropy

    def logs(self) -> dict[str, float]:
        """Return the figures under the names that Keras gives them."""
        logs = {"accuracy": self.train.accuracy, "loss": self.train.cross_entropy}
        if self.validation:
            logs["val_accuracy"] = self.validation.accuracy
            logs["val_loss"] = self.validation.cross_entropy
        return logs | {"learning_rate": self.learning_rate}
