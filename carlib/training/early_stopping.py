"""When to stop, and which epoch was the best."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from carlib.training import ranges


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

    def __post_init__(self) -> None:
        ranges.check(
            self,
            metric=ranges.one_of("accuracy", "loss"),
            min_delta=ranges.NOT_NEGATIVE,
            patience=ranges.COUNT,
        )


class BestEpoch:
    """Watch a training: keep the weights of its best epoch, and say when to stop.

    Of epochs that are equally accurate, the one that is surer is better.

    Attributes:
        epoch: The best so far.
        weights: The head's, as they were then.
    """

    def __init__(self, stopping: EarlyStopping):
        self._stopping = stopping
        self._rank: tuple[float, float] | None = None
        self._reference, self._waited = -math.inf, 0
        self.epoch, self.weights = 0, []

    def note(self, epoch: int, logs: Mapping[str, float], weights: list) -> bool:
        """Take up an epoch's figures, under the names that Keras gives them.

        Returns:
            Whether the metric has stood still for `patience` epochs.
        """
        of = "val_" if "val_loss" in logs else ""
        accuracy, surety = logs[f"{of}accuracy"], -logs[f"{of}loss"]
        value = accuracy if self._stopping.metric == "accuracy" else surety
        if self._rank is None or (value, surety) > self._rank:
            self._rank, self.epoch, self.weights = (value, surety), epoch, weights
        if value - self._reference >= self._stopping.min_delta:
            self._reference, self._waited = value, 0
        else:
            self._waited += 1
        return self._waited >= self._stopping.patience
