"""How much is answered, and how often wrongly."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.errors import DataError, OptionError
from carlib.evaluation.coverage import coverage, label_sets
from carlib.evaluation.intervals import wilson_interval
from tests.evaluation.predicted import predictions
from tests.sure import confidence_of


def answered(*rights, tops=None):
    """Predictions of falling probability, each right or wrong."""
    tops = np.linspace(0.99, 0.5, len(rights)) if tops is None else np.array(tops)
    scores = np.stack([tops, 1 - tops, 0 * tops], axis=1)
    return predictions(["a" if right else "b" for right in rights], scores)


def test_each_threshold_counts_what_it_accepts_and_what_of_that_is_wrong():
    found = coverage(answered(1, 1, 0, 1, 0, tops=[0.9, 0.8, 0.8, 0.7, 0.6]))
    table = found.table
    assert table["threshold"].tolist() == [0.9, 0.8, 0.7, 0.6]
    assert table["accepted"].tolist() == [1, 3, 4, 5]
    assert table["wrong"].tolist() == [0, 1, 1, 2]
    assert table["coverage"].tolist() == [0.2, 0.6, 0.8, 1.0]
    assert table["error"].tolist() == [0, 1 / 3, 1 / 4, 2 / 5]
    bounds = table[["error_low", "error_high"]].itertuples(index=False, name=None)
    assert list(bounds) == [
        wilson_interval(w, k) for w, k in [(0, 1), (1, 3), (1, 4), (2, 5)]
    ]
    # One at 0, two at 1/3 (of equal probability, either may come first), 1/4 and 2/5.
    assert found.area == pytest.approx((0 + 2 / 3 + 1 / 4 + 2 / 5) / 5)
    assert found.error == 0.4


def test_it_agrees_with_the_metrics_and_drops_the_same_rows():
    generator = np.random.default_rng(0)
    scores = generator.dirichlet([1, 1, 1], 300)
    table = predictions(generator.choice(list("abcd"), 300), scores)
    table.loc[5, ["a", "b", "c"]] = math.nan
    found, metrics = coverage(table), carlib.evaluate(table)
    assert found.error == pytest.approx(1 - metrics.micro_accuracy)
    assert (found.n, found.n_dropped) == (metrics.n, metrics.n_dropped) == (299, 1)
    last = found.table.iloc[-1]
    assert (last["coverage"], last["threshold"]) == (1, table["score"].min())


def test_a_table_stays_short_and_goes_from_strict_to_lax():
    generator = np.random.default_rng(0)
    top = generator.uniform(0.5, 1, 5000)
    right = generator.random(5000) < top
    table = coverage(answered(*right, tops=top)).table
    assert len(table) == 100
    assert np.allclose(table["coverage"], np.arange(1, 101) / 100)
    assert table["threshold"].is_monotonic_decreasing
    assert table["error"].iloc[0] < 0.05 < table["error"].iloc[-1]


def test_an_order_by_probability_is_better_than_one_by_lot():
    generator = np.random.default_rng(0)
    top = generator.uniform(0.5, 1, 2000)
    known = coverage(answered(*(generator.random(2000) < top), tops=top))
    lot = coverage(answered(*(generator.random(2000) < 0.75), tops=top))
    assert known.area < 0.6 * known.error
    assert lot.area == pytest.approx(lot.error, abs=0.05)


def test_a_threshold_for_an_error_rate_is_that_of_a_models_confidence():
    generator = np.random.default_rng(1)
    top = generator.uniform(0.5, 1, 99)
    right = generator.random(99) < top
    made = confidence_of(
        np.where(right, 0, 1), np.stack([top, 1 - top], axis=1), error_rate=0.2
    )
    found = coverage(answered(*right, tops=top))
    assert found.threshold_for(0.2) == pytest.approx(made.threshold, abs=1e-6)
    assert coverage(answered(*[0] * 30)).threshold_for(0.1) is None
    with pytest.raises(OptionError, match="199 photos or more"):
        found.threshold_for(0.005)


def test_the_print_shows_ten_thresholds_and_the_dict_all():
    found = coverage(answered(*[1] * 80, *[0] * 20))
    lines = str(found).splitlines()
    assert lines[0].startswith("100 photos")
    assert len(lines) == 13
    assert "100.0%    20.0%" in lines[11]
    assert lines[12].endswith("by lot it were 20.0%.")
    figures = found.to_dict()
    assert len(figures["table"]) == 100 and figures["error"] == 0.2
    assert repr(found) == str(found)


def test_what_are_no_predictions_is_refused():
    for wrong in (None, pd.DataFrame({"a": [1.0]}), answered(1).iloc[:0]):
        with pytest.raises(DataError):
            coverage(wrong)


@pytest.fixture
def model(trained):
    """A model whose confidence was found on drawn answers."""
    generator = np.random.default_rng(0)
    scores = generator.dirichlet([0.3] * 8, 200)
    labels = [generator.choice(8, p=row) for row in scores]
    return dataclasses.replace(trained, confidence=confidence_of(labels, scores, 0.2))


def test_label_sets_name_the_classes_that_a_photo_may_be_of(model):
    names = model.class_names
    generator = np.random.default_rng(1)
    scores = generator.dirichlet([0.3] * 8, 500)
    labels = [names[generator.choice(8, p=row)] for row in scores]
    table = predictions(labels, scores, names).set_index(np.arange(500) + 7)
    sets = label_sets(model, table, alpha=0.1)
    assert list(sets) == list(names) and sets.index.equals(table.index)
    held = [sets.loc[row, label] for row, label in zip(sets.index, labels, strict=True)]
    assert 0.86 < np.mean(held) < 0.95
    wider = label_sets(model, table.drop(columns="damage_class"), alpha=0.05)
    assert (wider >= sets).all(axis=None) and wider.sum().sum() > sets.sum().sum()
    assert set(sets.iloc[0].index[sets.iloc[0]]) <= set(names)


def test_label_sets_refuse_what_cannot_be_told(model, trained):
    table = predictions(
        [model.class_names[0]], np.full((1, 8), 1 / 8), model.class_names
    )
    with pytest.raises(OptionError, match="999 photos or more"):
        label_sets(model, table, alpha=0.001)
    with pytest.raises(OptionError, match="can't tell how sure"):
        label_sets(trained, table)
    with pytest.raises(DataError, match="no column"):
        label_sets(model, table.drop(columns=model.class_names[2]))
    table[model.class_names[0]] = "much"
    with pytest.raises(DataError, match="must be numbers"):
        label_sets(model, table)
