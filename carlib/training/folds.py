"""Divide photos into folds: class by class, copies of a picture together."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import DataError, OptionError
from carlib.training.photo_set import PhotoSet

MANY = 100_000  # photos
OWN = ("seed", "fold")  # columns of predictions, beside those of model.predict


def check_runs(folds: int, seeds: Sequence[int]) -> None:
    """Refuse a number of folds or seeds that can't be run.

    Raises:
        OptionError: With all that is wrong.
    """
    problems = []
    if not isinstance(folds, Integral) or folds < 2:
        problems.append(
            f"folds must be a whole number of 2 or more. Received: {folds!r}"
        )
    if not _are_seeds(seeds):
        problems.append(
            "seeds must be different whole numbers from 0 to 4,294,967,295, one at "
            f"least. Received: {seeds!r}"
        )
    if problems:
        raise OptionError("These options are out of their range.", problems)


def _are_seeds(seeds: Any) -> bool:
    if not isinstance(seeds, Sequence | np.ndarray) or isinstance(seeds, str):
        return False
    good = all(isinstance(seed, Integral) and 0 <= seed < 2**32 for seed in seeds)
    return good and 0 < len(seeds) == len(set(seeds))


def distinct_photos(keys: Sequence[bytes]) -> np.ndarray:
    """Return a number for each photo, the same for copies, whatever the order.

    Args:
        keys: `PhotoSet.pictures`, which near copies share, too.
    """
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], int)


def check_classes(photo_set: PhotoSet, distinct: np.ndarray, folds: int) -> None:
    """Refuse classes that would be missing in a fold, or a column be mistaken for."""
    mistaken = sorted(set(OWN) & set(photo_set.classes))
    if mistaken:
        raise DataError(
            "No class may be called like a column of the table of predictions.",
            mistaken,
        )
    pairs = pd.DataFrame({"label": photo_set.labels, "photo": distinct})
    counts = pairs.drop_duplicates()["label"].value_counts().sort_index()
    few = [
        f"{photo_set.classes[label]}: {count:,}"
        for label, count in counts.items()
        if count < folds
    ]
    if few:
        raise DataError(
            f"For {folds} folds each class needs {folds} photos that differ; these "
            "have fewer.",
            few,
            "Take fewer folds, add photos, or leave these classes out.",
        )


def most_folds(
    photo_set: PhotoSet, distinct: np.ndarray, most: int, what: str, hint: str
) -> int:
    """Return into how many folds photos can be divided, each class in all of them.

    Args:
        most: That many at most.
        what, hint: What needs them, and what to do without.

    Raises:
        DataError: A class has fewer than two different photos.
    """
    counts = {
        name: len(np.unique(distinct[photo_set.labels == label]))
        for label, name in enumerate(photo_set.classes)
    }
    few = [f"{name}: {count}" for name, count in counts.items() if count < 2]
    if few:
        raise DataError(
            f"{what} needs two different photos or more of each class.", few, hint
        )
    return min(most, *counts.values())


def fold_numbers(
    labels: np.ndarray, distinct: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """Return the fold, from 1, of each photo.

    The photos' content and the seed decide, not their order. So it is the same whatever
    backbone and options are judged. Of more than 100,000 photos the pictures of each
    class are dealt out in turn: scikit-learn goes through them one by one.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(labels) > MANY:
        return _dealt(labels, distinct, folds, seed)
    numbers = np.zeros(len(labels), int)
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(parts.split(labels, labels, distinct), 1):
        numbers[held_out] = number
    return numbers


def _dealt(
    labels: np.ndarray, distinct: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """Deal pictures out, class by class; one under two labels goes by the rarer."""
    numbers, which = np.unique(distinct, return_inverse=True)
    order = np.lexsort((labels, np.bincount(labels)[labels], which))
    own = labels[order[np.unique(which[order], return_index=True)[1]]]
    shuffled = np.random.default_rng(seed).permutation(len(numbers))
    turn = shuffled[np.argsort(own[shuffled], kind="stable")]
    fold = np.empty(len(numbers), int)
    fold[turn] = np.arange(len(numbers)) % folds + 1
    return fold[which]
