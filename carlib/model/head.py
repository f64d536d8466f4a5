"""The head as numbers: one linear layer and a softmax."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

_ROWS = 1024  # whose logits are computed at once


@dataclass(frozen=True, eq=False)
class LinearHead:
    """What maps features to probabilities.

    They are softmax((features - mean) / scale · kernel + bias); what is in front of the
    softmax are the logits. Of several views of a photo the logits are averaged: those
    are the logits of the mean of their features, so that a model stays one layer.

    Attributes:
        kernel: float32 (n_features, n_classes).
        bias: float32 (n_classes,).
        mean, scale: The training photos', float32 (n_features,); 0 and 1 where features
            are taken as they are.
    """

    kernel: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @property
    def standardizes(self) -> bool:
        """Whether features are changed before the layer."""
        return bool(self.mean.any() or (self.scale != 1).any())

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Turn features (n, d) into probabilities, float64 (n, n_classes)."""
        return softmax(self.logits(features))

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Turn features (n, d) into logits, float64 (n, n_classes).

        A photo's logits don't depend on which others are with it.
        """
        starts = range(0, len(features), _ROWS)
        parts = [self._some(features[i : i + _ROWS]) for i in starts]
        return np.concatenate([np.empty((0, len(self.bias))), *parts])

    def averaged(self, views: Iterable[np.ndarray]) -> np.ndarray:
        """Return the probabilities of several views of the same photos together.

        Args:
            views: Each view's features (n, d), such as the photos' and those of their
                mirror images; they may come one after another.
        """
        return softmax(self.averaged_logits(views))

    def averaged_logits(self, views: Iterable[np.ndarray]) -> np.ndarray:
        """Return the logits of several views of the same photos together."""
        total, n_views = 0.0, 0
        for features in views:
            total, n_views = total + self.logits(features), n_views + 1
        return total / n_views

    def calibrated(self, temperature: float, shift: Sequence[float]) -> "LinearHead":
        """Return the head whose logits are this one's / temperature + shift."""
        kernel = self.kernel.astype(np.float64) / temperature
        bias = self.bias.astype(np.float64) / temperature + shift
        return replace(
            self, kernel=kernel.astype(np.float32), bias=bias.astype(np.float32)
        )

    def fits(self, n_features: int, n_classes: int) -> bool:
        """Tell whether it maps so many features to so many classes."""
        return (
            self.kernel.shape == (n_features, n_classes)
            and self.bias.shape == (n_classes,)
            and self.mean.shape == self.scale.shape == (n_features,)
            and bool((self.scale > 0).all())
        )

    def _some(self, features: np.ndarray) -> np.ndarray:
        standard = (features.astype(np.float64) - self.mean) / self.scale
        # One product a row: BLAS sums in another order for other numbers of rows.
        rows = standard[:, np.newaxis]
        return (rows @ self.kernel.astype(np.float64))[:, 0] + self.bias


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (n, n_classes) into probabilities that add up to 1 in each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
