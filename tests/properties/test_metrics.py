"""Every figure of an evaluation is scikit-learn's, whatever the scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carlib.evaluation.evaluate import evaluate
from tests.evaluation.predicted import predictions

NAMES = ("a", "b", "c", "d")
FEW = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def rows(draw):
    """Actual classes, and a row of probabilities each."""
    n = draw(st.integers(1, 30))
    actual = draw(st.lists(st.sampled_from(range(4)), min_size=n, max_size=n))
    weights = st.floats(2**-10, 1, width=32)
    scores = draw(arrays.arrays(np.float64, (n, 4), elements=weights))
    scores += [0, 1e-7, 2e-7, 3e-7]  # scikit-learn breaks ties in another way
    return np.array(actual), scores / scores.sum(axis=1, keepdims=True)


def figures(actual, scores, **options):
    table = predictions([NAMES[index] for index in actual], scores, NAMES)
    return evaluate(table, **options)


@FEW
@given(rows())
def test_accuracy_balanced_accuracy_and_confusion_are_those_of_scikit_learn(data):
    from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

    actual, scores = data
    metrics, predicted = figures(actual, scores), scores.argmax(axis=1)
    present = np.unique(actual)
    balanced = recall_score(
        actual, predicted, labels=present, average="macro", zero_division=0
    )
    assert metrics.micro_accuracy == pytest.approx(accuracy_score(actual, predicted))
    assert metrics.macro_accuracy == pytest.approx(balanced)
    np.testing.assert_array_equal(
        metrics.confusion_matrix, confusion_matrix(actual, predicted, labels=range(4))
    )


@FEW
@given(rows())
def test_precision_and_recall_of_each_class_are_those_of_scikit_learn(data):
    from sklearn.metrics import precision_recall_fscore_support as of_classes

    actual, scores = data
    table = figures(actual, scores).per_class
    precision, recall, _, support = of_classes(
        actual, scores.argmax(axis=1), labels=range(4), zero_division=0
    )
    np.testing.assert_allclose(table["precision"], precision)
    np.testing.assert_allclose(table["recall"], recall)
    np.testing.assert_array_equal(table["support"], support)


@FEW
@given(rows())
def test_log_loss_is_that_of_scikit_learn(data):
    from sklearn.metrics import log_loss

    actual, scores = data
    found = figures(actual, scores)
    assert found.log_loss == pytest.approx(log_loss(actual, scores, labels=range(4)))
    assert found.n == len(actual) and found.n_dropped == 0


@FEW
@given(rows())
def test_top_k_accuracy_is_that_of_scikit_learn(data):
    from sklearn.metrics import top_k_accuracy_score

    actual, scores = data
    found = figures(actual, scores, top_k=3).top_k_accuracy
    distinct = [len(set(row)) == 4 for row in scores]
    if all(distinct):
        for k, share in enumerate(found, start=1):
            expected = top_k_accuracy_score(actual, scores, k=k, labels=range(4))
            assert share == pytest.approx(expected)
    assert found == sorted(found)
