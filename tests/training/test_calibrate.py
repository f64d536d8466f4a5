"""Calibration: what logits are divided by, and moved by."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score

from carlib.training.calibrate import calibrate

METHODS = ("temperature", "bias-corrected", "adjusted")
PRIOR = np.array([0.7, 0.2, 0.1])


def drawn(n=4000, temperature=1.0, shift=(0.0, 0.0, 0.0), seed=0):
    """Logits whose probabilities would be true, had they not been changed."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=PRIOR)
    true = rng.normal(size=(n, 3)) + 2 * np.eye(3)[labels]
    true = 2 * true + np.log(PRIOR)  # normal densities of one width, and the prior
    return temperature * (true - shift), labels


def loss(logits, labels):
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()


class Given(ClassifierMixin, BaseEstimator):
    """A classifier of scikit-learn's whose input is its logits."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return x.argmax(axis=1)


def test_the_temperature_is_scikit_learns():
    logits, labels = drawn(temperature=1.8)
    rows = np.arange(len(labels))
    oracle = CalibratedClassifierCV(
        FrozenEstimator(Given().fit(logits, labels)),
        method="temperature",
        cv=[(rows, rows)],
    ).fit(logits, labels)
    found = calibrate("temperature", logits, labels)
    expected = 1 / oracle.calibrated_classifiers_[0].calibrators[0].beta_
    assert found.temperature == pytest.approx(expected, rel=1e-3)
    assert found.temperature == pytest.approx(1.8, rel=0.05)
    assert found.shift == (0.0, 0.0, 0.0) and found.photos == 4000


def test_a_shift_of_the_classes_is_found_and_undone():
    moved = np.array([1.0, -0.5, -0.5])
    logits, labels = drawn(temperature=1.5, shift=moved)
    found = calibrate("bias-corrected", logits, labels)
    assert found.temperature == pytest.approx(1.5, rel=0.06)
    np.testing.assert_allclose(found.shift, moved, atol=0.15)
    assert sum(found.shift) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_losses_told_are_those_before_and_after(method):
    logits, labels = drawn(temperature=2.0, shift=np.log(PRIOR))
    found = calibrate(method, logits, labels)
    after = logits / found.temperature + found.shift
    assert found.log_loss_before == pytest.approx(loss(logits, labels))
    assert found.log_loss_after == pytest.approx(loss(after, labels))
    assert found.log_loss_after < found.log_loss_before
    fresh, actual = drawn(temperature=2.0, shift=np.log(PRIOR), seed=1)
    assert loss(fresh / found.temperature + found.shift, actual) < loss(fresh, actual)


def test_an_adjustment_is_a_part_of_the_prior_at_no_loss_of_macro_accuracy():
    """What balanced class weights leave out; all of it would cost rare classes."""
    logits, labels = drawn(shift=np.log(PRIOR))
    found = calibrate("adjusted", logits, labels)
    prior = np.log(np.bincount(labels))
    slope = np.polyfit(prior, found.shift, 1)[0]
    np.testing.assert_allclose(found.shift, slope * (prior - prior.mean()), atol=1e-9)
    after = logits / found.temperature + found.shift
    macro = [
        balanced_accuracy_score(labels, each.argmax(axis=1)) for each in (logits, after)
    ]
    assert macro[1] >= macro[0]
    tempered = calibrate("temperature", logits, labels).log_loss_after
    every = calibrate("bias-corrected", logits, labels).log_loss_after
    assert every <= found.log_loss_after <= tempered


@pytest.mark.parametrize("method", METHODS)
def test_photos_that_are_all_named_right_do_not_make_it_sure_beyond_measure(method):
    labels = np.arange(30) % 3
    logits = 4.0 * np.eye(3)[labels]
    found = calibrate(method, logits, labels)
    made = softmax(logits / found.temperature + found.shift, axis=1)
    assert 1e-6 < 1 - made.max(axis=1).min() < 0.02
    assert np.isfinite(found.shift).all()


def test_logits_that_say_nothing_or_the_contrary_become_even():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    found = calibrate("temperature", -3 * np.eye(3)[labels], labels)
    assert found.temperature == pytest.approx(100)
    assert found.log_loss_after == pytest.approx(np.log(3), abs=0.05)


def test_two_classes_are_calibrated_too():
    rng = np.random.default_rng(0)
    half = rng.normal(size=2000)
    labels = (rng.random(2000) < softmax([[0, 1]] * half[:, None], axis=1)[:, 1]) * 1
    logits = 3 * np.stack([0 * half, half], axis=1)
    for method in METHODS:
        found = calibrate(method, logits, labels)
        assert found.temperature == pytest.approx(3, rel=0.15)
