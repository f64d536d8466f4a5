"""The training phase: a head for photos whose features are there, epoch by epoch.

Whoever wants to know of an epoch or to stop the training is one of Keras's callbacks:
the learner's own, the logs, the metrics callback and early stopping.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from carlib import runtime
from carlib.errors import CarlibError, OptionError
from carlib.model.head import LinearHead
from carlib.training import keras_head, optimizers
from carlib.training.choose_l2 import choose_l2
from carlib.training.early_stopping import BestEpoch
from carlib.training.keras_head import Head, blocks
from carlib.training.options import TrainingOptions
from carlib.training.photo_set import PhotoSet
from carlib.training.schedules import as_keras

BATCH_HOOKS = (
    *("on_batch_begin", "on_batch_end"),
    *("on_train_batch_begin", "on_train_batch_end"),
)


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """What the training phase makes.

    Attributes:
        linear: The head as numbers.
        best_epoch: The epoch whose weights these are.
        l2: The penalty, as given or chosen.
        augment: "flip": photos and their mirror images are averaged.
    """

    linear: LinearHead
    best_epoch: int
    l2: float
    augment: str | None

    def probabilities(self, photo_set: PhotoSet) -> np.ndarray:
        """Return the probabilities of photos, float64 (n, n_classes)."""
        views = (False, True) if self.augment == "flip" else (False,)
        return self.linear.averaged(map(photo_set.as_they_are, views))


def train_head(
    options: TrainingOptions,
    train: PhotoSet,
    validation: PhotoSet | None = None,
    callbacks: Sequence[Any] = (),
) -> TrainedHead:
    """Train a head on photos, until it's stopped or the last epoch; keep its best.

    That is the best by early stopping's metric; where that is off, the one that Keras's
    own EarlyStopping has restored, or the last.

    Args:
        train, validation: The photos to train on, and those that early stopping
            watches.
        callbacks: Keras's; they see the head as `model`.

    Raises:
        CarlibError: The loss is not a number any more.
    """
    rows, labels = train.in_order(options.seed)
    head, l2 = _new_head(options, train, rows)
    stopping = options.early_stopping
    best = BestEpoch(stopping) if stopping else None
    if best:  # before others, which may change the weights
        watcher = listener(lambda *told: best.note(*told, head.weights))
        callbacks = [watcher, *callbacks]
    judged = validation and (validation.as_they_are(), validation.labels)
    last = run_epochs(head, (rows, labels), judged, options, callbacks)
    if best:
        head.layer.set_weights(best.weights)
    best_epoch = best.epoch if best else _restored(callbacks, last)
    return TrainedHead(head.linear(), best_epoch, l2, options.augment)


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
    validation: tuple[np.ndarray, np.ndarray] | None,
    options: TrainingOptions,
    callbacks: Sequence[Any],
) -> int:
    """Train until a callback says stop, or the last epoch; return which that was."""
    tf = runtime.tensorflow()
    features, labels = train
    if features.nbytes <= keras_head.IN_MEMORY:
        features, labels = tf.constant(features), tf.constant(labels)
    shuffle = np.random.default_rng(options.seed) if options.shuffle else None
    with _told(head, callbacks, train, options) as (told, hooks):
        for epoch in range(options.epoch):
            told.on_epoch_begin(epoch)
            order = shuffle and shuffle.permutation(len(labels)).astype(np.int32)
            logs = head.train(
                features, labels, options.batch_size, order=order, hooks=hooks
            )
            _check_finite(epoch, logs["loss"], head.learning_rate)
            judged = head.evaluate(*validation) if validation else {}
            logs |= {f"val_{name}": value for name, value in judged.items()}
            told.on_epoch_end(epoch, logs | {"learning_rate": head.learning_rate})
            if head.model.stop_training:
                break
    return epoch


@contextlib.contextmanager
def _told(
    head: Head, callbacks: Sequence[Any], train: tuple, options: TrainingOptions
) -> Iterator[tuple[Any, Any]]:
    """Yield Keras's CallbackList, and once more if any is to hear of each batch."""
    keras = runtime.keras().callbacks
    head.model.stop_training = False
    if {type(callback) for callback in callbacks} - {keras.LambdaCallback}:
        # Those that watch a metric ask the model which way is up.
        head.model.test_on_batch(train[0][:1], train[1][:1])
    told = keras.CallbackList(
        list(callbacks),
        model=head.model,
        epochs=options.epoch,
        steps=-(-len(train[1]) // options.batch_size),
        verbose=0,
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


def _check_finite(epoch: int, loss: float, learning_rate: float) -> None:
    if not np.isfinite(loss):
        raise CarlibError(
            f"In epoch {epoch} the loss is not a number any more.",
            hint=f"Lower the learning rate; it was {learning_rate:g}.",
        )


def _restored(callbacks: Sequence[Any], last: int) -> int:
    """Return the epoch that Keras's EarlyStopping went back to; else the last."""
    kind = runtime.keras().callbacks.EarlyStopping
    for callback in callbacks:
        if isinstance(callback, kind) and callback.restore_best_weights:
            last = callback.best_epoch if callback.best_weights is not None else last
    return last


def _new_head(
    options: TrainingOptions, train: PhotoSet, rows: np.ndarray
) -> tuple[Head, float]:
    """Return the head that the options describe, and its l2."""
    weights = class_weights(options.class_weight, train)
    l2 = options.l2
    if l2 == "auto":
        l2 = choose_l2(train, weights, options.seed)
    standardize = options.standardize
    if standardize is None:
        standardize = len(train.features.shards) > 1 or l2 > 0
    mean, scale = _statistics(rows) if standardize else (None, None)
    optimizer, rate = options.optimizer, options.learning_rate
    if not isinstance(optimizer, str):
        rate = optimizers.rate_of(optimizer)
    head = Head(
        rows.shape[1],
        len(train.classes),
        options.seed,
        mean=mean,
        scale=scale,
        optimizer=optimizer,
        learning_rate=as_keras(
            options.learning_rate_scheduler, len(rows), options.batch_size, rate
        ),
        l2=l2,
        label_smoothing=options.label_smoothing,
        class_weight=weights,
    )
    return head, l2


def class_weights(
    class_weight: str | Mapping[str, float] | None, photo_set: PhotoSet
) -> np.ndarray | None:
    """Return the factor of each class, float32 (n_classes,); None: all 1.

    Raises:
        OptionError: There are factors for what is no class.
    """
    from sklearn.utils.class_weight import compute_class_weight

    classes = photo_set.classes
    if class_weight is None:
        return None
    if class_weight == "balanced":
        numbers = np.arange(len(classes))
        weights = compute_class_weight("balanced", classes=numbers, y=photo_set.labels)
        return weights.astype(np.float32)
    unknown = sorted(map(str, set(class_weight) - set(classes)))
    if unknown:
        raise OptionError(
            "class_weight has factors for what is no class of these photos.",
            unknown,
            hint=f"The classes are {', '.join(classes)}.",
        )
    return np.array([class_weight.get(name, 1) for name in classes], np.float32)


def _statistics(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each feature's mean and deviation, a block of rows at a time."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for block in blocks(rows):
        scaler.partial_fit(rows[block])
    # Keras divides by 1e-7 at the least; what varies so little is as good as constant.
    scale = np.where(scaler.scale_ < 1e-6, 1, scaler.scale_)
    return scaler.mean_.astype(np.float32), scale.astype(np.float32)
