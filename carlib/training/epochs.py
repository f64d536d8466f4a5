"""Train a head epoch by epoch, as Keras does it.

Whoever wants to know of an epoch or to stop the training is one of Keras's callbacks:
the learner's own, the logs, the metrics callback and early stopping.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from carlib import runtime
from carlib.errors import CarlibError
from carlib.model.head import LinearHead
from carlib.training import keras_head, optimizers
from carlib.training.early_stopping import BestEpoch
from carlib.training.keras_head import Head
from carlib.training.options import TrainingOptions
from carlib.training.schedules import as_keras
from carlib.training.task import Task

BATCH_HOOKS = (
    *("on_batch_begin", "on_batch_end"),
    *("on_train_batch_begin", "on_train_batch_end"),
)
Watched = tuple[np.ndarray, np.ndarray] | None  # features and labels


def train_epochs(
    options: TrainingOptions, task: Task, watched: Watched, callbacks: Sequence[Any]
) -> tuple[LinearHead, int]:
    """Train until a callback says stop or the last epoch; return the best, and which.

    That is the best by early stopping's metric; where that is off, the one that Keras's
    own EarlyStopping has restored, or the last.

    Raises:
        CarlibError: The loss is not a number any more.
    """
    head = new_head(options, task)
    best = BestEpoch(options.early_stopping) if options.early_stopping else None
    if best:  # before others, which may change the weights
        watcher = listener(lambda *told: best.note(*told, head.weights))
        callbacks = [watcher, *callbacks]
    last = run_epochs(head, (task.rows, task.labels), watched, options, callbacks)
    if best:
        head.layer.set_weights(best.weights)
    return head.linear(), best.epoch if best else restored(callbacks, last)


def listener(hear: Callable[[int, Mapping[str, float]], Any]) -> Any:
    """Return a Keras callback that hears of each epoch and its figures.

    Args:
        hear: Is called with them; what counts as true ends the training.
    """

    def on_epoch_end(epoch: int, logs: Mapping[str, float]) -> None:
        callback.model.stop_training |= bool(hear(epoch, logs))

    callback = runtime.keras().callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
    return callback


def run_epochs(
    head: Head,
    train: tuple[np.ndarray, np.ndarray],
    validation: Watched,
    options: TrainingOptions,
    callbacks: Sequence[Any],
) -> int:
    """Train until a callback says stop, or the last epoch; return which that was."""
    tf = runtime.tensorflow()
    features, labels = train
    if features.nbytes <= keras_head.IN_MEMORY:
        features, labels = tf.constant(features), tf.constant(labels)
    shuffle = np.random.default_rng(options.seed) if options.shuffle else None
    steps = -(-len(labels) // options.batch_size)
    with told_by(head, callbacks, train, options.epoch, steps) as (told, hooks):
        for epoch in range(options.epoch):
            told.on_epoch_begin(epoch)
            order = shuffle and shuffle.permutation(len(labels)).astype(np.int32)
            logs = head.train(
                features, labels, options.batch_size, order=order, hooks=hooks
            )
            check_finite(epoch, logs["loss"], head.learning_rate)
            judged = head.evaluate(*validation) if validation else {}
            logs |= {f"val_{name}": value for name, value in judged.items()}
            told.on_epoch_end(epoch, logs | {"learning_rate": head.learning_rate})
            if head.model.stop_training:
                break
    return epoch


@contextlib.contextmanager
def told_by(
    head: Head, callbacks: Sequence[Any], train: tuple, epochs: int, steps: int
) -> Iterator[tuple[Any, Any]]:
    """Yield Keras's CallbackList, and once more if any is to hear of each batch."""
    keras = runtime.keras().callbacks
    head.model.stop_training = False
    if {type(callback) for callback in callbacks} - {keras.LambdaCallback}:
        # Those that watch a metric ask the model which way is up.
        head.model.test_on_batch(train[0][:1], train[1][:1])
    told = keras.CallbackList(
        list(callbacks), model=head.model, epochs=epochs, steps=steps, verbose=0
    )
    by_batch = any(  # of a LambdaCallback the functions are the instance's own
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.Callback, hook)
        for callback in callbacks
        for hook in BATCH_HOOKS
    )
    told.on_train_begin()
    yield told, told if by_batch else None
    head.optimizer.finalize_variable_values(head.layer.trainable_variables)
    told.on_train_end()


def restored(callbacks: Sequence[Any], last: int) -> int:
    """Return the epoch that Keras's EarlyStopping went back to; else the last."""
    kind = runtime.keras().callbacks.EarlyStopping
    for callback in callbacks:
        if isinstance(callback, kind) and callback.restore_best_weights:
            last = callback.best_epoch if callback.best_weights is not None else last
    return last


def new_head(options: TrainingOptions, task: Task) -> Head:
    """Return the head that the options describe, before its first step."""
    optimizer, rate = options.optimizer, options.learning_rate
    if not isinstance(optimizer, str):
        rate = optimizers.rate_of(optimizer)
    schedule = options.learning_rate_scheduler
    return Head(
        task.rows.shape[1],
        task.n_classes,
        options.seed,
        mean=task.mean,
        scale=task.scale,
        optimizer=optimizer,
        learning_rate=as_keras(schedule, len(task.rows), options.batch_size, rate),
        l2=task.l2,
        label_smoothing=task.label_smoothing,
        class_weight=task.class_weight,
    )


def check_finite(epoch: int, loss: float, learning_rate: float) -> None:
    """Refuse to go on with a loss that is no number.

    Raises:
        CarlibError: It isn't.
    """
    if not np.isfinite(loss):
        raise CarlibError(
            f"In epoch {epoch} the loss is not a number any more.",
            hint=f"Lower the learning rate; it was {learning_rate:g}.",
        )
