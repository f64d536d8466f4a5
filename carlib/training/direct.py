"""Train a head by its optimum, with all who want to hear of it or to stop it.

An iteration stands for an epoch: early stopping, Keras's callbacks and the metrics
callback hear of each. There are no batches and there is no learning rate to hear of.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from carlib.model.head import LinearHead
from carlib.training.early_stopping import BestEpoch
from carlib.training.epochs import Watched, new_head, restored, told_by
from carlib.training.keras_head import Head
from carlib.training.optimum import CLOSE, Hear, find_optimum
from carlib.training.options import TrainingOptions
from carlib.training.task import Task

Note = Callable[[int, Mapping[str, float]], Any]


def train_direct(
    options: TrainingOptions,
    task: Task,
    watched: Watched,
    callbacks: Sequence[Any],
    hear: Note | None = None,
    close: float = CLOSE,
) -> tuple[LinearHead, int, bool]:
    """Find a head's optimum, or its best by early stopping's metric on the way.

    Returns:
        The head, the iteration that it's of, and whether it's the optimum.
    """
    best = BestEpoch(options.early_stopping) if options.early_stopping else None
    with _told(options, task, callbacks) as (head, tell):

        def note(iteration: int, figures: Mapping[str, float], linear: Any) -> bool:
            figures = {**figures, **_judged(linear, watched)}
            stops = [best.note(iteration, figures, linear)] if best else []
            stops.append(tell(iteration, figures, linear))
            stops.append(hear and hear(iteration, figures))
            return any(stops)

        found = find_optimum(task, options.epoch, note, close)
    if best:
        return best.weights, best.epoch, found.converged and best.epoch == found.last
    if head is None:
        return found.linear, found.last, found.converged
    at = restored(callbacks, found.last)
    return head.linear(), at, found.converged and at == found.last


@contextlib.contextmanager
def _told(
    options: TrainingOptions, task: Task, callbacks: Sequence[Any]
) -> Iterator[tuple[Head | None, Hear]]:
    """Yield the head that Keras's callbacks see, if there are any, and what tells them.

    Without them nothing of TensorFlow is loaded.
    """
    if not callbacks:
        yield None, lambda *_: False
        return
    plain = {"optimizer": "sgd", "learning_rate_scheduler": None, "within_class": 0}
    head = new_head(dataclasses.replace(options, **plain), task)
    train = task.rows, task.labels
    with told_by(head, callbacks, train, options.epoch, 1) as (told, _):

        def tell(iteration: int, figures: Mapping[str, float], at: LinearHead) -> bool:
            told.on_epoch_begin(iteration)
            head.layer.set_weights([at.kernel, at.bias])
            told.on_epoch_end(iteration, dict(figures))
            return head.model.stop_training

        yield head, tell


def _judged(linear: LinearHead, watched: Watched) -> dict[str, float]:
    """Return accuracy and loss over photos that aren't trained on, as Keras names them.

    Both as `keras_head.Head.evaluate` has them.
    """
    if not watched:
        return {}
    from scipy.special import log_softmax

    features, labels = watched
    logs = log_softmax(linear.logits(features), axis=1)
    hits = logs.argmax(axis=1) == labels
    loss = -logs[np.arange(len(labels)), labels].mean()
    return {"val_accuracy": float(hits.mean()), "val_loss": float(loss)}
