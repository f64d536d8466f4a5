"""Intervals: that they hold the truth as often as they say, and are never nothing.

`benchmarks/coverage.py` has the same in full.
"""

import math
from statistics import NormalDist

import numpy as np
import pytest

from carlib.evaluation.headline import headline
from carlib.evaluation.intervals import (
    mean_difference_interval,
    mean_interval,
    mean_recall_interval,
    wilson_interval,
)
from tests.evaluation.coverage import (
    SETS,
    covered,
    losses_and_labels,
    of_losses,
    of_recalls,
)

RUNS = 300
CHANCE = 2 * (0.95 * 0.05 / RUNS) ** 0.5  # of a coverage counted in so many runs


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (1, 7), (153, 180), (1, 1)])
def test_the_interval_of_a_share_is_wilsons(hits, n):
    """Wilson 1927: the shares p with |hits / n - p| ≤ z · √(p (1 - p) / n)."""
    z, share = NormalDist().inv_cdf(0.975), hits / n
    for end in wilson_interval(hits, n):
        assert abs(share - end) == pytest.approx(z * (end * (1 - end) / n) ** 0.5)
    low, high = wilson_interval(hits, n)
    assert low <= share <= high and low < high


def test_of_no_photos_nothing_is_known():
    assert wilson_interval(0, 0) == (0, 1)


# --- the mean of recalls -------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_the_interval_of_the_macro_accuracy_holds_the_truth(name):
    """A plain bootstrap of 8 classes of 3 holds it in 67 of 100."""
    ends = of_recalls(name, mean_recall_interval, RUNS)
    assert covered(ends, np.mean(SETS[name][1])) >= 0.93 - CHANCE
    assert (ends[:, 0] < ends[:, 1]).all()


def test_it_is_no_wider_than_need_be_where_photos_are_many():
    support, recalls = np.full(8, 200), np.linspace(0.7, 0.95, 8)
    low, high = mean_recall_interval(support * recalls, support)
    deviation = math.sqrt((recalls * (1 - recalls) / support).sum()) / 8
    assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("support", [[1], [3], [3, 3, 3], [100, 5], [400_000] * 9])
def test_all_right_and_all_wrong_mirror_each_other(support):
    support = np.array(support)
    low, high = mean_recall_interval(support, support)
    assert high == 1 and 0 < low < 1
    assert mean_recall_interval(0 * support, support) == pytest.approx((0, 1 - low))


def test_its_ends_are_where_the_likeliest_recalls_are_1_96_deviations_away():
    """By scipy's optimizer, which knows nothing of the multiplier."""
    from scipy.optimize import minimize

    hits, support = np.array([4, 9, 17]), np.array([6, 10, 25])
    for end in mean_recall_interval(hits, support):

        def unlikely(p):
            return -(hits * np.log(p) + (support - hits) * np.log(1 - p)).sum()

        given = {"type": "eq", "fun": lambda p, end=end: p.mean() - end}
        bounds = [(1e-6, 1 - 1e-6)] * 3
        found = minimize(unlikely, np.full(3, end), bounds=bounds, constraints=given)
        variance = (found.x * (1 - found.x) / (support - 1)).sum() / 9
        away = abs((hits / support).mean() - end) / math.sqrt(variance)
        assert away == pytest.approx(1.96, abs=0.01)


# --- the mean of losses --------------------------------------------------------------


def of_loss(losses, labels):
    return mean_interval(losses, math.log(8))


def of_reduction(losses, labels):
    """Take the interval out of the table of all figures."""
    scores, ranks = np.full((len(losses), 8), 1 / 8), np.zeros(len(losses), int)
    table = headline(labels, scores, losses, ranks, 1)
    return tuple(table.loc["log_loss_reduction", ["low", "high"]])


@pytest.mark.parametrize("n", [15, 60, 180])
@pytest.mark.parametrize("sharpness", [1, 3])
def test_the_interval_of_the_log_loss_holds_the_truth(sharpness, n):
    """Student's t of 15 losses holds it in 79 to 86 of 100."""
    ends = of_losses(sharpness, n, RUNS, of_loss)
    truth = losses_and_labels(sharpness)[0].mean()
    assert covered(ends, truth) >= 0.93 - CHANCE
    assert (ends[:, 0] < ends[:, 1]).all()


@pytest.mark.parametrize("n", [15, 180])
def test_the_interval_of_the_reduction_holds_the_truth(n):
    losses, labels = losses_and_labels(1)
    share = np.bincount(labels) / len(labels)
    truth = 1 + losses.mean() / (share * np.log(share)).sum()
    ends = of_losses(1, n, RUNS // 2, of_reduction)
    assert covered(ends, truth) >= 0.93 - 2 * CHANCE
    assert (ends <= 1).all()


def test_of_many_losses_it_is_students():
    values = np.random.default_rng(0).gamma(1, 1, 4_000)
    low, high = mean_interval(values, 2.0)
    deviation = values.std() / 4_000**0.5
    assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.01)
    assert low < values.mean() < high and high - values.mean() > values.mean() - low


@pytest.mark.parametrize("values", [[0.1], [0.1, 0.1], [0.0] * 50])
def test_equal_losses_are_not_certain(values):
    low, high = mean_interval(np.array(values), math.log(8))
    assert low < values[0] < high


def test_no_order_changes_it():
    values = np.random.default_rng(1).gamma(0.3, 1, 50)
    assert mean_interval(values, 2.0) == mean_interval(values[::-1], 2.0)


# --- the mean of differences ---------------------------------------------------------


def test_copies_make_no_interval_narrower():
    generator = np.random.default_rng(0)
    values, strata = generator.integers(-1, 2, 90), np.repeat([0, 1, 2], 30)
    once = mean_difference_interval(values, strata, np.arange(90), 0)
    twice = mean_difference_interval(
        np.tile(values, 2), np.tile(strata, 2), np.tile(np.arange(90), 2), 0
    )
    assert np.diff(twice) == pytest.approx(np.diff(once), rel=0.05)


def test_two_that_always_agree_are_not_certain_to():
    low, high = mean_difference_interval(
        np.zeros(9), np.arange(9) // 3, np.arange(9), 1
    )
    assert low < 0 < high and low == -high
