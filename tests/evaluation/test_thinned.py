"""Heads trained on fewer photos: nested, copies together, judged on others."""

import numpy as np
import pytest
from scipy.stats import beta

from carlib.evaluation.thinned import SHARES, Hits, Photos, order_of, thinned
from carlib.training.options import TrainingOptions


def made(features, labels, distinct, l2):
    options = TrainingOptions(optimizer="lbfgs", l2=l2, class_weight="balanced")
    classes = tuple("abc"[: labels.max() + 1])
    return Photos(features, labels.astype(np.int32), distinct, classes, options)


@pytest.fixture(scope="module")
def drawn():
    """Three classes that lie apart, of 80, 40 and 20 photos, each photo twice."""
    generator = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [80, 40, 20])
    features = generator.normal(size=(140, 12)).astype(np.float32)
    features[np.arange(140), labels] += 2
    return made(features, labels, np.arange(140) // 2, 0.01)


def test_a_larger_share_has_all_of_a_smaller_one_and_copies_are_together(drawn):
    places = order_of(drawn, np.random.default_rng(1))
    for label, count in enumerate([80, 40, 20]):
        own = places[drawn.labels == label]
        assert (own[::2] == own[1::2]).all()
        for share in SHARES:
            assert abs((own <= share).sum() - share * count) <= 2


def test_the_sizes_are_those_trained_on_and_each_photo_is_judged_once(drawn):
    whole, second = thinned(drawn, [1], 4, 2)
    assert whole.right.shape == (5, 2, 140) and second.right.shape == (3, 2, 40)
    assert whole.sizes[-1] == 105 and second.sizes[-1] == 30
    np.testing.assert_allclose(second.sizes, [7.5, 15, 30], atol=1)
    assert (np.diff(whole.sizes) > 0).all()
    assert set(second.labels) == {1}


def test_more_photos_name_more_right(drawn):
    whole, *classes = thinned(drawn, [0, 1, 2], 4, 3)
    for hits in (whole, *classes):
        recall = hits.recall()
        assert recall[0] < recall[-1] and recall[-1] > 0.7


def test_no_head_saw_a_copy_of_what_it_names():
    """Labels that can't be learned are known by heart to who saw the photo's copy."""
    generator = np.random.default_rng(4)
    features = np.repeat(generator.normal(size=(60, 80)), 2, axis=0).astype("f4")
    labels = np.repeat(np.tile([0, 1], 30), 2)
    photos = made(features, labels, np.arange(120) // 2, 1e-4)
    assert thinned(photos, [], 5, 2)[0].recall()[-1] < 0.65
    blind = made(features, labels, np.arange(120), 1e-4)
    assert thinned(blind, [], 5, 2)[0].recall()[-1] > 0.8


def test_the_recall_is_the_mean_of_the_classes_and_draws_lie_around_it():
    right = np.zeros((1, 1, 100), bool)
    right[..., :80] = True  # 80 of 90 of one class, none of 10 of the other
    hits = Hits(np.array([50]), right, np.repeat([0, 1], [90, 10]), np.arange(100))
    assert hits.recall() == pytest.approx([80 / 90 / 2])
    draws = hits.drawn()
    assert draws.mean() == pytest.approx((80.5 / 91 + 0.5 / 11) / 2, abs=0.005)
    spreads = [beta(80.5, 10.5).std(), beta(0.5, 10.5).std()]
    assert draws.std() == pytest.approx(np.hypot(*spreads) / 2, rel=0.1)


def test_of_few_photos_all_named_right_not_all_is_known():
    """Jeffreys' interval, which has a width where a plain bootstrap has none."""
    right, labels = np.ones((2, 3, 10), bool), np.zeros(10, int)
    draws = Hits(np.array([4, 8]), right, labels, np.arange(10)).drawn()
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(low, beta(10.5, 0.5).ppf(0.025), atol=0.02)
    assert (high > 0.99).all() and (draws[:, 0] == draws[:, 1]).all()


def test_copies_are_drawn_together():
    generator = np.random.default_rng(5)
    right = np.repeat(generator.random((1, 1, 50)) < 0.5, 4, axis=2)
    labels = np.zeros(200, int)
    alone = Hits(np.array([9]), right, labels, np.arange(200)).drawn()
    together = Hits(np.array([9]), right, labels, np.arange(200) // 4).drawn()
    assert together.std() == pytest.approx(2 * alone.std(), rel=0.15)


def test_a_call_tells_of_each_fold(drawn):
    calls = []
    thinned(drawn, [], 3, 2, lambda: calls.append(1))
    assert len(calls) == 6
