"""Whether answers are as often right as they say."""

import numpy as np
import pytest

from carlib.errors import DataError
from carlib.evaluation.intervals import wilson_interval
from carlib.evaluation.reliability import reliability
from tests.evaluation.predicted import predictions


def drawn(n=600, power=1.0, seed=0):
    """Answers that are right with probability score ** power."""
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.5, 1, n)
    actual = np.where(rng.random(n) < top**power, "a", "b")
    return predictions(actual, np.stack([top, 1 - top, 0 * top], axis=1))


def test_bins_hold_as_many_photos_each_and_their_shares():
    table = drawn(605)
    found = reliability(table)
    assert found.n == found.table["photos"].sum() == 605
    assert set(found.table["photos"]) == {60, 61} and len(found.table) == 10
    ordered = table.sort_values("score", kind="stable")
    first = ordered.head(found.table["photos"][0])
    right = first.damage_class == first.predicted_label
    row = found.table.iloc[0]
    assert row["score"] == pytest.approx(first.score.mean())
    assert row["right"] == pytest.approx(right.mean())
    interval = wilson_interval(int(right.sum()), len(first))
    assert (row["right_low"], row["right_high"]) == interval


def test_the_error_is_the_mean_gap():
    found = reliability(drawn())
    gaps = (found.table["right"] - found.table["score"]).abs()
    expected = np.average(gaps, weights=found.table["photos"])
    assert found.error == pytest.approx(expected)


def test_true_probabilities_are_off_by_chance_only():
    """Over 100 sets of photos: the mean is foretold, and 5 of them are found off."""
    found = [reliability(drawn(300, seed=seed)) for seed in range(100)]
    errors = [each.error for each in found]
    chance = np.mean([each.error_by_chance for each in found])
    assert np.mean(errors) == pytest.approx(chance, rel=0.1)
    off = sum(each.error > each.error_by_chance_high for each in found)
    assert off <= 11  # of 100 at 5 %: more once in 200 times


def test_a_model_that_is_too_sure_is_told_so():
    assert reliability(drawn(power=4)).verdict.startswith("Too sure")
    assert reliability(drawn(power=0.2)).verdict.startswith("Not sure enough")
    assert "chance" in reliability(drawn()).verdict


def test_few_photos_make_few_bins_and_rows_that_do_not_count_are_told():
    table = drawn(20)
    table.loc[0, "a"] = np.nan
    found = reliability(table)
    assert (found.n, found.n_dropped, len(found.table)) == (19, 1, 1)
    assert len(reliability(drawn(1)).table) == 1


def test_printed_it_has_a_line_a_bin_and_the_verdict():
    found = reliability(drawn())
    lines = str(found).splitlines()
    assert len(lines) == 1 + 10 + 2 and lines[-1] == found.verdict
    assert found.to_dict()["table"][0]["photos"] == 60


def test_predictions_that_are_none_are_refused():
    with pytest.raises(DataError):
        reliability(drawn().drop(columns="damage_class"))
