"""Bottlenecks as a step of a scikit-learn pipeline."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from carlib.backbones.backbone import Backbone
from carlib.backbones.joined import backbones_of, parts_of
from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources


class Bottlenecks(TransformerMixin, BaseEstimator):
    """Turn photos into features of backbones, as a scikit-learn transformer.

    Rows follow the photos they were computed from, and each photo is computed once in
    all: whatever fits, cross-validates or searches on top takes them from the cache.

    Args:
        arch: One of `carlib.ARCHS`, "auto", or a `Backbone` (with its own weights and
            precision); or a list of them, or "A+B", whose features are joined.
        workspace_path: Where features are kept; None keeps nothing.
        progress: Show a bar, and how many photos were cached.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> features = carlib.Bottlenecks("EfficientNetLite0")
        >>> model = make_pipeline(features, LogisticRegression())
        >>> model.fit(train.image_path, train.damage_class)
    """

    def __init__(
        self,
        arch: str | Backbone | Sequence[str | Backbone] = "InceptionV3",
        *,
        workspace_path: str | os.PathLike | None = "workspace",
        progress: bool = False,
    ):
        self.arch = arch
        self.workspace_path = workspace_path
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> "Bottlenecks":  # noqa: N803
        """Do nothing: the backbone is frozen."""
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the features of photos.

        Args:
            X: What `carlib.compute_bottlenecks` takes, such as n paths; or a column of
                a table, (n, 1), whatever its name.

        Returns:
            float32 (n, n_features), in the order of `X`; backbones' features side by
            side, in their order.

        Raises:
            ImageError: Photos that can't be read, all of them at once.
            OptionError: `arch` names no network, or one twice.
        """
        sources, backbones = as_sources(X), self._backbones()
        options = {"progress": self.progress}
        return extract(sources, backbones, self.workspace_path, **options).of_photos()

    def _backbones(self) -> tuple[Backbone, ...]:
        """Return the backbones, the same ones from call to call."""
        parts, made = parts_of(self.arch), getattr(self, "_made", None)
        if made is None or made[0] != parts:
            self._made = made = (parts, backbones_of(parts))
        return made[1]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names for the features: each one's backbone and its number there."""
        names = [
            f"{backbone.arch}_{number}"
            for backbone in self._backbones()
            for number in range(backbone.n_features)
        ]
        return np.array(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing to fit."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that it takes photos, not numbers, and needs no fit."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags
