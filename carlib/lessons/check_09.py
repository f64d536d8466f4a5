"""Checks of notebook 09's exercises: photos of one's own."""

from typing import Any

import pandas as pd

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right


@exercise("the name of a class")
def rarest(answer: Any, photos: pd.DataFrame) -> Verdict:
    """Check which class has the fewest photos."""
    counts = photos["damage_class"].value_counts()
    if answer not in counts:
        return not_yet(f"It must be one of {', '.join(counts.index)}.")
    if counts[answer] == counts.min():
        return right(f"{answer} has {counts[answer]:,}, and no class has fewer.")
    return not_yet(f"{answer} has {counts[answer]:,} photos; another has fewer.")


all_of_twenty = choice(
    "b",
    a="Twenty photos can't show that. The twenty-first may be the first mistake.",
    b="0.9 to the power of 20 is about 0.12, so that's no rare thing.",
    c="You know something: one that is wrong half the time would not get that far.",
)


@exercise("the name of a class")
def named(answer: Any, predictions: pd.DataFrame) -> Verdict:
    """Check what the model calls the first photo of the test set."""
    expected = predictions["predicted_label"].iloc[0]
    actual = predictions["damage_class"].iloc[0]
    if isinstance(answer, str) and answer == expected:
        return right(f"It says {expected}, and you say {actual}.")
    if isinstance(answer, pd.DataFrame):
        return not_yet("That's the whole table. Take the label out of it.")
    return not_yet("Ask model.predict([photo]), and take its predicted_label.")
