"""The inverse power law of learning, a − b·n^−c, and the band of what it foretells."""

from dataclasses import dataclass

import numpy as np

# Learning curves of accuracy fall in this range (Hestness et al. 2017, arXiv
# 1712.00409; Viering and Loog 2022, arXiv 2103.10948). Three to five points can't tell
# the rate, so each draw takes one of these: what isn't known widens the band.
RATES = np.linspace(0.1, 1.0, 19)
DRAWS = 1_000


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """Hold many fits of one learning curve, each to photos and repeats drawn anew.

    Attributes:
        limit, gap, rate: a, b and c of each draw, float64 (draws,). With a slow rate a
            may be above 1: the law holds for some times the photos, not for ever.
    """

    limit: np.ndarray
    gap: np.ndarray
    rate: np.ndarray

    def at(self, n: float) -> tuple[float, float, float]:
        """Return the accuracy at n training photos: its median, and the middle 95 %."""
        accuracy = (self.limit - self.gap * n**-self.rate).clip(0, 1)
        low, middle, high = np.percentile(accuracy, [2.5, 50, 97.5])
        return float(middle), float(low), float(high)


def fit(sizes: np.ndarray, accuracies: np.ndarray, seed: int = 0) -> PowerLaw:
    """Fit a − b·n^−c to each draw of a curve, by least squares; b is 0 or more.

    A size counts as much as it has photos: what is foretold lies beyond the largest.

    Args:
        sizes: Numbers of training photos, (k,), two at least.
        accuracies: (draws, k).
        seed: Draws each one's rate.
    """
    rate = np.random.default_rng(seed).choice(RATES, len(accuracies))
    x = sizes.astype(np.float64) ** -rate[:, np.newaxis]  # (draws, k)
    weights = sizes / sizes.sum()
    x_mean, y_mean = x @ weights, accuracies @ weights
    x_off, y_off = x - x_mean[:, np.newaxis], accuracies - y_mean[:, np.newaxis]
    gap = (-(x_off * y_off) @ weights / (x_off**2 @ weights)).clip(min=0)
    return PowerLaw(y_mean + gap * x_mean, gap, rate)
