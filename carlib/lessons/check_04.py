"""Checks of notebook 04's exercises: features, steps, and when to stop."""

from typing import Any

import numpy as np
import pandas as pd

from carlib.lessons.verdict import Verdict, exercise, not_yet, right
from carlib.model.model import ImageClassificationModel


@exercise("a whole number")
def numbers_in_all(answer: Any, features: np.ndarray) -> Verdict:
    """Check how many numbers all photos' features are."""
    n_photos, n_features = features.shape
    if answer == features.size:
        return right(f"{n_photos:,} × {n_features:,}, far fewer than the pixels.")
    if answer == n_features:
        return not_yet("That's one photo's. There are as many rows as photos.")
    if answer == n_photos:
        return not_yet("That's the photos. Each of them has a row of features.")
    return not_yet("Photos × features a photo.")


@exercise("a whole number")
def steps_an_epoch(answer: Any, history: pd.DataFrame) -> Verdict:
    """Check how many batches an epoch had."""
    counts = history.groupby("dataset")["batch_processed_count"].max()
    if answer == counts["Train"]:
        return right(f"{counts['Train']:,} steps of up to ten photos.")
    if answer == counts.get("Validation"):
        return not_yet("Those were only watched: the head takes no step on them.")
    return not_yet("It's in the rows whose dataset is Train.")


@exercise("a model, as fit returns it")
def stopped_by_loss(answer: Any, model: ImageClassificationModel) -> Verdict:
    """Check a second model, whose training was stopped by the cross-entropy."""
    if answer.options["early_stopping"]["metric"] != "loss":
        return not_yet("Its early stopping still watches the accuracy.")
    found, before = answer.best_epoch, model.best_epoch
    order = "later" if found > before else "earlier" if found < before else "the same"
    return right(f"Best epoch {found} in the place of {before}: {order}.")
