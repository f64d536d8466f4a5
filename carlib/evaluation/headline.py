"""The headline figures of an evaluation: each with its interval and its baselines."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from carlib.evaluation.intervals import (
    mean_interval,
    mean_recall_interval,
    wilson_interval,
)
from carlib.evaluation.metrics import prior_log_loss

LEAST_PROBABILITY = 1e-15
COLUMNS = ("figure", "value", "low", "high", "baseline", "shuffled")
NONE = float("nan")


def headline(
    y: np.ndarray, scores: np.ndarray, losses: np.ndarray, ranks: np.ndarray, depth: int
) -> pd.DataFrame:
    """Return a row a figure, under its name; see `Metrics.figures`.

    Shuffled is the mean over all pairs of photos, of which the one is answered as the
    other was: what a model scores that gives this one's answers as often, and doesn't
    look.

    Args:
        y: int (n,), actual labels; those from `classes` on are none that it knows.
        scores: float64 (n, classes), probabilities.
        losses: float64 (n,), in nats.
        ranks: int (n,), how many classes stand before the actual one.
        depth: Up to which k to count top-k.
    """
    rows = [*_accuracies(y, scores, ranks, depth), *_losses(y, scores, losses)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).set_index("figure").astype(float)


def _accuracies(
    y: np.ndarray, scores: np.ndarray, ranks: np.ndarray, depth: int
) -> Iterator[tuple]:
    """Yield the rows of micro, macro, and top-k from the second on."""
    support = np.bincount(y, minlength=scores.shape[1])
    largest = np.sort(support)[::-1].cumsum() / len(y)
    places = _places(scores, depth)  # (depth, classes), how often a class came there
    by_chance = (places @ support[: scores.shape[1]]).cumsum() / len(y) ** 2
    yield "micro_accuracy", *_share(ranks < 1), largest[0], by_chance[0]
    yield "macro_accuracy", *_macro(support, y[ranks < 1], places[0])
    for k in range(2, depth + 1):
        yield f"top_{k}_accuracy", *_share(ranks < k), largest[k - 1], by_chance[k - 1]


def _places(scores: np.ndarray, depth: int) -> np.ndarray:
    """Count how often each class came first, second …; of equals, the first leads."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    n_classes = scores.shape[1]
    return np.stack([np.bincount(place, minlength=n_classes) for place in order.T])


def _share(hits: np.ndarray) -> tuple[float, float, float]:
    return float(hits.mean()), *wilson_interval(int(hits.sum()), len(hits))


def _macro(support: np.ndarray, right: np.ndarray, answers: np.ndarray) -> tuple:
    """Return the mean recall of the classes present, its interval and baselines."""
    present = support > 0
    hits = np.bincount(right, minlength=len(support))[present]
    ends = mean_recall_interval(hits, support[present])
    by_chance = answers[present[: len(answers)]].sum() / answers.sum() / present.sum()
    mean = (hits / support[present]).mean()
    return mean, *ends, 1 / present.sum(), by_chance


def _losses(y: np.ndarray, scores: np.ndarray, losses: np.ndarray) -> Iterator[tuple]:
    """Yield the rows of the log-loss and its reduction."""
    support = np.bincount(y, minlength=scores.shape[1])
    mean, undecided = float(np.sort(losses).mean()), float(np.log(scores.shape[1]))
    low, high = mean_interval(losses, undecided)
    baseline, by_chance = prior_log_loss(support), _loss_by_chance(support, scores)
    yield "log_loss", mean, max(low, 0.0), high, baseline, by_chance
    if baseline == 0:
        yield "log_loss_reduction", NONE, NONE, NONE, 0.0, NONE
        return
    values = _saved(y, losses, support, mean, baseline)
    least = (baseline - undecided) / baseline
    low, high = mean_interval(values, least)
    reduction, shuffled = (1 - each / baseline for each in (mean, by_chance))
    yield "log_loss_reduction", reduction, low, min(high, 1.0), 0.0, shuffled


def _saved(
    y: np.ndarray, losses: np.ndarray, support: np.ndarray, mean: float, baseline: float
) -> np.ndarray:
    """Return each photo's part in the reduction, a ratio, to first order.

    The delta method: other photos would also have other shares of the classes, and so
    another baseline.
    """
    surprise = -np.log(support[y] / len(y))
    return 1 - losses / baseline + (surprise - baseline) * mean / baseline**2


def _loss_by_chance(support: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean loss over all pairs of a photo's class and another's scores."""
    losses = np.sort(-np.log(scores.clip(LEAST_PROBABILITY, 1)), axis=0).mean(axis=0)
    unknown = np.full(len(support) - len(losses), -np.log(LEAST_PROBABILITY))
    return float(support @ np.concatenate([losses, unknown]) / support.sum())
