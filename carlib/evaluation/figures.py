"""Figures that were stored, beside those found anew: which of them differ."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from carlib.evaluation.evaluate import evaluate

# How far figures may differ that other chips compute. The same precision sums in
# another order: probabilities move by less than 1e-3. Of bfloat16 and float32 on the
# workshop's V, probabilities moved by up to 0.11, answers changed whose two likeliest
# classes were up to 0.062 apart, and the log-loss moved by 0.006.
CLOSE = {True: 0.01, False: 0.1}  # of the two likeliest classes, by same precision
LOSS = {True: 0.002, False: 0.02}  # of the mean log-loss, in nats
ROUNDING = 1e-6
MOST_FLAT = 100_000


def differing(
    stored: Mapping[str, Any],
    found: Mapping[str, Any],
    close: int,
    same_precision: bool,
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each figure that differs, as stored and as found.

    Where no more answers changed than are close, the stored confusion matrix stands;
    then what follows from it, such as accuracies and their intervals, must be what it
    gives, to the last digit.

    Args:
        stored, found: As of `Metrics.to_dict`.
        close: Photos whose two likeliest classes are so close that they may change
            places on another chip.
        same_precision: Whether both were computed at one.
    """
    before, now = _flat(stored), _flat(found)
    moved = _moved(stored, found)
    if moved is not None and moved <= close:
        now |= _following(
            _flat(_given_by(stored["confusion_matrix"], found["class_names"]))
        )
    fewest = min(row["support"] for row in found["per_class"] if row["support"])
    near = ROUNDING if same_precision else (1 + close) / fewest
    for name, value in before.items():
        bound = near if "top_" in name else ROUNDING
        bound = LOSS[same_precision] * _weight(name) if "log_loss" in name else bound
        if not _agree(value, now.get(name), bound):
            yield name, value, now.get(name)


def _given_by(confusion: Mapping[str, Any], class_names: list[str]) -> dict[str, Any]:
    """Return the figures of answers with such a confusion matrix."""
    counts = np.array(confusion["counts"])
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    actual, predicted = np.unravel_index(cells, counts.shape)
    scores = np.eye(len(class_names))[predicted]
    table = {"damage_class": np.array(confusion["labels"], dtype=object)[actual]}
    columns = dict(zip(class_names, scores.T, strict=True))
    return evaluate(pd.DataFrame(table | {"score": 1.0} | columns)).to_dict()


def _following(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return those that follow from a confusion matrix: no loss, no second answer."""
    others = re.compile("log_loss|top_|n_dropped")
    return {name: value for name, value in figures.items() if not others.search(name)}


def _weight(name: str) -> int:
    """Return how much more a figure moves than the mean loss does."""
    return 5 if name.startswith("per_class") else 2


def close_photos(predictions: pd.DataFrame, same_precision: bool) -> int:
    """Count the photos whose two likeliest classes may change places."""
    scores = predictions[predictions.attrs["class_names"]].to_numpy(np.float64)
    second, first = np.sort(scores, axis=1)[:, -2:].T
    return int((first - second < CLOSE[same_precision]).sum())


def n_figures(stored: Mapping[str, Any]) -> int:
    """Return how many figures there are."""
    return len(_flat(stored))


def _agree(before: Any, now: Any, allowed: float) -> bool:
    numbers = isinstance(before, int | float) and isinstance(now, int | float)
    return abs(before - now) <= allowed if numbers else before == now


def _moved(stored: Mapping[str, Any], found: Mapping[str, Any]) -> float | None:
    """Return how many answers changed; None where that can't be told.

    That is also so where the labels changed: then there are other photos of a class.
    """
    try:
        one, other = (each["confusion_matrix"] for each in (stored, found))
        before, now = (np.array(each["counts"], np.int64) for each in (one, other))
        same = one["labels"] == other["labels"] and before.shape == now.shape
        foreign = before[:, len(found["class_names"]) :].any()
        if not same or (before < 0).any() or foreign:
            return None
        if (before.sum(axis=1) != now.sum(axis=1)).any():
            return None
        return float(np.abs(before - now).sum() / 2)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return nested figures under names such as "per_class, door_dent, recall"."""
    if isinstance(value, Mapping) and set(value) == {"labels", "counts"}:
        return _cells(value, name)
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list | tuple):
        pairs = [(_place(i, each), each) for i, each in enumerate(value, 1)]
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, each in pairs[:MOST_FLAT]:
        found |= _flat(each, f"{name}, {key}" if name else str(key))
    return found


def _place(number: int, each: Any) -> Any:
    named = isinstance(each, Mapping) and isinstance(each.get("class"), str)
    return each["class"] if named else number


def _cells(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    labels, counts = value["labels"], value["counts"]
    try:
        return {
            f"{name}, {actual} named {predicted}": count
            for actual, row in zip(labels, counts, strict=True)
            for predicted, count in zip(labels, row, strict=True)
        }
    except (TypeError, ValueError):
        return {name: str(value)[:100]}
