"""Money: the cheapest answer, and a person where that is cheaper."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from carlib.errors import DataError, OptionError
from carlib.evaluation.costs import costs, decide
from carlib.evaluation.intervals import wilson_interval
from tests.evaluation.predicted import predictions

NAMES = ["dent", "none"]
MATRIX = pd.DataFrame([[0.0, 100.0], [20.0, 0.0]], NAMES, NAMES)  # actual × answered


def claims(actual, dents):
    """Predictions of dent or none, by the probability of a dent."""
    dents = np.array(dents)
    return predictions(actual, np.stack([dents, 1 - dents], axis=1), NAMES)


def test_the_answer_is_the_one_that_costs_least_and_not_the_likeliest():
    table = claims(["none"] * 4, [0.9, 0.3, 0.1, 0.01])
    decided = decide(table, MATRIX, cost_of_review=15)
    # Answering dent costs 20 · P(none); answering none costs 100 · P(dent).
    assert decided["answer"].tolist() == ["dent", "dent", "none", "none"]
    assert decided["expected_cost"].tolist() == pytest.approx([2, 14, 10, 1])
    assert not decided["review"].any()
    dearer = decide(table, MATRIX, cost_of_review=5)["review"]
    assert dearer.tolist() == [False, True, True, False]


def test_costs_are_those_worked_out_by_hand():
    actual = ["dent", "none", "dent", "none", "dent"]
    found = costs(claims(actual, [0.95, 0.01, 0.02, 0.5, 0.4]), MATRIX, 5)
    # Expected: 1, 1, 2, 10, 12: the last two are a person's. The third is wrong.
    assert (found.n, found.automatic) == (5, 0.6)
    assert found.wrong == pytest.approx(1 / 3)
    assert found.automatic_interval == wilson_interval(3, 5)
    assert found.wrong_interval == wilson_interval(1, 3)
    table = found.table.set_index("way")
    assert table["cost"].to_dict() == {
        "with_review": (0 + 0 + 100 + 5 + 5) / 5,
        "model_alone": (0 + 0 + 100 + 20 + 0) / 5,
        "person_alone": 5,
    }
    assert table["foretold"].to_dict() == pytest.approx(
        {"with_review": 14 / 5, "model_alone": 26 / 5, "person_alone": 5}
    )
    assert (table["cost_low"] <= table["cost"]).all()
    assert (table["cost_high"] >= table["cost"]).all()


def test_thresholds_say_from_where_on_an_answer_is_cheaper_than_a_person():
    found = costs(claims(["dent", "none"], [0.9, 0.1]), MATRIX, 15)
    # 20 · (1 - p) = 15, and 100 · (1 - p) = 15.
    assert found.thresholds.to_dict() == pytest.approx({"dent": 0.25, "none": 0.85})
    for p in (0.24, 0.26, 0.84, 0.86):
        review = decide(claims(["dent"], [p]), MATRIX.assign(none=1e6), 15)["review"]
        assert review.item() == (p < 0.25)
        review = decide(claims(["dent"], [1 - p]), MATRIX.assign(dent=1e6), 15)[
            "review"
        ]
        assert review.item() == (p < 0.85)


def test_an_answer_that_is_never_or_always_cheaper_says_so():
    flat = pd.DataFrame([[9.0, 2.0], [9.0, 2.0]], NAMES, NAMES)
    found = costs(claims(["dent"], [0.5]), flat, 5)
    assert math.isnan(found.thresholds["dent"]) and found.thresholds["none"] == 0
    assert found.to_dict()["thresholds"] == {"dent": None, "none": 0}


def test_calibrated_probabilities_foretell_the_cost_and_review_saves():
    generator = np.random.default_rng(0)
    dents = generator.beta(0.5, 0.5, 4000)
    actual = np.where(generator.random(4000) < dents, *NAMES)
    table = costs(claims(actual, dents), MATRIX, 4).table.set_index("way")
    assert table["cost"].to_dict() == pytest.approx(
        table["foretold"].to_dict(), rel=0.1
    )
    assert table["cost"]["with_review"] < table["cost"].drop("with_review").min()
    inside = (table["cost_low"] <= table["foretold"]) & (
        table["foretold"] <= table["cost_high"]
    )
    assert inside.all()


def test_if_a_person_is_always_cheaper_nobody_is_answered():
    found = costs(claims(["dent", "none"], [0.6, 0.4]), MATRIX, 0)
    assert found.automatic == 0 and math.isnan(found.wrong)
    assert found.table["cost"].tolist()[::2] == [0, 0]
    assert str(found).startswith("0% of 2 photos need nobody, none answered.")
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["wrong"] is None


def test_the_print_says_it_in_a_sentence():
    actual = ["dent", "none", "dent", "none", "dent"]
    found = costs(claims(actual, [0.95, 0.01, 0.02, 0.5, 0.4]), MATRIX, 5)
    lines = str(found).splitlines()
    assert lines[0] == "60% of 5 photos need nobody, 33% of them wrong."
    assert lines[1].startswith("95 % intervals: 23% to 88% need nobody")
    assert "22.00" in lines[4] and "2.80" in lines[4]
    assert repr(found) == str(found)


def test_the_matrix_may_be_a_csv_in_any_order(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text("actual,none,dent\nnone,0,20\ndent,100,0\n", "utf-8")
    table = claims(["none"] * 3, [0.9, 0.3, 0.1])
    expected = decide(table, MATRIX, 15)
    assert decide(table, path, 15).equals(expected)
    assert decide(table, str(path), 15).equals(expected)


def test_photos_without_probabilities_are_for_a_person():
    table = claims(["dent", "none"], [0.9, math.nan]).drop(columns="damage_class")
    decided = decide(table.set_index([[4, 9]]), MATRIX, 15)
    assert decided["answer"][4] == "dent" and decided["answer"].isna()[9]
    assert decided["review"].tolist() == [False, True]
    assert list(decided.index) == [4, 9]


def test_all_that_is_wrong_with_a_matrix_is_said_at_once(tmp_path):
    table = claims(["dent"], [0.9])
    odd = MATRIX.rename(index={"none": "nothing"}).assign(more=1)
    with pytest.raises(DataError) as caught:
        costs(table, odd, 15)
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "row 'none'" in said and "row 'nothing'" in said and "column 'more'" in said
    for cell in (-1.0, math.nan, "much", math.inf):
        with pytest.raises(DataError, match="row 'dent', column 'none'"):
            costs(table, MATRIX.astype(object).assign(none=[cell, 0]), 15)
    for wrong in (None, [[0, 1], [1, 0]], 3):
        with pytest.raises(DataError, match="Expected a cost matrix"):
            costs(table, wrong, 15)
    with pytest.raises(DataError, match=r"missing\.csv"):
        decide(table, tmp_path / "missing.csv", 15)


@pytest.mark.parametrize("cost", [-1, math.nan, None, "15", math.inf, True])
def test_a_cost_that_is_none_is_refused(cost):
    for spend in (costs, decide):
        with pytest.raises(OptionError, match="cost_of_review of 0 or more"):
            spend(claims(["dent"], [0.9]), MATRIX, cost)


def test_labels_that_the_matrix_does_not_know_are_refused():
    with pytest.raises(DataError, match="rust"):
        costs(claims(["dent", "rust"], [0.9, 0.9]), MATRIX, 15)
