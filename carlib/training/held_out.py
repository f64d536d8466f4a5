"""What heads say of training photos that they never saw."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from carlib.model.calibration import HeadCalibration
from carlib.model.head import softmax
from carlib.training.folds import distinct_photos, fold_numbers, most_folds
from carlib.training.photo_set import PhotoSet

FOLDS = 5


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was said of training photos, each by a head that never saw it or a copy.

    Attributes:
        logits: float64 (n, n_classes).
        labels: The actual classes, int (n,).
        groups: The same number for copies of a photo, int (n,).
    """

    logits: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """The probabilities, float64 (n, n_classes)."""
        return softmax(self.logits)

    def calibrated(self, calibration: HeadCalibration) -> "HeldOut":
        """Return what the same heads say, calibrated."""
        changed = self.logits / calibration.temperature + calibration.shift
        return replace(self, logits=changed)


@dataclass(frozen=True, eq=False)
class HeldOutFolds:
    """Photos in folds, class by class, copies of a photo together.

    Attributes:
        photos: The photos.
        groups: The same number for copies of one, int (n,).
        fold: Each photo's, from 1, int (n,).
    """

    photos: PhotoSet
    groups: np.ndarray
    fold: np.ndarray

    @classmethod
    def of(cls, photos: PhotoSet, seed: int) -> "HeldOutFolds":
        """Divide photos into five folds, or fewer where a class has fewer photos.

        Raises:
            DataError: A class has fewer than two different photos.
        """
        groups = distinct_photos(photos.pictures)
        hint = "Add photos, or train with calibrate=None and refuse=None."
        count = most_folds(photos, groups, FOLDS, "A head that is to be sure", hint)
        return cls(photos, groups, fold_numbers(photos.labels, groups, count, seed))

    def named_by(
        self, train: Callable[[PhotoSet], Callable[[PhotoSet], np.ndarray]]
    ) -> HeldOut:
        """Train a head for each fold, without it, and let it name the photos in it.

        Args:
            train: Returns of photos what gives others' logits.
        """
        logits = np.empty((len(self.fold), len(self.photos.classes)))
        for number in range(1, self.fold.max() + 1):
            out = self.fold == number
            logits_of = train(self.photos.some(~out))
            logits[out] = logits_of(self.photos.some(out))
        return HeldOut(logits, self.photos.labels, self.groups)
