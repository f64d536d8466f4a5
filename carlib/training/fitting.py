"""Train a head epoch by epoch: early stopping, callbacks, the best epoch kept."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from carlib import runtime
from carlib.errors import CarlibError
from carlib.training import keras_head as heads
from carlib.training.early_stopping import EarlyStopping, is_over
from carlib.training.keras_head import Head
from carlib.training.progress import Epoch

BATCH_HOOKS = (
    *("on_batch_begin", "on_batch_end"),
    *("on_train_batch_begin", "on_train_batch_end"),
)


def train_head(
    head: Head,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    *,
    batch_size: int,
    epochs: int,
    rates: Callable[[int], np.ndarray] | None,
    early_stopping: EarlyStopping | None,
    on_epoch: Callable[[Epoch], None],
    shuffle: np.random.Generator | None = None,
    callbacks: Sequence[Any] = (),
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Train a head until it's stopped or the last epoch; leave it at its best.

    Args:
        train, validation: Features float32 (n, d) and labels int32 (n,).
        rates: An epoch's learning rates, one a batch; None: the optimizer's own.
        on_epoch: Is told each epoch's scores.
        shuffle: Draws a new order of the rows for each epoch; None: they stay.
        callbacks: Keras's; they see the head as `model`.
        is_stopped: Is asked after each epoch.

    Returns:
        The number of the epoch whose weights the head has now: the best by early
        stopping's metric; where that is off, the one that Keras's EarlyStopping has
        restored, or the last.

    Raises:
        CarlibError: The loss is not a number any more.
    """
    tf = runtime.tensorflow()
    features, labels = train
    if features.nbytes <= heads.IN_MEMORY:
        features, labels = tf.constant(features), tf.constant(labels)
    n_batches = -(-len(labels) // batch_size)
    history: list[Epoch] = []
    best, kept = None, head.weights
    with _told(head, callbacks, train, epochs, n_batches) as (told, hooks):
        for number in range(epochs):
            told.on_epoch_begin(number)
            scores = head.train(
                features,
                labels,
                batch_size,
                np.zeros(n_batches) if rates is None else rates(number),
                order=shuffle and shuffle.permutation(len(labels)).astype(np.int32),
                hooks=hooks,
            )
            judged = head.evaluate(*validation) if validation else None
            epoch = Epoch(number, scores, judged, head.learning_rate)
            _check_finite(epoch)
            history.append(epoch)
            if early_stopping and _is_better(epoch, best, early_stopping.metric):
                best, kept = epoch, head.weights  # before a callback changes them
            on_epoch(epoch)
            told.on_epoch_end(number, epoch.logs())
            over = early_stopping and is_over(history, early_stopping)
            if over or is_stopped() or head.model.stop_training:
                break
    if best is None:
        return _restored(callbacks, history[-1].number)
    head.layer.set_weights(kept)
    return best.number


def _is_better(epoch: Epoch, best: Epoch | None, metric: str) -> bool:
    return best is None or epoch.rank(metric) > best.rank(metric)


def _restored(callbacks: Sequence[Any], last: int) -> int:
    """Return the epoch that Keras's EarlyStopping went back to; else the last."""
    kind = runtime.keras().callbacks.EarlyStopping
    for callback in callbacks:
        if isinstance(callback, kind) and callback.restore_best_weights:
            last = callback.best_epoch if callback.best_weights is not None else last
    return last


@contextlib.contextmanager
def _told(
    head: Head, callbacks: Sequence[Any], train: tuple, epochs: int, steps: int
) -> Iterator[tuple[Any, Any]]:
    """Yield Keras's CallbackList, and once more if any is to hear of each batch."""
    base = runtime.keras().callbacks.Callback
    head.model.stop_training = False
    if callbacks:  # those that watch a metric ask the model which way is up
        head.model.test_on_batch(train[0][:1], train[1][:1])
    told = runtime.keras().callbacks.CallbackList(
        list(callbacks), model=head.model, epochs=epochs, steps=steps, verbose=0
    )
    by_batch = any(  # of a LambdaCallback the functions are the instance's own
        getattr(getattr(callback, name), "__func__", None) is not getattr(base, name)
        for callback in callbacks
        for name in BATCH_HOOKS
    )
    told.on_train_begin()
    yield told, told if by_batch else None
    head.optimizer.finalize_variable_values(head.layer.trainable_variables)
    told.on_train_end()


def _check_finite(epoch: Epoch) -> None:
    if not np.isfinite(epoch.train.cross_entropy):
        raise CarlibError(
            f"In epoch {epoch.number} the loss is not a number any more.",
            hint=f"Lower the learning rate; it was {epoch.learning_rate:g}.",
        )
