"""The training phase: a head for photos whose features are there."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import OptionError
from carlib.model.head import LinearHead
from carlib.training.choose_l2 import choose_l2
from carlib.training.fitting import train_head
from carlib.training.keras_head import Head, blocks
from carlib.training.logs import log_callbacks
from carlib.training.photo_set import PhotoSet
from carlib.training.progress import Epoch, EpochMetrics
from carlib.training.schedules import LearningRateScheduler


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """What the training phase makes.

    Attributes:
        linear: The head as numbers.
        history: A row an epoch and dataset; see `ImageClassificationModel`.
        best_epoch: The epoch whose weights these are.
        l2: The penalty, as given or chosen.
        augment: "flip": photos and their mirror images are averaged.
    """

    linear: LinearHead
    history: pd.DataFrame
    best_epoch: int
    l2: float
    augment: str | None

    def probabilities(self, photo_set: PhotoSet) -> np.ndarray:
        """Return the probabilities of photos, float64 (n, n_classes)."""
        mirrored = self.augment == "flip"
        return self.linear.averaged(photo_set.as_they_are, mirrored)


def train_on(
    options: Any,
    fitted: PhotoSet,
    watched: PhotoSet | None,
    tell: Callable[[EpochMetrics], None],
    is_stopped: Callable[[], bool],
) -> TrainedHead:
    """Train a head on photos.

    Args:
        options: An ImageClassificationTrainer, for its options.
        fitted, watched: The photos to train on, and those that early stopping watches.
        tell: Is told of each epoch.
        is_stopped: Is asked after each epoch.
    """
    rows, labels = fitted.in_order(options.seed)
    head, l2 = _head(options, fitted, rows)
    lines: list[EpochMetrics] = []

    def on_epoch(epoch: Epoch) -> None:
        for metrics in _epoch_metrics(options, epoch, len(labels), watched):
            lines.append(metrics)
            tell(metrics)

    with log_callbacks(options.logs, Path(options.workspace_path or ".")) as logs:
        best_epoch = train_head(
            head,
            (rows, labels),
            watched and (watched.as_they_are(), watched.labels),
            batch_size=options.batch_size,
            epochs=options.epoch,
            rates=_rates(options, head, len(labels)),
            early_stopping=options.early_stopping,
            on_epoch=on_epoch,
            shuffle=np.random.default_rng(options.seed) if options.shuffle else None,
            callbacks=[*options.callbacks, *logs],
            is_stopped=is_stopped,
        )
    history = pd.DataFrame(map(dataclasses.asdict, lines))
    return TrainedHead(head.linear(), history, best_epoch, l2, options.augment)


def _head(options: Any, fitted: PhotoSet, rows: np.ndarray) -> tuple[Head, float]:
    """Return the head that the options describe, and its l2."""
    weights = class_weights(options.class_weight, fitted)
    l2 = options.l2
    if l2 == "auto":
        l2 = choose_l2(fitted, weights, options.seed)
    standardize = options.standardize
    if standardize is None:
        standardize = len(options.backbones) > 1 or l2 > 0
    mean, scale = _statistics(rows) if standardize else (None, None)
    schedule, rate = options.learning_rate_scheduler, options.learning_rate
    scheduled = isinstance(schedule, LearningRateScheduler)
    head = Head(
        rows.shape[1],
        len(fitted.classes),
        options.seed,
        mean=mean,
        scale=scale,
        optimizer=options.optimizer,
        learning_rate=rate if scheduled or schedule is None else schedule,
        l2=l2,
        label_smoothing=options.label_smoothing,
        class_weight=weights,
        scheduled=scheduled,
    )
    return head, l2


def _rates(options: Any, head: Head, n_rows: int) -> Callable[[int], np.ndarray] | None:
    """Return what gives an epoch's rates; None: they are the optimizer's affair."""
    if not head.scheduled:
        return None
    schedule, optimizer = options.learning_rate_scheduler, options.optimizer
    first = options.learning_rate if isinstance(optimizer, str) else head.learning_rate
    return lambda epoch: schedule.rates(epoch, n_rows, options.batch_size, first)


def _epoch_metrics(
    options: Any, epoch: Epoch, n_rows: int, watched: PhotoSet | None
) -> list[EpochMetrics]:
    sets = [("Train", n_rows, epoch.train)] if options.test_on_train_set else []
    if watched:
        sets.append(("Validation", len(watched), epoch.validation))
    return [
        EpochMetrics(
            dataset=dataset,
            batch_processed_count=-(-count // options.batch_size),
            epoch=epoch.number,
            accuracy=scores.accuracy,
            cross_entropy=scores.cross_entropy,
            learning_rate=epoch.learning_rate if dataset == "Train" else None,
        )
        for dataset, count, scores in sets
    ]


def class_weights(
    class_weight: str | Mapping[str, float] | None, photo_set: PhotoSet
) -> np.ndarray | None:
    """Return the factor of each class, float32 (n_classes,); None: all 1.

    Raises:
        OptionError: There are factors for what is no class.
    """
    classes = photo_set.classes
    if class_weight is None:
        return None
    if class_weight == "balanced":
        counts = np.bincount(photo_set.labels, minlength=len(classes))
        return (len(photo_set) / (len(classes) * counts.clip(1))).astype(np.float32)
    unknown: Sequence[str] = sorted(map(str, set(class_weight) - set(classes)))
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
