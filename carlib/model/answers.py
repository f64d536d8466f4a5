"""The table that `predict` returns: what was handed in, and the answers beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib.bottlenecks.features import Features
from carlib.data.sources import Source
from carlib.model.confidence import Confidence

_EARLIER = (
    "error",
    "refused",
    "why",
    "distance",
)  # that the answers handed in may have


def table_of(photos: Any, sources: Sequence[Source]) -> pd.DataFrame:
    """Return what was handed in as a table with a row a photo."""
    if isinstance(photos, pd.DataFrame):
        return photos.drop(columns=list(_EARLIER), errors="ignore")
    paths = [source.name for source in sources if source.content is None]
    columns = {"image_path": paths} if len(paths) == len(sources) else {}
    index = photos.index if isinstance(photos, pd.Series) else range(len(sources))
    return pd.DataFrame(columns, index=index)


def with_reasons(
    table: pd.DataFrame,
    scores: np.ndarray,
    features: Features,
    confidence: Confidence | None,
) -> pd.DataFrame:
    """Add refused, why and distance, if there is something that can tell."""
    if confidence is None:
        return table
    distances = confidence.distances(features.of_photos())
    why = confidence.reasons(scores.max(axis=1), distances)
    refused = list(map(bool, why))
    return table.assign(refused=refused, why=why, distance=distances)


def with_labels(
    table: pd.DataFrame, scores: np.ndarray, class_names: Sequence[str]
) -> pd.DataFrame:
    """Add predicted_label, score and a column of probabilities a class.

    Args:
        scores: (n, n_classes); a row with NaN gets no label.
    """
    good = np.isfinite(scores).all(axis=1)
    best = np.where(good, scores.argmax(axis=1), -1)
    names = np.array([*class_names, None], dtype=object)
    labels = pd.DataFrame(
        {"predicted_label": names[best], "score": scores.max(axis=1)},
        index=table.index,
    )
    columns = pd.DataFrame(scores, columns=list(class_names), index=table.index)
    earlier = [name for name in table if name in labels or name in columns]
    made = pd.concat([table.drop(columns=earlier), labels, columns], axis=1)
    made.attrs["class_names"] = list(class_names)
    return made
