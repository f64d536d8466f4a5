"""Checks of notebook 03's exercises: the head, softmax, the learning rate."""

from typing import Any

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right
from carlib.training.schedules import LearningRateScheduler


@exercise("a whole number")
def head_weights(answer: Any, n_features: int, n_classes: int) -> Verdict:
    """Check how many weights a dense head has."""
    if answer == (n_features + 1) * n_classes:
        return right(f"({n_features:,} features + 1 bias) × {n_classes} classes.")
    if answer == n_features * n_classes:
        return not_yet(f"The {n_classes} biases are missing, one a class.")
    if answer == n_features + n_classes:
        return not_yet("Each feature is joined to each class: multiply.")
    return not_yet("Features × classes, and one bias a class.")


higher_scores = choice(
    "b",
    a="They can't all grow: together they make one.",
    b="Softmax heeds only how far the scores are apart.",
    c="They keep their distances: the first is still 2 above the second.",
)


@exercise("a number")
def rate_of_epoch_10(answer: Any, decay: LearningRateScheduler) -> Verdict:
    """Check the learning rate of epoch 10, of the workshop's decay."""
    rate = decay.rate(10, 0, 100)
    if abs(answer - rate) < 5e-6:
        return right(f"0.01 × 0.94⁵ = {rate:.4f}.")
    if abs(answer - 0.01 * 0.94**10) < 5e-6:
        return not_yet("It shrinks every two epochs, so five times in ten.")
    if abs(answer - 0.01 * 0.94 * 5) < 5e-6:
        return not_yet("Multiplied five times, not by five: use **.")
    return not_yet("Start at 0.01, and multiply by 0.94 once every two epochs.")
