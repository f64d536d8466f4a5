"""evaluate: against scikit-learn, and against tables worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carlib
from carlib.errors import DataError, OptionError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.intervals import wilson_interval
from tests.evaluation.predicted import predictions

LEAST = -math.log(1e-15)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 60))
def test_figures_equal_scikit_learns_on_any_table_without_ties(seed, n_classes, n):
    from sklearn import metrics as sklearn

    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(n_classes), n).clip(1e-9)
    scores /= scores.sum(axis=1, keepdims=True)
    y, labels = generator.integers(0, n_classes, n), range(n_classes)
    predicted, present = scores.argmax(axis=1), np.unique(y)
    names = [f"class {index}" for index in labels]

    found = evaluate(predictions([names[i] for i in y], scores, names), top_k=2)

    def close(value):
        return pytest.approx(value, rel=1e-9, abs=1e-9)

    scored = {"labels": labels, "average": None, "zero_division": 0}
    assert found.micro_accuracy == close(sklearn.accuracy_score(y, predicted))
    recall = sklearn.recall_score(y, predicted, **scored)
    assert found.macro_accuracy == close(recall[present].mean())
    assert list(found.per_class["recall"]) == close(recall)
    precision = sklearn.precision_score(y, predicted, **scored)
    assert list(found.per_class["precision"]) == close(precision)
    loss = sklearn.log_loss(y, scores, labels=labels)
    assert found.log_loss == close(loss)
    prior = np.tile(np.bincount(y, minlength=n_classes) / n, (n, 1))
    baseline = sklearn.log_loss(y, prior, labels=labels) if len(present) > 1 else 0
    if baseline:
        assert found.log_loss_reduction == close((baseline - loss) / baseline)
    else:
        assert math.isnan(found.log_loss_reduction)
    confusion = sklearn.confusion_matrix(y, predicted, labels=labels)
    assert (found.confusion_matrix.to_numpy() == confusion).all()
    if n_classes > 2:
        top = sklearn.top_k_accuracy_score(y, scores, k=2, labels=labels)
        assert found.top_k_accuracy == close([found.micro_accuracy, top])


def test_each_figure_of_a_small_table_is_as_worked_out_by_hand():
    found = evaluate(
        predictions(
            ["a", "a", "b", "b", "b", "c"],
            [
                [0.5, 0.3, 0.2],  # right
                [0.2, 0.7, 0.1],  # b
                [0.1, 0.8, 0.1],  # right
                [0.3, 0.6, 0.1],  # right
                [0.6, 0.1, 0.3],  # a; b comes third
                [0.1, 0.5, 0.4],  # b
            ],
        )
    )
    assert (found.n, found.n_dropped, found.class_names) == (6, 0, ("a", "b", "c"))
    assert found.micro_accuracy == 3 / 6
    assert found.macro_accuracy == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    loss = -sum(map(math.log, [0.5, 0.2, 0.8, 0.6, 0.1, 0.4])) / 6
    prior = -(2 * math.log(2 / 6) + 3 * math.log(3 / 6) + math.log(1 / 6)) / 6
    assert found.log_loss == pytest.approx(loss)
    assert found.log_loss_reduction == pytest.approx(1 - loss / prior)
    assert found.top_k_accuracy == [3 / 6, 5 / 6, 1.0]
    assert list(found.per_class.columns) == (
        [
            *("class", "precision", "precision_low", "precision_high"),
            *("recall", "recall_low", "recall_high", "log_loss", "support"),
        ]
    )
    assert list(found.per_class["precision"]) == pytest.approx([1 / 2, 2 / 4, 0])
    assert list(found.per_class["recall"]) == pytest.approx([1 / 2, 2 / 3, 0])
    assert found.per_class["log_loss"][0] == pytest.approx(-math.log(0.5 * 0.2) / 2)
    assert list(found.per_class["support"]) == [2, 3, 1]
    assert found.confusion_matrix.loc["b", "a"] == 1
    assert found.confusion_matrix.loc["a", "b"] == 1
    assert found.confusion_matrix.loc["c", "b"] == 1
    assert (found.majority_class, found.majority_micro_accuracy) == ("b", 3 / 6)
    assert found.majority_macro_accuracy == 1 / 3


def test_of_equal_scores_the_first_class_wins():
    found = evaluate(
        predictions(["a", "b", "c"], [[0.4, 0.4, 0.2]] * 2 + [[1 / 3] * 3])
    )
    assert list(found.per_class["recall"]) == [1, 0, 0]
    assert found.top_k_accuracy == [1 / 3, 2 / 3, 1]


def test_a_probability_of_zero_costs_as_much_as_1e_15():
    found = evaluate(predictions(["a", "b"], [[0, 1, 0], [0, 1, 0]]))
    assert found.log_loss == pytest.approx(LEAST / 2)


def test_rounding_above_one_counts_as_one():
    rounded = [[1.0000001, 0, 0], [0, 1, 0]]
    assert evaluate(predictions(["a", "b"], rounded)).log_loss == 0


@pytest.mark.parametrize("own", [[1, 2, 1], [True, False, True], [0.5, 0.25, 3]])
def test_a_column_of_ones_own_is_no_class(own):
    table = predictions(["a", "b", "a"], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [1, 0, 0]])
    with pytest.raises(DataError, match="sum to 1(.|\n)*Put 'fold', which is none"):
        evaluate(table.assign(fold=own))
    with pytest.raises(DataError, match="Divide them by 100"):
        evaluate(table.assign(**{name: table[name] * 100 for name in "abc"}))


def test_predictions_that_know_their_classes_are_not_misled(trained, photos):
    table = trained.predict(photos[:40], progress=False)
    expected = evaluate(table).to_dict()
    own = table.assign(fold=1, correct=table.predicted_label == table.damage_class)
    assert evaluate(own).to_dict() == expected
    assert evaluate(own[own.columns[::-1]][:40]).to_dict() == expected


def test_classes_that_were_retyped_on_their_way_are_told_of():
    table = predictions([1, 2], [[0.8, 0.2], [0.2, 0.8]], ["001", "002"])
    with pytest.raises(DataError, match="Received: 1, 2(.|\n)*carlib.read_csv"):
        evaluate(table)


def test_labels_are_compared_in_one_form():
    table = predictions(["Tu\u0308r ", "b"], [[0.8, 0.2], [0.2, 0.8]], ["Tür", "b"])
    assert evaluate(table).micro_accuracy == 1


def test_classes_without_a_photo_stay_out_of_the_macro_accuracy_and_read_na():
    found = evaluate(predictions(["a", "a", "b"], [[1, 0, 0], [0, 1, 0], [0, 1, 0]]))
    assert found.macro_accuracy == 3 / 4
    assert found.majority_macro_accuracy == 1 / 2
    assert list(found.per_class.iloc[2]) == ["c", 0, 0, 1, 0, 0, 1, 0, 0]
    line = next(line for line in str(found).splitlines() if line.startswith("c "))
    assert line.split() == ["c", "n/a", "n/a", "n/a", "0"]


def test_one_class_has_no_log_loss_reduction_and_says_why():
    found = evaluate(predictions(["a", "a"], [[0.9, 0.1, 0], [0.2, 0.8, 0]]))
    assert math.isnan(found.log_loss_reduction)
    assert "with one class the baseline's loss is 0" in str(found)
    assert found.to_dict()["log_loss_reduction"] is None
    assert found.majority_micro_accuracy == found.majority_macro_accuracy == 1


def test_a_model_of_one_class_can_be_evaluated():
    found = evaluate(predictions(["a", "a"], [[1.0], [1.0]], names=["a"]))
    assert (found.micro_accuracy, found.log_loss) == (1, 0)
    assert found.top_k_accuracy == [1]


def test_a_label_the_model_does_not_know_counts_as_wrong_and_is_said():
    found = evaluate(predictions(["a", "z"], [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]))
    assert found.micro_accuracy == found.macro_accuracy == 1 / 2
    assert found.log_loss == pytest.approx((LEAST - math.log(0.5)) / 2)
    assert found.top_k_accuracy == [1 / 2] * 3
    assert found.class_names == ("a", "b", "c")
    assert list(found.confusion_matrix.index) == ["a", "b", "c", "z"]
    assert found.confusion_matrix.loc["z", "a"] == 1
    assert found.confusion_matrix.to_numpy().sum() == found.n
    assert "a label that the model doesn't know: 1 ('z')" in str(found)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rows_with_a_score_that_is_not_finite_are_dropped_and_counted(bad):
    found = evaluate(predictions(["a", "b"], [[1, 0, 0], [0, bad, 0]]))
    assert (found.n, found.n_dropped, found.micro_accuracy) == (1, 1, 1)
    assert "Dropped 1 more" in str(found)


@pytest.mark.parametrize("none", [None, math.nan, ""])
def test_rows_without_a_label_or_with_an_error_are_dropped(none):
    scores = [[1, 0, 0]] * 3
    found = evaluate(
        predictions(["a", none, "a"], scores, error=[none, none, "cut off"])
    )
    assert (found.n, found.n_dropped) == (1, 2)


def test_a_table_read_back_from_a_csv_file_gives_the_same_figures(tmp_path):
    errors = ["", "", "truncated"]
    table = predictions(
        ["a", "b", "c"], [[1, 0, 0], [1, 0, 0], [math.nan] * 3], error=errors
    )
    table.to_csv(tmp_path / "predictions.csv", index=False)
    again = pd.read_csv(tmp_path / "predictions.csv", keep_default_na=False)
    assert evaluate(again).to_dict() == evaluate(table).to_dict()


def test_actual_classes_may_be_added_behind_the_probabilities():
    table = predictions(["a", "b"], [[1, 0, 0], [0, 1, 0]])
    table["damage_class"] = table.pop("damage_class")
    assert evaluate(table).class_names == ("a", "b", "c")


def test_neither_the_table_nor_its_rows_order_or_index_matters(tmp_path):
    table = predictions(list("abcab"), np.eye(3)[[0, 1, 1, 2, 1]] * 0.25 + 0.25)
    copy = table.copy()
    shuffled = table.iloc[[3, 1, 4, 0, 2]].set_index(pd.Index([7, 7, 7, 7, 7]))
    assert evaluate(shuffled).to_dict() == evaluate(table).to_dict()
    pd.testing.assert_frame_equal(table, copy)


def test_top_k_goes_to_five_or_the_number_of_classes_and_no_further():
    scores, names = np.eye(7), list("abcdefg")
    table = predictions(names, scores, names)
    assert len(evaluate(table).top_k_accuracy) == 5
    assert len(evaluate(table, top_k=7).top_k_accuracy) == 7
    for k in (0, 8, 1.5):
        with pytest.raises(OptionError, match=f"from 1 to .* 7. Received: {k}"):
            evaluate(table, top_k=k)


def test_the_macro_interval_is_about_the_bootstraps_where_photos_are_many():
    generator = np.random.default_rng(1)
    support = np.array([120, 300, 180])
    actual = np.repeat(["a", "b", "c"], support)
    found = evaluate(predictions(actual, generator.dirichlet(np.ones(3), 600)))
    recall = found.per_class["recall"].to_numpy()
    drawn = generator.binomial(support, recall, (4_000, 3)) / support
    expected = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    assert found.macro_interval == pytest.approx(tuple(expected), abs=0.005)
    assert found.macro_interval[0] < found.macro_accuracy < found.macro_interval[1]


def test_the_shares_of_a_class_have_wilsons_intervals():
    rows = predictions(["a"] * 4 + ["b"] * 3, [[1, 0, 0]] * 3 + [[0, 1, 0]] * 4)
    table = evaluate(rows).per_class.set_index("class")
    ends = ["recall_low", "recall_high"]
    assert tuple(table.loc["a", ends]) == wilson_interval(3, 4)
    assert tuple(table.loc["c", ends]) == (0, 1)
    assert table.loc["b", "precision_low"] == wilson_interval(3, 4)[0]


def test_shuffled_is_what_the_models_own_answers_score_on_other_photos():
    """Against the mean over all pairings, made one by one."""
    generator = np.random.default_rng(0)
    labels = generator.choice(["a", "b", "c"], 40, p=[0.6, 0.3, 0.1])
    scores = generator.dirichlet([3, 1, 1], 40)
    pairs = [(label, row) for label in labels for row in scores]
    every = evaluate(predictions([a for a, _ in pairs], [row for _, row in pairs]))
    found = evaluate(predictions(labels, scores)).figures
    assert every.figures["value"].to_numpy() == pytest.approx(found["shuffled"])


def test_missing_columns_are_all_named_with_what_to_do():
    with pytest.raises(DataError) as caught:
        evaluate(pd.DataFrame({"image_path": ["x.jpg"]}))
    assert caught.value.problems == ["no column 'damage_class'", "no column 'score'"]
    assert "load_index" in str(caught.value)


def test_a_table_without_probabilities_is_refused():
    with pytest.raises(DataError, match="no column of a class after 'score'"):
        evaluate(pd.DataFrame({"damage_class": ["a"], "score": [1.0]}))


def test_two_columns_of_one_name_are_refused():
    table = predictions(["a"], [[1, 0, 0]]).rename(columns={"c": "b"})
    with pytest.raises(DataError, match="more than one column 'b'"):
        evaluate(table)


def test_a_column_of_text_behind_the_score_is_refused():
    with pytest.raises(DataError, match="must be probabilities"):
        evaluate(predictions(["a"], [[1, 0, 0]]).assign(remark="blurred"))


def test_a_table_without_a_usable_row_is_refused():
    table = predictions([None], [[1, 0, 0]])
    with pytest.raises(DataError, match="None of the 1 rows"):
        evaluate(table)
    with pytest.raises(DataError, match="Received: none(.|\n)*photos in V"):
        evaluate(table.head(0))


def test_something_other_than_a_table_is_refused():
    with pytest.raises(
        DataError, match="Expected a DataFrame of predictions. Received: list"
    ):
        evaluate([1, 2])


def test_evaluate_and_metrics_are_public():
    assert carlib.evaluate is evaluate
    assert isinstance(evaluate(predictions(["a"], [[1, 0, 0]])), carlib.Metrics)
