"""When a model isn't sure: thresholds, distances, and sets of labels that hold."""

import dataclasses
import math
import warnings

import numpy as np
import pytest

from carlib.errors import OptionError
from carlib.model import confidence as module
from carlib.model.confidence import (
    UNLIKE,
    least_photos,
    make_confidence,
    nearest,
    unit_length,
)
from tests.sure import confidence_of


def answers(generator, n, classes=4, sharpness=2.0):
    """Labels and calibrated probabilities: a label is drawn from what is said of it."""
    logits = generator.normal(0, sharpness, (n, classes))
    weights = np.exp(logits)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    draws = generator.random((n, 1))
    return (draws > probabilities.cumsum(axis=1)).sum(axis=1), probabilities


def pairs(*rights):
    """Two classes, answers of falling probability, and whether each is right."""
    top = np.linspace(0.99, 0.6, len(rights))
    labels = np.where(rights, 0, 1)
    return confidence_of(labels, np.stack([top, 1 - top], axis=1), error_rate=0.25), top


def test_the_threshold_is_the_lowest_that_holds_with_one_more_wrong():
    made, top = pairs(*[1] * 6, 0, *[1] * 5, 0, 0)
    # Of 12 with one wrong, (1 + 1) / (12 + 1) is held; of 13 with two, 3 / 14, too; of
    # 14 with three, 4 / 15 is more than a quarter.
    assert made.threshold == np.float32(top[12])
    stricter = dataclasses.replace(made, error_rate=0.15)
    assert stricter.threshold == np.float32(top[5])  # 1 / 7, before the wrong one


def test_of_answers_with_one_probability_all_are_accepted_or_none():
    labels = [0] * 9 + [1] * 9
    made = confidence_of(labels, [[0.9, 0.1]] * 18, error_rate=0.1)
    assert made.threshold is None
    reason = made.reasons(np.array([0.9]), np.array([0.3]))
    assert reason == ["not sure: 0.90, and no answer of it is sure enough"]


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_the_threshold_holds_its_error_rate_on_other_photos(rate):
    generator = np.random.default_rng(0)
    shares, accepted = [], []
    for _ in range(300):
        made = confidence_of(*answers(generator, 150, sharpness=4), error_rate=rate)
        labels, probabilities = answers(generator, 1000, sharpness=4)
        sure = ~made.are_unsure(probabilities.max(axis=1))
        accepted.append(sure.mean())
        wrong = (probabilities.argmax(axis=1) != labels) & sure
        shares.append(wrong.sum() / max(1, sure.sum()))
    assert 0.5 * rate < np.mean(shares) <= rate
    assert np.mean(accepted) > 0.3


def test_a_rate_that_so_few_photos_cannot_hold_is_refused_with_the_number():
    labels, probabilities = answers(np.random.default_rng(0), 30)
    confidence_of(labels, probabilities, error_rate=1 / 31)
    with pytest.raises(OptionError, match="Expected 99 photos.*Received: 30") as caught:
        confidence_of(labels, probabilities, error_rate=0.01)
    assert caught.value.hint == "Add photos, or choose error_rate=0.033."
    assert [least_photos(rate) for rate in (0.5, 0.1, 0.05, 0.01)] == [1, 9, 19, 99]


@pytest.mark.parametrize("rate", [0, 1, -0.1, math.nan, "0.05", True, None])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(OptionError, match=r"between 0 and 1.*Received"):
        confidence_of(*answers(np.random.default_rng(0), 30), error_rate=rate)


def test_reasons_are_short_words_and_both_are_told():
    made = confidence_of([0] * 30, [[0.551, 0.449]] * 30, error_rate=0.05)
    said = made.reasons(
        np.array([0.9, 0.41, 0.9, 0.41, 0.5504, math.nan]),
        np.array([0.3, 0.3, 0.9, 0.9, 0.3, math.nan]),
    )
    low = "not sure: 0.41, below 0.55"
    assert said[:4] == ["", low, UNLIKE, f"{UNLIKE}; {low}"]
    assert said[4:] == ["not sure: 0.550, below 0.551", "not read"]


