"""What an epoch came to, and when to stop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carlib.errors import OptionError
from carlib.training.progress import Epoch


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
