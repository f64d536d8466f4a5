"""The head as numbers: softmax, row by row, and views together."""

import numpy as np
import pytest
from scipy.special import softmax

from carlib.model.head import LinearHead


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(6, 3)), rng.normal(size=3)
    mean, scale = rng.normal(size=6), rng.uniform(0.5, 2, 6)
    return LinearHead(*(a.astype(np.float32) for a in (kernel, bias, mean, scale)))


def rows(n, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)


def test_probabilities_are_the_softmax_of_standardised_features(head):
    standard = (rows(2000) - head.mean.astype(float)) / head.scale
    expected = softmax(standard @ head.kernel.astype(float) + head.bias, axis=1)
    np.testing.assert_allclose(head.probabilities(rows(2000)), expected, rtol=1e-9)
    assert head.standardizes


def test_a_rows_probabilities_do_not_depend_on_the_others(head):
    features = rows(1500)
    together = head.probabilities(features)
    for some in (slice(0, 1), slice(700, 1400), slice(1499, 1500)):
        np.testing.assert_array_equal(
            head.probabilities(rows(1500)[some]), together[some]
        )


def test_views_are_averaged_whether_they_come_at_once_or_one_by_one(head):
    one, other = rows(4, 1), rows(4, 2)
    expected = softmax((head.logits(one) + head.logits(other)) / 2, axis=1)
    given = head.averaged([one, other])
    np.testing.assert_allclose(given, expected, rtol=1e-12)
    np.testing.assert_array_equal(head.averaged(iter([one, other])), given)
    np.testing.assert_array_equal(head.averaged([one]), head.probabilities(one))


def test_the_average_of_views_is_the_head_on_their_mean_features(head):
    """So a model stays one layer, whatever views it looks at."""
    one, other = rows(50, 1), rows(50, 2)
    mean = (one.astype(float) + other) / 2
    np.testing.assert_allclose(
        head.averaged_logits([one, other]), head.logits(mean), atol=1e-12
    )


def test_a_calibrated_head_is_a_head_whose_logits_are_divided_and_moved(head):
    shift = [0.5, -0.25, 0.0]
    expected = head.logits(rows(50)) / 1.7 + shift
    calibrated = head.calibrated(1.7, shift)
    np.testing.assert_allclose(calibrated.logits(rows(50)), expected, atol=1e-5)
    assert calibrated.kernel.dtype == calibrated.bias.dtype == np.float32
    assert calibrated.fits(6, 3)


def test_no_rows_have_no_probabilities_and_a_row_of_nan_has_nan(head):
    assert head.probabilities(rows(0)).shape == (0, 3)
    assert np.isnan(head.probabilities(rows(2) * np.nan)).all()


def test_it_fits_its_own_size_only(head):
    assert head.fits(6, 3)
    assert not head.fits(6, 4) and not head.fits(5, 3)
    assert not LinearHead(head.kernel, head.bias, head.mean, head.scale * 0).fits(6, 3)
