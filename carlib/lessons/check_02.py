"""Checks of notebook 02's exercises: a list of photos, split, and what leaked."""

from typing import Any

import pandas as pd

from carlib.lessons.verdict import Verdict, exercise, not_yet, right


@exercise("a whole number")
def count(answer: Any, photos: pd.DataFrame) -> Verdict:
    """Check how many photos T has of the first class."""
    first = min(photos["damage_class"])
    subsets = photos["subset"][photos["damage_class"] == first]
    here, there = (subsets == "T").sum(), (subsets == "V").sum()
    if answer == here:
        return right(f"{here:,} photos of {first} to learn from.")
    if answer == here + there:
        return not_yet(f"Those are all photos of {first}. How many of them are in T?")
    if answer == there:
        return not_yet("Those are the ones in the test set.")
    if answer == (photos["subset"] == "T").sum():
        return not_yet(f"That's all of T. Only those of {first}, please.")
    return not_yet(f"It isn't {int(answer):,}. Look at the row {first}, column T.")


@exercise('a file name such as "12.jpeg", or None')
def leak(answer: Any, leaked: pd.DataFrame) -> Verdict:
    """Check the name of a photo of the test set that is in T as well.

    Args:
        leaked: Photos whose picture is in T and in V, with names as image_path.
    """
    subsets = leaked.set_index("image_path")["subset"]
    if subsets.empty:
        if answer is None:
            return right("Nothing leaked: each photo of the test set is a new one.")
        return not_yet("The table is empty, so there is none. The answer is None.")
    if answer is None:
        return not_yet("The table isn't empty: look for a row with a V.")
    if answer not in subsets:
        return not_yet(f"{answer} isn't in the table.")
    if subsets[answer] == "T":
        return not_yet(f"{answer} leaked, but it's the one in T. Its double has a V.")
    return right(f"{answer} is in the test set, and its double was in the training.")


@exercise("a number")
def macro_baseline(answer: Any, photos: pd.DataFrame) -> Verdict:
    """Check the macro-accuracy of one who always gives the same answer."""
    n_classes = photos["damage_class"].nunique()
    if abs(answer - 1 / n_classes) < 5e-4:
        return right(f"One class of {n_classes} is always right, the others never.")
    if answer == 1:
        return not_yet("That's the sum. Divide it by the number of classes.")
    return not_yet("Write down a 1 and the zeros, one a class, and take the mean.")
