"""The training phase: a head for photos whose features are there, and how sure it is.

A head is trained epoch by epoch, or its optimum found directly. Where it is to be
calibrated, or to know what it isn't sure of, others are trained like it, each without
a fold of the photos.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from carlib.model.answers import with_labels
from carlib.model.calibration import HeadCalibration
from carlib.model.confidence import Confidence, least_photos, make_confidence
from carlib.model.head import LinearHead
from carlib.training.calibrate import calibrate
from carlib.training.choose_l2 import choose_l2
from carlib.training.direct import Note, train_direct
from carlib.training.epochs import listener, train_epochs
from carlib.training.held_out import HeldOut, HeldOutFolds
from carlib.training.optimizers import is_direct
from carlib.training.optimum import CLOSE, ROUGH
from carlib.training.options import TrainingOptions
from carlib.training.photo_set import PhotoSet
from carlib.training.task import class_weights, task_of


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """What the training phase makes.

    Attributes:
        linear: The head as numbers, calibrated if it is to be.
        best_epoch: The epoch, or iteration, whose weights these are.
        l2: The penalty, as given or chosen.
        augment: "flip": the logits of photos and their mirror images are averaged.
        converged: Whether it's at the optimum; None: nobody looked for that.
        calibration: How it was calibrated; None: it wasn't.
        held_out: What heads like it, as calibrated, said of photos that they never saw;
            None: nobody asked.
    """

    linear: LinearHead
    best_epoch: int
    l2: float
    augment: str | None
    converged: bool | None = None
    calibration: HeadCalibration | None = None
    held_out: HeldOut | None = None

    def probabilities(self, photo_set: PhotoSet) -> np.ndarray:
        """Return the probabilities of photos, float64 (n, n_classes)."""
        return self.linear.averaged(map(photo_set.as_they_are, self._views))

    def logits(self, photo_set: PhotoSet) -> np.ndarray:
        """Return the logits of photos, float64 (n, n_classes)."""
        return self.linear.averaged_logits(map(photo_set.as_they_are, self._views))

    def predictions(self, photo_set: PhotoSet) -> pd.DataFrame:
        """Return what `evaluate` takes: photos' classes, and their probabilities."""
        names = np.array(photo_set.classes, object)
        table = pd.DataFrame({"damage_class": names[photo_set.labels]})
        return with_labels(table, self.probabilities(photo_set), photo_set.classes)

    @property
    def _views(self) -> tuple[bool, ...]:
        return (False, True) if self.augment == "flip" else (False,)

    def sure(self, held_out: HeldOut, method: str | None) -> "TrainedHead":
        """Return this head with what was held out, and calibrated by it."""
        if method is None:
            return dataclasses.replace(self, held_out=held_out)
        found = calibrate(method, held_out.logits, held_out.labels)
        return dataclasses.replace(
            self,
            linear=self.linear.calibrated(found.temperature, found.shift),
            calibration=found,
            held_out=held_out.calibrated(found),
        )


def train_head(
    options: TrainingOptions,
    train: PhotoSet,
    validation: PhotoSet | None = None,
    callbacks: Sequence[Any] = (),
    hear: Note | None = None,
) -> TrainedHead:
    """Train a head on photos, until it's stopped or the last epoch; keep its best.

    That is the best by early stopping's metric; where that is off, the one that Keras's
    own EarlyStopping has restored, or the last.

    Args:
        train, validation: The photos to train on, and those that early stopping
            watches.
        callbacks: Keras's; they see the head as `model`. Nobody is told of the heads
            that calibrate it.
        hear: Is called after each epoch, after all others, with its number and figures;
            what counts as true ends the training.

    Raises:
        CarlibError: The loss is not a number any more.
        DataError: Too few photos of a class to hold some out.
    """
    asked = options.calibrate is not None or options.refuse is not None
    folds = HeldOutFolds.of(train, options.seed) if asked else None
    l2 = options.l2
    if l2 == "auto":
        weights = class_weights(options.class_weight, train)
        l2 = choose_l2(train, weights, options.seed)
    heard: list[int] = []

    def note(epoch: int, figures: Mapping[str, float]) -> bool:
        heard.append(epoch)
        return bool(hear and hear(epoch, figures))

    trained = _trained(options, train, validation, l2, callbacks, note)
    if folds is None:
        return trained
    as_long = dataclasses.replace(options, epoch=heard[-1] + 1)

    def another(some: PhotoSet) -> Callable[[PhotoSet], np.ndarray]:
        # From zeros: a head of all photos has seen those that are held out.
        return _trained(as_long, some, validation, l2, close=ROUGH).logits

    return trained.sure(folds.named_by(another), options.calibrate)


def _trained(
    options: TrainingOptions,
    train: PhotoSet,
    validation: PhotoSet | None,
    l2: float,
    callbacks: Sequence[Any] = (),
    hear: Note | None = None,
    close: float = CLOSE,
) -> TrainedHead:
    """Train one head, as it comes, with a given penalty."""
    task = task_of(options, train, l2)
    augment = options.augment if train.features.mirrored else None
    watched = validation and (validation.as_they_are(), validation.labels)
    if is_direct(options.optimizer):
        found = train_direct(options, task, watched, callbacks, hear, close)
        return TrainedHead(*found[:2], l2, augment, found[2])
    if hear:
        callbacks = [*callbacks, listener(hear)]
    linear, best = train_epochs(options, task, watched, callbacks)
    return TrainedHead(linear, best, l2, augment)


def confidence_of(
    options: TrainingOptions, learned: PhotoSet, trained: TrainedHead
) -> Confidence | None:
    """Return what tells which answers aren't sure.

    None where nobody asked for it, or there are too few photos: that is a note then,
    and no reason to lose a model.
    """
    held_out = trained.held_out
    if options.refuse is None or held_out is None or too_few(options, learned):
        return None
    return make_confidence(
        held_out.probabilities,
        held_out.labels,
        learned.as_they_are(),
        held_out.groups,
        options.refuse,
        options.seed,
    )


def too_few(options: TrainingOptions, learned: PhotoSet) -> list[str]:
    """Return what a reader must know of a model that refuses nothing, though asked."""
    least = least_photos(options.refuse) if options.refuse else 0
    if len(learned) >= least:
        return []
    return [
        f"No answer is refused: refuse={options.refuse:g} takes {least:,} photos to "
        f"train on, and there were {len(learned):,}."
    ]


def about_optimum(trained: TrainedHead) -> list[str]:
    """Return what a reader must know of a head that isn't where it should be."""
    if trained.converged in (None, True):
        return []
    return [
        f"The head isn't at the optimum of its loss: it was left after "
        f"{trained.best_epoch + 1:,} iterations."
    ]
