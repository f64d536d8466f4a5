"""Labels that others contradict, and photos that are like no other."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from carlib.audits.cells import EXACT, nearest_in_cells
from carlib.bottlenecks.rows import Rows
from carlib.training.folds import fold_numbers
from carlib.training.optimum import ROUGH, find_optimum
from carlib.training.task import Task

FOLDS = 5
L2 = 0.03  # of the heads; `choose_l2`'s middle candidate
MOST_STEPS = 100  # in which a head of many photos is found
NEAREST = 5  # to which of its neighbours a photo's distance is taken
FAR = 1.5  # times the quartiles' range above the upper one: Tukey's fence (1977)


def out_of_fold(
    features: np.ndarray, labels: np.ndarray, distinct: np.ndarray
) -> np.ndarray:
    """Return each photo's probabilities, by a head trained without it and its copies.

    Of classes with one distinct photo nothing can be told: theirs are NaN, as they are
    if there are fewer than two classes with more.

    Args:
        features: Standardised, (n, d); of more than 50,000 rows only some are in
            memory at once.
        labels: int (n,).
        distinct: The same number for copies, (n,).

    Returns:
        float64 (n, classes).
    """
    scores = np.full((len(labels), labels.max(initial=0) + 1), np.nan)
    counts = pd.Series(distinct).groupby(labels).nunique()
    known = counts.index[counts > 1]
    rows = np.flatnonzero(np.isin(labels, known))
    if len(known) < 2:
        return scores
    scores[np.ix_(rows, np.setdiff1d(np.arange(scores.shape[1]), known))] = 0
    folds = min(FOLDS, counts[known].min())
    fold = fold_numbers(labels[rows], distinct[rows], folds, seed=1)
    for number in range(1, folds + 1):
        held_out, learned = rows[fold == number], rows[fold != number]
        name = _named_by_parts if len(features) > EXACT else _named
        classes, found = name(features, labels, learned, held_out)
        scores[np.ix_(held_out, classes)] = found
    return scores


def _named(
    features: np.ndarray, labels: np.ndarray, learned: np.ndarray, held_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes learned, and photos' probabilities of each."""
    head = _head(features[learned], labels[learned])
    return head.classes_, head.predict_proba(features[held_out])


def _named_by_parts(
    features: np.ndarray | Rows,
    labels: np.ndarray,
    learned: np.ndarray,
    held_out: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of more photos than fit into memory."""
    classes, given = np.unique(labels[learned], return_inverse=True)
    rows = Rows(features, learned)
    task = Task(rows, given.astype(np.int32), len(classes), l2=L2)
    head = find_optimum(task, MOST_STEPS, lambda *_: False, ROUGH).linear
    return classes, head.probabilities(Rows(features, held_out))


def _head(features: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    head = LogisticRegression(C=1 / (2 * L2 * len(labels)), tol=1e-3, max_iter=100)
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return head.fit(features, labels)


def doubtful(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the positions of photos whose label is probably wrong, the worst first.

    As many as confident learning counts (Northcutt, Jiang and Chuang 2021, as cleanlab
    has it), those with the lowest margin between their own label and the likeliest
    other. Of 60 labels of the workshop's 1,210 that were changed by chance it finds 46
    to 51, beside 80 to 100 others.

    Args:
        labels: int (n,).
        scores: As from `out_of_fold`.
    """
    from cleanlab.filter import find_label_issues

    rows = np.flatnonzero(~np.isnan(scores).any(axis=1))
    known, given = np.unique(labels[rows], return_inverse=True)
    if len(known) < 2:
        return rows[:0]
    probabilities = scores[np.ix_(rows, known)]
    found = find_label_issues(
        given,
        probabilities / probabilities.sum(axis=1, keepdims=True),
        filter_by="low_normalized_margin",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    return rows[found]


def far_from_all(features: np.ndarray, distinct: np.ndarray) -> np.ndarray:
    """Return how far each photo is from others that are no copies of it.

    Args:
        features: Each of length 1, (n, d).
        distinct: The same number for copies, (n,).

    Returns:
        float64 (n,): the cosine distance to its fifth nearest, or to its farthest,
        where it has fewer; 0 where it has none. Of more than 50,000 photos that are no
        copies, the fifth nearest in its cell; see `cells`.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(np.unique(distinct)) < 2:
        return np.zeros(len(features))
    if len(features) > EXACT:
        _, first, place = np.unique(distinct, return_index=True, return_inverse=True)
        distances, _ = nearest_in_cells(Rows(features, first), NEAREST)
        return distances[place, -1].astype(np.float64)
    # Of copies one stands for all, whatever the order of rows.
    order = np.lexsort((features[:, 0], distinct))
    _, first = np.unique(distinct[order], return_index=True)
    _, place = np.unique(distinct, return_inverse=True)
    first, others = order[first], len(first) - 1
    search = NearestNeighbors(n_neighbors=min(NEAREST, others), metric="cosine")
    distances, _ = search.fit(features[first]).kneighbors()
    return distances[place, -1]


def are_outliers(distances: np.ndarray) -> np.ndarray:
    """Tell which distances are far above the usual ones, (n,)."""
    low, high = np.quantile(distances, [0.25, 0.75]) if len(distances) else (0, 0)
    return distances > high + FAR * (high - low)
