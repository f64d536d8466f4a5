"""How sure a figure is: against the same counted or drawn in another way."""

import math

import numpy as np
import pytest

from carlib.evaluation.resampling import resampled_means, sign_test_p


@pytest.mark.parametrize(("better", "worse"), [(9, 2), (30, 14), (5, 5), (1, 0)])
def test_with_one_seed_it_is_the_exact_mcnemar_test(better, worse):
    differences = np.array([1] * better + [-1] * worse + [0] * 50)
    n, fewer = better + worse, min(better, worse)
    tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    assert sign_test_p(differences) == pytest.approx(min(1, 2 * tail))


def test_a_photo_counts_once_in_however_many_seeds_it_differs():
    once = np.array([1, 1, 1, 1, -1, 0])
    assert sign_test_p(once * [3, 1, 2, 3, 3, 1]) == sign_test_p(once)


def test_its_false_alarms_are_no_more_than_it_says():
    """Two backbones that are equally good, on 200 photos in three seeds."""
    generator = np.random.default_rng(0)
    answers = generator.random((500, 2, 3, 200)) < 0.8
    differences = answers.sum(axis=2, dtype=int)
    p = [sign_test_p(one - other) for one, other in differences]
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 2 * (0.05 * 0.95 / 500) ** 0.5


def test_where_no_photo_differs_nothing_is_shown():
    assert sign_test_p(np.zeros(9, int)) == 1
    assert sign_test_p(np.array([], int)) == 1


def test_drawn_means_vary_as_theory_says():
    values = (np.arange(400) % 4 == 0).astype(float)
    draws = resampled_means(
        np.random.default_rng(0), np.arange(400), values, 1 - values
    )
    assert draws.shape == (2_000, 2)
    np.testing.assert_allclose(draws.sum(axis=1), 1)
    assert draws[:, 0].mean() == pytest.approx(0.25, abs=0.002)
    assert draws[:, 0].std() == pytest.approx((0.25 * 0.75 / 400) ** 0.5, rel=0.05)


def test_copies_make_an_interval_no_narrower():
    values = (np.arange(100) % 3 == 0).astype(float)
    once = resampled_means(np.random.default_rng(0), np.arange(100), values)
    distinct, twice = np.tile(np.arange(100), 2), np.tile(values, 2)
    again = resampled_means(np.random.default_rng(0), distinct, twice)
    np.testing.assert_allclose(again, once)


def test_many_photos_are_drawn_in_blocks(monkeypatch):
    values = np.linspace(0, 1, 50)
    whole = resampled_means(np.random.default_rng(0), np.arange(50), values)
    monkeypatch.setattr("carlib.evaluation.resampling.BLOCK", 50 * 300)
    parts = resampled_means(np.random.default_rng(0), np.arange(50), values)
    np.testing.assert_allclose(parts, whole)
