"""Choose the head's l2 by cross-validation on cached features: nobody tunes on V."""

import warnings

import numpy as np

from carlib.training.folds import distinct_photos, fold_numbers, most_folds
from carlib.training.photo_set import PhotoSet

# 2 · l2 · n is what scikit-learn calls 1 / C. Half a decade below the first a head on
# standardised features overfits, and above the last it knows little but the classes'
# shares.
CANDIDATES = tuple(float(l2) for l2 in np.geomspace(0.003, 0.3, 7).round(4))
FOLDS = 5
MOST_BYTES = 64 << 20  # of features; of more photos, as many are drawn


def choose_l2(photo_set: PhotoSet, class_weight: np.ndarray | None, seed: int) -> float:
    """Return the l2 with the least log-loss, cross-validated over these photos.

    Stratified folds, copies of a picture in one of them, features standardised anew in
    each, and scikit-learn's LogisticRegression, which finds the head's optimum in
    hundredths of the time that mini-batches take. Mirror images are left out: with
    them the best strength is the same.

    Args:
        photo_set: The photos to train on.
        class_weight: As of `Head`.
        seed: Draws the folds.

    Raises:
        DataError: A class has fewer than two different photos.
    """
    photo_set = _at_most(photo_set, seed)
    features, labels = photo_set.as_they_are(), photo_set.labels
    distinct = distinct_photos(photo_set.pictures)
    hint = "Add photos, or give l2 as a number, such as 0.03."
    n_folds = most_folds(photo_set, distinct, FOLDS, 'l2="auto"', hint)
    folds = fold_numbers(labels, distinct, n_folds, seed)
    weights = None if class_weight is None else dict(enumerate(class_weight))
    losses = [
        _losses(features, labels, folds == number, weights)
        for number in range(1, n_folds + 1)
    ]
    return CANDIDATES[int(np.mean(losses, axis=0).argmin())]


def _losses(
    features: np.ndarray,
    labels: np.ndarray,
    held_out: np.ndarray,
    class_weight: dict[int, float] | None,
) -> list[float]:
    """Return each candidate's log-loss on a fold, from weak to strong."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    scaler = StandardScaler().fit(features[~held_out])
    x, rest = (scaler.transform(features[rows]) for rows in (~held_out, held_out))
    model = LogisticRegression(
        class_weight=class_weight, warm_start=True, tol=3e-4, max_iter=100
    )
    losses = {}
    # Products so small gain nothing from threads, which on a busy machine wait for each
    # other a hundred times as long as they compute.
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for l2 in reversed(CANDIDATES):  # the strong ones are found at once
            model.set_params(C=1 / (2 * l2 * len(x))).fit(x, labels[~held_out])
            scores = model.predict_proba(rest)
            losses[l2] = log_loss(labels[held_out], scores, labels=model.classes_)
    return [losses[l2] for l2 in CANDIDATES]


def _at_most(photo_set: PhotoSet, seed: int) -> PhotoSet:
    """Draw as many photos as features fit into `MOST_BYTES`, or return all."""
    most = MOST_BYTES // (4 * photo_set.features.n_features)
    if len(photo_set) <= most:
        return photo_set
    drawn = np.random.default_rng(seed).permutation(len(photo_set))[:most]
    return photo_set.some(np.sort(drawn))
