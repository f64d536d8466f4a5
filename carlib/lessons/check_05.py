"""Checks of notebook 05's exercises: baseline, recall, and where to draw the line."""

from typing import Any

import pandas as pd

from carlib.evaluation.metrics import Metrics
from carlib.lessons.verdict import Verdict, exercise, not_yet, right

WRONG = 0.1  # of the answers may be


@exercise("a number of photos")
def more_than_baseline(answer: Any, metrics: Metrics) -> Verdict:
    """Check how many more photos than the majority baseline a model names right."""
    share = metrics.micro_accuracy - metrics.majority_micro_accuracy
    more = round(share * metrics.n)
    if abs(answer - more) < 0.5:
        return right(f"{more:,} of {metrics.n:,} photos are what the model is worth.")
    if abs(answer - share) < 5e-3:
        return not_yet("That's the share. Times the number of photos, please.")
    if abs(answer - metrics.micro_accuracy * metrics.n) < 0.5:
        return not_yet("That's all that it names right. Take the baseline's off.")
    return not_yet("The difference of the two accuracies, times the number of photos.")


@exercise("a number between 0 and 1")
def first_recall(answer: Any, metrics: Metrics) -> Verdict:
    """Check the recall of the first class."""
    matrix = metrics.confusion_matrix.to_numpy()
    hits, actual, called = matrix[0, 0], matrix[0].sum(), matrix[:, 0].sum()
    if abs(answer * actual - hits) < 5e-3 * actual:
        return right(f"{hits} of {actual} were found.")
    if called and abs(answer * called - hits) < 5e-3 * called:
        return not_yet("That's the precision: you divided by the column.")
    return not_yet("The field at the top left, divided by the sum of its row.")


@exercise("a number between 0 and 1")
def line(answer: Any, predictions: pd.DataFrame) -> Verdict:
    """Check a least probability: few answers are wrong, and many photos answered."""
    answered = predictions["score"] >= answer
    wrong = predictions["damage_class"] != predictions["predicted_label"]
    given, mistakes = int(answered.sum()), int((answered & wrong).sum())
    told = f"{given:,} of {len(predictions):,} photos are answered, {mistakes:,} wrong."
    best = _most(predictions["score"], wrong)
    if not best and not given:
        return right("No line will do: the surest answers are wrong. Ask a person.")
    if not given:
        return not_yet(f"{told} That's safe, and of no use.")
    if mistakes > WRONG * given:
        return not_yet(f"{told} That's more than one in ten: go higher.")
    if given < 0.9 * best:
        return not_yet(f"{told} You can go lower: {best:,} would be possible.")
    return right(f"{told} The most that is possible: {best:,}.")


def _most(scores: pd.Series, wrong: pd.Series) -> int:
    """Return how many photos can be answered with no more mistakes than that, or 0."""
    surest = wrong[scores.sort_values(ascending=False).index].cumsum()
    counts = pd.Series(range(1, len(surest) + 1), surest.index)
    return max(counts[surest <= WRONG * counts], default=0)
