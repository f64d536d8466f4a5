"""Photos as a model sees them: their features, and their mirror images' with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib.bottlenecks.extract import extract
from carlib.bottlenecks.features import Features
from carlib.data.labels import labels_of
from carlib.data.sources import Source
from carlib.errors import DataError, OptionError
from carlib.model.model import ImageClassificationModel
from carlib.training import ranges


def features_of(
    model: ImageClassificationModel, sources: Sequence[Source], progress: bool
) -> Features:
    """Return where the features lie that a model names photos by."""
    return extract(
        sources,
        model.backbones,
        model.workspace_path,
        augment=model.augment,
        progress=progress,
    )


def mean_of_views(features: Features, rows: range | None = None) -> np.ndarray:
    """Return features of photos, the mean of a photo's and its mirror image's.

    Args:
        rows: Which of the photos; None: all.

    Returns:
        float64 (n, d).
    """
    some = np.arange(len(features.keys)) if rows is None else np.array(rows)
    views = range(1 + features.mirrored)
    taken = [features.take(some + view * len(features.keys)) for view in views]
    return np.mean(taken, axis=0, dtype=np.float64)


def training_labels(train: Any) -> np.ndarray:
    """Return the labels of photos that were trained on, object (n,).

    Raises:
        DataError: It's no table of such photos.
    """
    is_table = isinstance(train, pd.DataFrame)
    found = list(train) if is_table else [f"a {type(train).__name__}"]
    if not {"image_path", "damage_class"} <= set(found) or train.empty:
        raise DataError(
            "Expected the photos that the model was trained on, a table with the "
            "columns image_path and damage_class. Received: "
            + ("no rows" if is_table and train.empty else ", ".join(map(str, found))),
        )
    return labels_of(train)


def check_count(n: Any) -> None:
    """Raise an OptionError unless it's a number of photos to list."""
    text, passes = ranges.COUNT
    if not passes(n):
        raise OptionError(f"n must be {text}. Received: {n!r}")
