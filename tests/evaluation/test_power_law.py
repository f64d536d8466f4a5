"""The inverse power law: what it is fitted to, and how far it can be trusted."""

import numpy as np

from carlib.evaluation import power_law
from carlib.evaluation.power_law import RATES, fit


def test_it_finds_the_law_that_points_follow(monkeypatch):
    monkeypatch.setattr(power_law, "RATES", np.array([0.5]))
    sizes = np.array([50, 100, 200, 400])
    accuracies = np.tile(0.9 - 2 * sizes**-0.5, (10, 1))
    value, low, high = fit(sizes, accuracies).at(1600)
    np.testing.assert_allclose([value, low, high], 0.9 - 2 * 1600**-0.5)


def test_what_the_rate_may_be_widens_the_band_beyond_the_points_alone():
    sizes = np.array([50, 100, 200, 400])
    law = fit(sizes, np.tile(0.9 - 2 * sizes**-0.5, (1000, 1)))
    widths = [np.subtract(*law.at(n)[:0:-1]) for n in (400, 800, 1200)]
    assert 0 < widths[0] < 0.02 < widths[1] < widths[2]
    assert set(law.rate) == set(RATES)
    for n in (800, 1200):
        _, low, high = law.at(n)
        assert low < 0.9 - 2 * n**-0.5 < high


def test_more_photos_never_make_it_worse_and_nothing_is_above_1():
    sizes = np.array([10, 20, 40])
    falling = fit(sizes, np.tile([0.8, 0.7, 0.6], (50, 1)))
    assert falling.at(40) == falling.at(120)
    steep = fit(sizes, np.tile([0.2, 0.6, 0.95], (50, 1)))
    assert max(steep.at(120)) <= 1


def test_a_larger_size_counts_for_more():
    sizes = np.array([10, 20, 400])
    law = fit(sizes, np.tile([0.5, 0.3, 0.7], (200, 1)))
    assert abs(law.at(400)[0] - 0.7) < 0.01