def clusters(generator, n, centres):
    return centres[generator.integers(len(centres), size=n)] + generator.normal(
        0, 0.1, (n, centres.shape[1])
    )


def test_distance_lets_95_percent_of_like_photos_pass_and_none_unlike():
    generator = np.random.default_rng(0)
    centres = generator.normal(0, 1, (12, 16))
    passed, foreign = [], []
    for _ in range(40):
        labels, probabilities = answers(generator, 120)
        photos = clusters(generator, 120, centres[:6])
        made = make_confidence(probabilities, labels, photos, np.arange(120))
        for found, own in ((passed, centres[:6]), (foreign, centres[6:])):
            distances = made.distances(clusters(generator, 200, own))
            found.append(~made.are_unlike(distances))
    assert 0.94 < np.mean(passed) < 0.97
    assert np.mean(foreign) == 0


def test_a_photo_is_not_near_to_its_own_copy():
    generator = np.random.default_rng(0)
    features = np.repeat(generator.normal(0, 1, (20, 8)), 2, axis=0)
    labels, probabilities = answers(generator, 40)
    apart = make_confidence(probabilities, labels, features, np.arange(40))
    together = make_confidence(
        probabilities, labels, features, np.repeat(np.arange(20), 2)
    )
    assert apart.photos[:, 4].max() < 1e-6
    assert together.photos[:, 4].min() > 0.01
    assert apart.distances(features).max() < 1e-6


def test_the_distance_is_one_minus_the_largest_cosine():
    from sklearn.metrics.pairwise import cosine_distances

    generator = np.random.default_rng(0)
    photos, others = generator.normal(0, 1, (1500, 6)), generator.normal(0, 1, (9, 6))
    expected = cosine_distances(photos, others).min(axis=1)
    given = nearest(unit_length(photos), unit_length(others))
    np.testing.assert_allclose(given, expected, atol=1e-12)
    with warnings.catch_warnings(action="error"):
        odd = unit_length(np.array([[0.0] * 6, [math.nan] * 6]))
        distances = nearest(odd, unit_length(others))
    assert distances[0] == 1 and math.isnan(distances[1])


def test_too_few_photos_know_no_largest_distance():
    labels, probabilities = answers(np.random.default_rng(0), 20)
    few = confidence_of(labels[:18], probabilities[:18], error_rate=0.1)
    assert few.farthest is None
    assert not few.are_unlike(np.array([1.9])).any()
    enough = confidence_of(labels[:19], probabilities[:19], error_rate=0.1)
    assert enough.farthest == np.float32(0.4)


