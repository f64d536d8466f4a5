"""What the metrics callback is told; printed, each is a line of the workshop's output.

```
Phase: Bottleneck Computation, Dataset used:      Train, Image Index:   1
Phase: Training, Dataset used:      Train, Batch Processed Count: 115, Epoch:  31, …
```
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


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
        learning_rate: That of its first batch; None where nothing was trained. (ML.NET
            tells the last one's, which at times is the next epoch's.)
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


class Reporter:
    """Make `EpochMetrics` of what Keras's callbacks are told; pass them on, keep them.

    Args:
        tell: Is called with each.
        n_batches: How many batches each dataset makes that is to be told of.
    """

    def __init__(
        self, tell: Callable[[EpochMetrics], None], n_batches: Mapping[str, int]
    ):
        self._tell, self._n_batches = tell, n_batches
        self._told: list[EpochMetrics] = []

    def note(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Take up an epoch's figures, under the names that Keras gives them."""
        for dataset, count in self._n_batches.items():
            of_train = dataset == "Train"
            prefix = "" if of_train else "val_"
            metrics = EpochMetrics(
                dataset=dataset,
                batch_processed_count=count,
                epoch=epoch,
                accuracy=logs[f"{prefix}accuracy"],
                cross_entropy=logs[f"{prefix}loss"],
                learning_rate=logs.get("learning_rate") if of_train else None,
            )
            self._told.append(metrics)
            self._tell(metrics)

    def history(self) -> pd.DataFrame:
        """Return all that was told, a row each, as a model keeps it."""
        columns = [field.name for field in dataclasses.fields(EpochMetrics)]
        rows = pd.DataFrame(map(dataclasses.asdict, self._told), columns=columns)
        return rows.astype({"learning_rate": float})  # where there are none, too
