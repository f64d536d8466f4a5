"""A table of predictions, as a model makes it."""

import numpy as np
import pandas as pd


def predictions(actual, scores, names=("a", "b", "c"), **columns) -> pd.DataFrame:
    """Return a table as model.predict makes it; `columns` come before the label."""
    scores = np.asarray(scores, np.float64)
    top = [names[index] for index in scores.argmax(axis=1)]
    table = {"damage_class": actual, **columns, "predicted_label": top}
    table["score"] = scores.max(axis=1)
    return pd.DataFrame(table | dict(zip(names, scores.T, strict=True)))