def test_what_is_kept_is_bounded_and_every_class_is_among_it(monkeypatch):
    monkeypatch.setattr(module, "MOST_PHOTOS", 50)
    monkeypatch.setattr(module, "REFERENCE_BYTES", 4 * 8 * 12)
    generator = np.random.default_rng(0)
    labels = np.array([0] * 90 + [1] * 8 + [2] * 2)
    probabilities = generator.dirichlet([1, 1, 1], 100)
    features = generator.normal(0, 1, (100, 8))
    groups = np.arange(100)
    made = make_confidence(probabilities, labels, features, groups, error_rate=0.1)
    again = make_confidence(probabilities, labels, features, groups, error_rate=0.1)
    other = make_confidence(
        probabilities, labels, features, groups, error_rate=0.1, seed=2
    )
    assert made.photos.shape == (50, 5) and made.references.shape == (12, 8)
    assert made.references.dtype == made.photos.dtype == np.float32
    assert np.bincount(made.photos[:, 0].astype(int)).tolist() == [40, 8, 2]
    near = [
        np.abs(unit_length(features) - row).sum(1).argmin() for row in made.references
    ]
    assert np.bincount(labels[near]).tolist() == [5, 5, 2]
    assert np.array_equal(made.references, again.references)
    assert not np.array_equal(made.references, other.references)


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.3])
def test_sets_are_those_of_mapie_where_no_probabilities_are_equal(alpha):
    mapie = pytest.importorskip("mapie.classification")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """Answers what it is asked."""

        classes_ = np.arange(4)

        def fit(self, x, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict_proba(self, x):
            return x

        def predict(self, x):
            return x.argmax(axis=1)

    generator = np.random.default_rng(3)
    labels, known = answers(generator, 200)
    known = known.astype(np.float32).astype(np.float64)
    _, fresh = answers(generator, 300)
    oracle = mapie.SplitConformalClassifier(
        Given(), confidence_level=1 - alpha, conformity_score="lac", prefit=True
    )
    oracle.conformalize(known, labels)
    expected = oracle.predict_set(fresh)[1][:, :, 0]
    assert np.array_equal(confidence_of(labels, known).sets(fresh, alpha), expected)


def test_sets_hold_the_actual_class_as_often_as_promised():
    generator, held, sizes = np.random.default_rng(0), [], []
    for _ in range(200):
        made = confidence_of(*answers(generator, 60), error_rate=0.1)
        labels, fresh = answers(generator, 200)
        sets = made.sets(fresh, alpha=0.1)
        held.append(sets[np.arange(200), labels].mean())
        sizes.append(sets.sum(axis=1).mean())
    assert abs(np.mean(held) - 55 / 61) < 0.008  # of 61 ranks 55 are within
    assert np.mean(sizes) < 3


def test_equal_probabilities_are_parted_by_lot_so_that_sets_stay_small():
    """Of 100 photos that the model is sure of, 20 are wrong, all with probability 0."""
    labels = np.array([0] * 80 + [1] * 20)
    made = confidence_of(labels, [[1, 0, 0]] * 100)
    fresh = np.array([[1.0, 0, 0]] * 4000)
    sets = made.sets(fresh, alpha=0.1)
    assert sets[:, 0].all()
    assert 0.45 < sets[:, 1].mean() < 0.6  # and not all, as by a plain threshold
    held = np.where(np.arange(4000) % 5 > 0, sets[:, 0], sets[:, 1])
    assert 0.89 < held.mean() < 0.93
    assert np.array_equal(sets, made.sets(fresh, alpha=0.1))


def test_sets_can_hold_for_each_class_by_itself():
    generator = np.random.default_rng(0)
    held, fewer = [], []
    for _ in range(60):
        labels, known = answers(generator, 400, classes=2)
        known[labels == 1] = 0.7 * known[labels == 1] + [[0.3, 0]]  # it fares worse
        made = confidence_of(labels[:300], known[:300])
        rare, place = known[300:], np.arange(100)
        of_rare = labels[300:] == 1
        for found, by in ((held, True), (fewer, False)):
            sets = made.sets(rare, alpha=0.1, per_class=by)
            found.append(sets[place, labels[300:]][of_rare].mean())
    assert np.mean(held) >= 0.9
    assert np.mean(fewer) < 0.885


def test_an_alpha_for_which_there_are_too_few_photos_is_refused_with_the_number():
    labels = np.array([0] * 57 + [1] * 3)
    made = confidence_of(labels, [[0.9, 0.1]] * 60, error_rate=0.1)
    fresh = np.array([[0.5, 0.5]])
    with pytest.raises(OptionError, match="99 photos or more for alpha=0.01"):
        made.sets(fresh, alpha=0.01)
    with pytest.raises(OptionError, match="9 photos or more of each class .*: 3"):
        made.sets(fresh, alpha=0.1, per_class=True)
    assert made.sets(np.full((1, 2), math.nan), 0.1).sum() == 0


def test_it_says_what_it_is_without_its_numbers():
    made = confidence_of(*answers(np.random.default_rng(0), 30))
    assert repr(made) == "Confidence(error_rate=0.05, 30 photos)"
