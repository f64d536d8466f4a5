"""How sure a figure is: photos drawn anew, and signs counted."""

import numpy as np

RESAMPLES = 2_000
BLOCK = 1 << 22  # photos that are drawn at once


def resampled_means(
    generator: np.random.Generator, distinct: np.ndarray, *values: np.ndarray
) -> np.ndarray:
    """Draw photos anew, copies together; return the means, (2,000, len(values)).

    Args:
        generator: Draws them.
        distinct: A number a photo, the same for copies.
        values: Each (n,), a value a photo.
    """
    _, unit = np.unique(distinct, return_inverse=True)
    sums = [np.bincount(unit, value) for value in (*values, np.ones(len(unit)))]
    n_units = len(sums[0])
    at_once, parts = max(1, BLOCK // n_units), []
    for start in range(0, RESAMPLES, at_once):
        shape = min(at_once, RESAMPLES - start), n_units
        drawn = generator.integers(n_units, size=shape)
        parts.append(np.stack([row[drawn].sum(axis=1) for row in sums], axis=1))
    totals = np.concatenate(parts)
    return totals[:, :-1] / totals[:, -1:]


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return what holds the middle 95 % of the draws."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def sign_test_p(differences: np.ndarray) -> float:
    """Return how likely so many signs of a kind are if each is a coin's toss.

    Two-sided and exact; zeros have no say.
    """
    from scipy.stats import binomtest

    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
