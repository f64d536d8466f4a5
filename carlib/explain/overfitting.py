"""Overfitting, made on purpose: heads that see few photos, and those often."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import DataError, OptionError
from carlib.training import ranges

BATCH = 10  # photos a step, as many as the workshop's own head takes
LOOKS = 40  # of all epochs so many are judged, the first ones all
HEADS = {"one layer": (), "three layers": (100, 100)}  # the sizes of those between


def overfit(
    features: Any, labels: Any, per_class: int = 5, epochs: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Train two heads on few photos, for many epochs, and judge them on all others.

    One head has a single layer, like the workshop's own, the other has three, and so
    about ten times as many weights. Both are scikit-learn's `MLPClassifier`, trained by
    Adam without a penalty.

    Args:
        features: As from `compute_bottlenecks`, (n, d).
        labels: The photos' classes, n of them.
        per_class: How many photos of each class to learn from. The others are for
            validation.
        epochs: How often to go through them.
        seed: Draws the photos and the weights at the start.

    Returns:
        A row a head, epoch and dataset ("Train" or "Validation"): head, weights (how
        many it has), epoch, dataset, photos (how many of that dataset), accuracy and
        cross_entropy (natural logarithm). The later the epochs, the fewer have rows.

    Raises:
        DataError: There is another number of labels, a number that isn't finite, fewer
            than two classes, or a class without a photo left for validation.
        OptionError: `per_class` or `epochs` isn't a whole number of 1 or more, or
            `seed` is no seed.

    Example:
        >>> history = overfit(features, train["damage_class"])
    """
    from threadpoolctl import threadpool_limits

    _check_options(per_class=per_class, epochs=epochs, seed=seed)
    rows, numbers, names = _checked(features, labels, per_class)
    learned = _few(numbers, per_class, seed)
    rest = np.setdiff1d(np.arange(len(rows)), learned)
    parts = {
        "Train": (rows[learned], numbers[learned]),
        "Validation": (rows[rest], numbers[rest]),
    }
    with threadpool_limits(1):  # of several threads, who comes first changes the sums
        told = [
            {"head": head, **row}
            for head, sizes in HEADS.items()
            for row in _trained(sizes, parts, np.arange(len(names)), epochs, seed)
        ]
    return pd.DataFrame(told)


def _check_options(**given: Any) -> None:
    expected = {"per_class": ranges.COUNT, "epochs": ranges.COUNT, "seed": ranges.SEED}
    wrong = list(ranges.problems(SimpleNamespace(**given), expected))
    if wrong:
        raise OptionError("No head can be trained so.", wrong)


def _checked(
    features: Any, labels: Any, per_class: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, float32 (n, d), the numbers of their classes, and the names."""
    try:
        rows = np.asarray(features, np.float32)
        names, numbers = np.unique(np.asarray(labels, str), return_inverse=True)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Expected features, numbers, and a label each. Received: {error}",
            hint=_HINT,
        ) from error
    nameless, odd = int(np.sum(pd.isna(labels))), int((~np.isfinite(rows)).sum())
    if rows.ndim != 2 or rows.shape[:1] != numbers.shape or nameless or odd:
        raise DataError(
            "Expected features (n, d), all of them finite, and n labels. Received: "
            f"features {rows.shape} and {numbers.size:,} labels, {nameless:,} missing; "
            f"{odd:,} numbers aren't finite",
            hint=_HINT,
        )
    counts = np.bincount(numbers)
    rare = [
        f"{name}: {count:,}"
        for name, count in zip(names, counts, strict=True)
        if count <= per_class
    ]
    if rare or len(names) < 2:
        raise DataError(
            f"Expected two classes or more, and more than {per_class} photos of each, "
            f"to learn from {per_class} and judge by the rest. Received: "
            f"{len(names):,} classes",
            rare,
        )
    return rows, numbers, names


_HINT = "carlib.compute_bottlenecks(train, arch) returns those of the photos in train."


def _few(numbers: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Return the places of so many photos of each class, drawn by chance."""
    order = np.random.default_rng(seed).permutation(len(numbers))
    drawn = [order[numbers[order] == n][:per_class] for n in range(numbers.max() + 1)]
    return np.concatenate(drawn)


def _trained(
    sizes: tuple[int, ...],
    parts: dict[str, tuple[np.ndarray, np.ndarray]],
    classes: np.ndarray,
    epochs: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Train a head; return what it scores on both sets, after some of the epochs."""
    from sklearn.neural_network import MLPClassifier

    batch = min(BATCH, len(parts["Train"][1]))
    head = MLPClassifier(sizes, alpha=0, batch_size=batch, random_state=seed)
    told, looked_at = [], set(np.geomspace(1, epochs, LOOKS).round().astype(int))
    for epoch in range(epochs):
        head.partial_fit(*parts["Train"], classes=classes)
        if epoch + 1 in looked_at:
            judged = ({"dataset": name} | _judged(head, *parts[name]) for name in parts)
            told += [{"weights": _weights(head), "epoch": epoch} | j for j in judged]
    return told


def _weights(head: Any) -> int:
    return sum(each.size for each in [*head.coefs_, *head.intercepts_])


def _judged(head: Any, rows: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
    probabilities = head.predict_proba(rows)
    given = probabilities[np.arange(len(rows)), numbers]
    return {
        "photos": len(rows),
        "accuracy": float((probabilities.argmax(axis=1) == numbers).mean()),
        "cross_entropy": float(-np.log(np.maximum(given, 1e-15)).mean()),
    }
