"""The head's optimum, found directly."""

import dataclasses

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from carlib.training import keras_head, optimum
from carlib.training.keras_head import Head
from carlib.training.optimum import find_optimum
from carlib.training.task import Task, statistics


def nobody(*_):
    return False


@pytest.fixture(scope="module")
def task():
    """Three classes that overlap, on features of different size and shared axes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    rows = rng.normal(size=(240, 12)) @ rng.normal(size=(12, 20))
    rows[:, :3] += 2 * np.eye(3)[labels]
    rows = (rows * np.geomspace(0.1, 100, 20) + 5).astype(np.float32)
    return Task(rows, labels.astype(np.int32), 3, *statistics(rows), l2=0.01)


def loss_of(task, linear):
    """The penalised loss, written anew."""
    logs = log_softmax(linear.logits(task.rows), axis=1)
    n, s = task.n_classes, task.label_smoothing
    targets = np.eye(n)[task.labels] * (1 - s) + s / n
    weights = np.ones(n) if task.class_weight is None else task.class_weight
    losses = -(targets * logs).sum(axis=1) * weights[task.labels]
    return losses.mean() + task.l2 * (linear.kernel.astype(float) ** 2).sum()


def test_it_is_scikit_learns_optimum(task):
    standard = (task.rows.astype(float) - task.mean) / task.scale
    model = LogisticRegression(C=1 / (2 * 0.01 * 240), tol=1e-10, max_iter=10_000)
    expected = model.fit(standard, task.labels).predict_proba(standard)
    found = find_optimum(task, 500, nobody)
    assert found.converged and found.last < 100
    np.testing.assert_allclose(
        found.linear.probabilities(task.rows), expected, atol=1e-5
    )


@pytest.mark.parametrize(
    "options",
    [
        {"l2": 0.3},
        {"class_weight": np.array([1, 4, 0.5], np.float32)},
        {"label_smoothing": 0.2},
        {"label_smoothing": 0.1, "class_weight": np.array([2, 0, 1], np.float32)},
    ],
    ids=str,
)
def test_no_step_from_it_lowers_the_loss(task, options):
    task = dataclasses.replace(task, **options)
    linear = find_optimum(task, 500, nobody).linear
    least, rng = loss_of(task, linear), np.random.default_rng(1)
    for size in (1e-2, 1e-3):
        moved = linear.kernel + size * rng.normal(size=linear.kernel.shape)
        other = dataclasses.replace(linear, kernel=moved.astype(np.float32))
        assert loss_of(task, other) > least
        moved = (linear.bias + size * rng.normal(size=3)).astype(np.float32)
        assert loss_of(task, dataclasses.replace(linear, bias=moved)) > least


def test_its_loss_is_the_one_that_keras_makes_smaller(task):
    """A head in Keras that starts there has no gradient, and stays."""
    weights = np.array([1, 3, 0.5], np.float32)
    task = dataclasses.replace(task, class_weight=weights, label_smoothing=0.1)
    linear = find_optimum(task, 500, nobody).linear
    options = {name: getattr(task, name) for name in ("mean", "scale", "l2")}
    options |= {"label_smoothing": 0.1, "class_weight": weights, "learning_rate": 0.1}
    head = Head(20, 3, 1, **options)
    head.layer.set_weights([linear.kernel, linear.bias])
    head.train(task.rows, task.labels, len(task.labels))
    np.testing.assert_allclose(head.weights[0], linear.kernel, atol=1e-6)
    np.testing.assert_allclose(head.weights[1], linear.bias, atol=1e-6)


@pytest.mark.parametrize("within_class", [0.0, 0.5])
def test_it_is_the_same_from_a_memory_map_block_by_block(
    task, tmp_path, monkeypatch, within_class
):
    task = dataclasses.replace(task, within_class=within_class)
    np.save(tmp_path / "rows.npy", task.rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    whole = find_optimum(task, 500, nobody).linear
    monkeypatch.setattr(keras_head, "IN_MEMORY", 50 * 80)
    monkeypatch.setattr(optimum, "SAMPLE", 64)
    monkeypatch.setattr(optimum, "AT_ONCE", 50)
    parts = find_optimum(dataclasses.replace(task, rows=mapped), 500, nobody).linear
    np.testing.assert_allclose(
        parts.logits(task.rows), whole.logits(task.rows), atol=1e-5
    )


def test_it_is_the_same_again_and_in_another_order(task):
    one, again = (find_optimum(task, 500, nobody).linear for _ in range(2))
    np.testing.assert_array_equal(one.kernel, again.kernel)
    order = np.random.default_rng(2).permutation(240)
    moved = dataclasses.replace(task, rows=task.rows[order], labels=task.labels[order])
    other = find_optimum(moved, 500, nobody).linear
    np.testing.assert_allclose(
        other.logits(task.rows), one.logits(task.rows), atol=1e-5
    )


def test_each_iteration_is_told_with_the_figures_of_its_head(task):
    heard = []
    found = find_optimum(task, 500, lambda *told: heard.append(told))
    assert [number for number, *_ in heard] == list(range(found.last + 1))
    penalised = [loss_of(task, linear) for *_, linear in heard]
    assert (np.diff(penalised) <= 1e-7).all()
    for _, figures, linear in heard:
        logs = log_softmax(linear.logits(task.rows), axis=1)
        loss = -logs[np.arange(240), task.labels].mean()
        assert figures["loss"] == pytest.approx(loss, abs=1e-6)
        hits = linear.logits(task.rows).argmax(axis=1) == task.labels
        assert figures["accuracy"] == hits.mean()


def test_it_stops_where_it_is_told_to_and_says_that_it_is_not_there(task):
    heard = []
    found = find_optimum(task, 500, lambda *told: heard.append(told) or told[0] == 4)
    assert found.last == 4 and not found.converged and len(heard) == 5
    np.testing.assert_array_equal(found.linear.kernel, heard[-1][2].kernel)
    assert not find_optimum(task, 3, nobody).converged


def test_classes_without_a_penalty_that_can_be_told_apart_have_no_optimum():
    rows = np.array([[-1.0], [-2], [1], [2]], np.float32)
    task = Task(rows, np.array([0, 0, 1, 1], np.int32), 2)
    found = find_optimum(task, 20, nobody)
    assert np.isfinite(found.linear.kernel).all()
    assert (found.linear.logits(rows).argmax(axis=1) == task.labels).all()


def test_features_that_say_nothing_are_told_of_once(task):
    rows = np.zeros((6, 4), np.float32)
    task = Task(rows, np.array([0, 1, 2] * 2, np.int32), 3, l2=0.1)
    heard = []
    found = find_optimum(task, 20, lambda *told: heard.append(told))
    assert found.converged and found.last == 0 and len(heard) == 1
    assert not found.linear.kernel.any()
