"""Bottlenecks as a step of a scikit-learn pipeline."""

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.extract import compute_bottlenecks


class Bottlenecks(TransformerMixin, BaseEstimator):
    """Turn photos into the features of a backbone, as a scikit-learn transformer.

    Rows follow the photos they were computed from, and each photo is computed once in
    all: whatever fits, cross-validates or searches on top takes them from the cache.

    Args:
        arch: One of `carlib.ARCHS`, "auto", or a `Backbone` (with its own weights and
            precision).
        workspace_path: Where features are kept; None keeps nothing.
        progress: Show a bar, and how many photos were cached.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> features = carlib.Bottlenecks("InceptionV3")
        >>> model = make_pipeline(features, LogisticRegression())
        >>> model.fit(train.image_path, train.damage_class)
    """

    def __init__(
        self,
        arch: str | Backbone = "InceptionV3",
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
            X: What `carlib.compute_bottlenecks` takes, such as n paths.

        Returns:
            float32 (n, n_features), in the order of `X`.

        Raises:
            ImageError: Photos that can't be read, all of them at once.
        """
        return compute_bottlenecks(
            X, self._backbone(), self.workspace_path, progress=self.progress
        )

    def _backbone(self) -> Backbone:
        """Return the backbone, the same one from call to call."""
        if not isinstance(self.arch, str):
            return self.arch
        made = getattr(self, "_made", None)
        if made is None or made[0] != self.arch:
            self._made = made = (self.arch, Backbone(self.arch))
        return made[1]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names for the features: the backbone's, and their numbers."""
        backbone = self._backbone()
        names = [f"{backbone.arch}_{i}" for i in range(backbone.n_features)]
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
