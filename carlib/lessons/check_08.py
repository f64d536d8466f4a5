"""Checks of notebook 08's exercises: doubtful labels, verdicts, and money."""

from typing import Any

import pandas as pd

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right

WRONG, LOOK = 100, 15  # what a wrong answer costs, and a person's look


@exercise("a whole number")
def doubtful(answer: Any, suspects: pd.DataFrame) -> Verdict:
    """Check how many labels are doubtful by a margin above one half."""
    count = int((suspects["margin"] > 0.5).sum())
    if answer == count:
        return right(f"{count:,} of the {len(suspects):,} that are listed.")
    if answer == len(suspects):
        return not_yet("Those are all that are listed. Only margins above 0.5, please.")
    return not_yet("Mark the rows by suspects['margin'] > 0.5, and add the marks up.")


verdict = choice(
    "b",
    a="That's what these photos say, but coins would often say as much.",
    b="With p = 0.4, chance alone does that in two of five cases.",
    c="Nobody has shown that. Only: these photos are too few to tell.",
)


@exercise("a number between 0 and 1")
def cheapest_line(answer: Any, answers: pd.DataFrame) -> Verdict:
    """Check a least score: cheaper than the model alone, and than people alone."""
    wrong = answers["damage_class"] != answers["predicted_label"]
    given = answers["score"] >= answer
    cost = WRONG * (given & wrong).mean() + LOOK * (~given).mean()
    least = min(WRONG * wrong.mean(), LOOK)
    told = f"A photo costs {cost:.2f} with your line, {least:.2f} without any."
    if abs(answer - (1 - LOOK / WRONG)) < 0.01:  # whatever it costs on these few photos
        return right(f"{told} There an answer is as dear as a look, on new photos too.")
    if cost <= least and 0 < answer < 1:
        return right(f"{told} The model answers {given.mean():.0%} of the photos.")
    return not_yet(f"{told} Where is an answer as dear as a look?")
