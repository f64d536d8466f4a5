"""What is seen of a training phase: a bar over its epochs, and a word at its end."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from carlib.messages import bar, say
from carlib.training.loop import TrainedHead
from carlib.training.optimizers import is_direct
from carlib.training.progress import EpochMetrics


class EpochBar:
    """Show each epoch that is told of.

    Args:
        shown: The bar; None: nothing is to be seen but the word at the end.
    """

    def __init__(self, shown: Any = None):
        self._bar, self._began, self._epochs = shown, time.monotonic(), 0

    def tell(self, metrics: EpochMetrics) -> None:
        """Take up an epoch's figures, as a metrics callback does."""
        name = metrics.dataset.lower()
        if self._bar is not None:
            self._bar.set_postfix({name: f"{metrics.accuracy:.3f}"}, refresh=False)
            self._bar.update(metrics.epoch + 1 - self._epochs)
        self._epochs = metrics.epoch + 1

    def finish(self, trained: TrainedHead) -> None:
        """Say how long it took, and which epoch was kept."""
        if self._bar is not None:  # stopped early it's done, too
            self._bar.total = self._bar.n
            self._bar.close()
        seconds = time.monotonic() - self._began
        what = f"{self._epochs:,} epoch{'s' * (self._epochs != 1)} " * bool(
            self._epochs
        )
        kept = f"; epoch {trained.best_epoch} is kept" * bool(self._epochs)
        say(f"Trained {what}in {seconds:.1f} s{kept}.")


@contextlib.contextmanager
def epoch_bar(trainer: Any) -> Iterator[EpochBar | None]:
    """Yield what shows a trainer's epochs; None: it's to be quiet.

    Where somebody is told of each epoch already, and where there are none, there is no
    bar.
    """
    if not trainer.progress:
        yield None
    elif trainer.metrics_callback or is_direct(trainer.optimizer):
        yield EpochBar()
    else:
        with bar(trainer.epoch, "Training", "epoch") as shown:
            yield EpochBar(shown)
