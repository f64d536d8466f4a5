"""Overfitting, made on purpose, of features that are drawn."""

import numpy as np
import pandas as pd
import pytest

from carlib.errors import DataError, OptionError
from carlib.explain.overfitting import overfit


@pytest.fixture(scope="module")
def drawn():
    """Features that tell three classes apart, but not without doubt."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["dent", "lamp", "scratch"], 40)
    features = rng.normal(size=(120, 300)).astype(np.float32)
    features[:, 0] += np.repeat([0, 2, 4], 40)
    return features, labels


@pytest.fixture(scope="module")
def history(drawn):
    return overfit(*drawn, per_class=5, epochs=60)


def test_heads_learn_their_photos_by_heart_and_get_worse_on_others(history):
    for _, rows in history.groupby("head"):
        train = rows[rows["dataset"] == "Train"]
        judged = rows[rows["dataset"] == "Validation"]
        assert train["cross_entropy"].is_monotonic_decreasing
        assert train["accuracy"].iloc[-1] == 1 > judged["accuracy"].max()
    free = history[history["head"] == "three layers"]
    judged = free[free["dataset"] == "Validation"]["cross_entropy"]
    assert judged.iloc[-1] > 1.05 * judged.min()


def test_a_row_says_who_was_judged_on_how_many_photos(history):
    heads = history.groupby("head")["weights"].unique()
    assert heads["one layer"].tolist() == [(300 + 1) * 3]
    sizes = 301 * 100 + 101 * 100 + 101 * 3
    assert heads["three layers"].tolist() == [sizes]
    assert history.groupby("dataset")["photos"].unique().map(list).to_dict() == {
        "Train": [15],
        "Validation": [105],
    }
    epochs = history["epoch"].unique()
    assert list(epochs[:4]) == [0, 1, 2, 3] and epochs[-1] == 59
    assert len(epochs) < 41


def test_the_same_seed_gives_the_same_numbers(drawn, history):
    again = overfit(*drawn, per_class=5, epochs=60)
    pd.testing.assert_frame_equal(again, history)
    other = overfit(*drawn, per_class=5, epochs=5, seed=1)
    assert other["cross_entropy"][0] != history["cross_entropy"][0]


def test_what_cant_be_learned_from_is_named(drawn):
    features, labels = drawn[0].copy(), drawn[1]
    with pytest.raises(DataError, match=r"features \(119, 300\) and 120 labels"):
        overfit(features[1:], labels)
    features[0, :3] = np.nan, np.inf, -np.inf
    with pytest.raises(DataError, match="3 numbers aren't finite"):
        overfit(features, labels)
    features[0, :3] = 0
    with pytest.raises(DataError, match="120 labels, 1 missing"):
        overfit(features, [None, *labels[1:]])
    with pytest.raises(DataError, match="features, numbers"):
        overfit([["a"]] * 120, labels)
    with pytest.raises(DataError, match="a label each"):
        overfit(features, [["dent"], ["dent", "lamp"]])
    with pytest.raises(DataError, match="and 1 labels"):
        overfit(features, "dent")
    with pytest.raises(DataError, match="two classes or more"):
        overfit(features[:40], labels[:40])
    with pytest.raises(DataError) as caught:
        overfit(features, labels, per_class=40)
    assert [name in str(caught.value) for name in ("dent: 40", "lamp: 40")] == [
        True
    ] * 2


def test_options_that_are_wrong_are_all_named(drawn):
    with pytest.raises(OptionError) as caught:
        overfit(*drawn, per_class=0, epochs=2.5, seed=-1)
    assert [line.split()[0] for line in caught.value.problems] == [
        *("per_class", "epochs", "seed")
    ]


def test_fewer_photos_than_a_batch_are_learned_from_without_a_word(drawn):
    features, labels = drawn  # a warning would be an error here
    history = overfit(features, labels, per_class=1, epochs=2)
    assert history["photos"].iloc[0] == 3
