"""What is seen of a training phase: a bar over its epochs, and a word at its end."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from carlib.messages import bar, say
from carlib.training.loop import TrainedHead
from carlib.training.optimizers import is_direct
from carlib.training.progress import EpochMetrics


class EpochBar:
    """Show each epoch, with its accuracy if that is told.

    Args:
        show: Makes the bar, when the first epoch is over: what comes before may have
            one of its own. None: nothing is to be seen but the word at the end.
    """

    def __init__(self, show: Callable[[], Any] | None = None):
        self._show, self._bar = show, None
        self._began, self._epochs = time.monotonic(), 0
        self._accuracy: dict[str, str] = {}

    def tell(self, metrics: EpochMetrics) -> None:
        """Take up an epoch's figures, as a metrics callback does.

        One has room: the last told, of the watched photos where there are such.
        """
        self._accuracy = {metrics.dataset.lower(): f"{metrics.accuracy:.3f}"}

    def count(self, epoch: int) -> None:
        """Count an epoch that is over."""
        if self._bar is None and self._show:
            self._bar = self._show()
        if self._bar is not None:
            self._bar.set_postfix(self._accuracy, refresh=False)
            self._bar.update(epoch + 1 - self._epochs)
        self._epochs = epoch + 1

    def finish(self, trained: TrainedHead) -> None:
        """Say how long it took, and which epoch was kept."""
        if self._bar is not None:  # stopped early it's done, too
            self._bar.total = self._bar.n
            self._bar.close()
        seconds = time.monotonic() - self._began
        epochs = f"{self._epochs:,} epoch{'s' * (self._epochs != 1)}"
        kept = f"epoch {trained.best_epoch} is kept"
        say(f"Trained {epochs} in {seconds:.1f} s; {kept}.")


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
        with contextlib.ExitStack() as stack:
            made = bar(trainer.epoch, "Training", "epoch")
            yield EpochBar(lambda: stack.enter_context(made))
