"""What an epoch came to, and when to stop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carlib.errors import OptionError


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the metric has not improved for a while, and keep the best epoch.

    Unlike ML.NET's, it holds no state: each fit starts afresh. And unlike there, the
    model gets the weights of the best epoch, not of the last.

    Args:
        metric: "accuracy" (higher is better) or "loss" (lower is better), of the
            validation photos; of the training photos where there are none. (So ML.NET's
            CheckIncreasing follows from it, as it does there.)
        min_delta: A smaller change is no improvement.
        patience: Stop after so many epochs without one.
    """

    metric: str = "accuracy"
    min_delta: float = 0.01
    patience: int = 20

    def __post_init__(self):
        if self.metric not in ("accuracy", "loss"):
            raise OptionError(
                f'Expected metric="accuracy" or "loss". Received: {self.metric!r}'
            )
        if not (self.min_delta >= 0 and self.patience >= 1):
            raise OptionError(
                "Expected min_delta of 0 or more and patience of 1 or more. "
                f"Received: {self}"
            )


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


def is_over(history: Sequence[Epoch], early_stopping: EarlyStopping) -> bool:
    """Tell whether the metric has stood still for `patience` epochs."""
    best, waited = -np.inf, 0
    for epoch in history:
        value = epoch.value(early_stopping.metric)
        if value - best >= early_stopping.min_delta:
            best, waited = value, 0
        else:
            waited += 1
    return waited >= early_stopping.patience
