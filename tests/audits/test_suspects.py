"""Doubtful labels and odd photos, of features that are drawn."""

import numpy as np
import pytest

from carlib.audits.suspects import are_outliers, doubtful, far_from_all, out_of_fold


@pytest.fixture
def drawn():
    """Three classes of forty photos, well apart, and their labels."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    centres = np.eye(3)[labels] @ generator.normal(size=(3, 12)) * 4
    return centres + generator.normal(size=(120, 12)), labels


def test_labels_that_were_changed_are_found(drawn):
    features, labels = drawn
    wrong = np.array([3, 50, 90, 110])
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + 1) % 3
    scores = out_of_fold(features, changed, np.arange(120))
    found = doubtful(changed, scores)
    assert set(wrong) <= set(found) and len(found) <= 8
    assert (scores[wrong].argmax(axis=1) == labels[wrong]).all()


def test_right_labels_are_left_alone(drawn):
    features, labels = drawn
    assert len(doubtful(labels, out_of_fold(features, labels, np.arange(120)))) <= 4


def test_a_copy_with_the_same_wrong_label_does_not_hide_it(drawn):
    features, labels = drawn
    features, labels = np.vstack([features, features[:1]]), np.append(labels, 1)
    labels[0] = 1  # both the photo and its copy are wrong
    distinct = np.append(np.arange(120), 0)
    scores = out_of_fold(features, labels, distinct)
    assert {0, 120} <= set(doubtful(labels, scores))
    assert (scores[[0, 120]].argmax(axis=1) == 0).all()


def test_probabilities_add_up_and_do_not_depend_on_the_order(drawn):
    features, labels = drawn
    scores = out_of_fold(features, labels, np.arange(120))
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    order = np.random.default_rng(1).permutation(120)
    shuffled = out_of_fold(features[order], labels[order], np.arange(120)[order])
    assert (shuffled.argmax(axis=1) == scores[order].argmax(axis=1)).mean() > 0.95


def test_a_class_of_one_picture_is_not_judged(drawn):
    features, labels = drawn
    rows = [*range(80), 80, 81]
    distinct = np.array([*range(80), 80, 80])  # two copies of one picture
    scores = out_of_fold(features[rows], labels[rows], distinct)
    assert np.isnan(scores[80:]).all() and not np.isnan(scores[:80]).any()
    assert not {80, 81} & set(doubtful(labels[rows], scores))


@pytest.mark.parametrize("labels", [[0] * 9, [0, 1, 2], []])
def test_where_nothing_can_be_compared_nothing_is_doubtful(labels):
    labels = np.array(labels, int)
    features = np.random.default_rng(0).normal(size=(len(labels), 4))
    scores = out_of_fold(features, labels, np.arange(len(labels)))
    assert np.isnan(scores).all() and len(doubtful(labels, scores)) == 0


def test_a_photo_far_from_all_is_odd_though_it_has_a_copy():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 8)) * 0.1 + 1
    features[[7, 8]] = [1, -1, 1, -1, 1, -1, 1, -1]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distinct = np.arange(60)
    distinct[8] = 7
    distances = far_from_all(features, distinct)
    assert set(np.flatnonzero(are_outliers(distances))) >= {7, 8}
    assert distances[7] == distances[8] == pytest.approx(1, abs=0.1)


def test_one_photo_alone_is_not_odd():
    assert far_from_all(np.ones((2, 3)), np.zeros(2, int)).tolist() == [0, 0]
    assert not are_outliers(np.empty(0)).any()
