"""Metrics: how the figures of an evaluation read, as text, HTML and JSON."""

import json
import re
import time

import numpy as np
import pandas as pd
import pytest

from carlib.errors import AccuracyError, OptionError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.text import confusion_text
from tests.evaluation.predicted import predictions


def matrix(counts, names) -> pd.DataFrame:
    return pd.DataFrame(counts, names, names)


def test_wide_intervals_are_pointed_out_with_the_reason():
    text = str(evaluate(predictions(["a", "b"], [[1, 0, 0], [0, 1, 0]])))
    assert "fits these 2 photos.\nDon't read much into a difference smaller" in text
    assert "2 of the classes have fewer than 10 photos here." in text
    many_photos = str(
        evaluate(predictions(["a", "b"] * 99, [[1, 0, 0], [0, 1, 0]] * 99))
    )
    assert "fits these" not in many_photos


def test_the_text_has_each_accuracy_beside_its_interval_and_baseline():
    actual = ["a"] * 6 + ["b"] * 4
    scores = [[0.6, 0.3, 0.1]] * 5 + [[0.3, 0.6, 0.1]] * 5
    evaluated = evaluate(predictions(actual, scores))
    text = str(evaluated)
    lines = {line[:18].strip(): line[18:].split() for line in text.splitlines()}
    assert lines["Micro-accuracy"] == [
        *("0.9000", "0.5958", "–", "0.9821", "0.6000", "0.5000")
    ]
    assert lines["Macro-accuracy"][0::4] == ["0.9167", "0.5000"]
    assert lines["Macro-accuracy"][5] == "0.5000"
    assert lines["Top-2 accuracy"] == [
        *("1.0000", "0.7225", "–", "1.0000", "1.0000", "1.0000")
    ]
    low, high = evaluated.log_loss_interval
    assert lines["Log-loss"][1:5] == [f"{low:.4f}", "–", f"{high:.4f}", "0.6730"]
    assert max(map(len, text.splitlines())) <= 88
    assert "always answering 'a'" in text


def test_a_notebook_shows_a_table_of_figures_with_names_made_safe():
    found = evaluate(predictions(["<b>"], [[1.0]], names=["<b>"]))
    assert repr(found) == str(found)
    page = found._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.startswith("<table>") and page.count("<tr>") == 1 + len(found.figures)
    low, high = found.micro_interval
    assert f"<td>1.0000</td><td>{low:.4f} – {high:.4f}</td>" in page


def test_the_dictionary_is_plain_json():
    found = evaluate(predictions(["a", "b"], np.eye(3, dtype=np.float32)[:2]))
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["micro_interval"] == list(found.micro_interval)
    assert values["per_class"][1]["support"] == 1
    assert values["confusion_matrix"]["labels"] == ["a", "b", "c"]
    assert values["confusion_matrix"]["counts"][1] == [0, 1, 0]


TWO = """
Confusion table
          ||======================
PREDICTED || positive | negative | Recall
TRUTH     ||======================
 positive ||    1,850 |       53 | 0.9721
 negative ||       83 |        0 | 0.0000
          ||======================
Precision ||   0.9571 |   0.0000 |"""
TWO_LONG = """
Confusion table
             ||======================
PREDICTED    ||        0 |        1 | Recall
TRUTH        ||======================
0. scratched ||        1 |        0 | 1.0000
1.     whole ||        0 |        1 | 1.0000
             ||======================
Precision    ||   1.0000 |   1.0000 |"""
# Six letters are too many for a head of five, yet too few to widen the side.
SIX_LETTERS = """
Confusion table
          ||========================
PREDICTED ||     0 |     1 |     2 | Recall
TRUTH     ||========================
0. broken || 1,000 |     0 |     0 | 1.0000
1.     ok ||     0 | 2,345 |     0 | 1.0000
2.     no ||     0 |     0 |     0 | 0.0000
          ||========================
Precision ||1.0000 |1.0000 |0.0000 |"""
SIX_COUNTS = [[1_000, 0, 0], [0, 2_345, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "counts", "names"),
    [
        (TWO, [[1850, 53], [83, 0]], ["positive", "negative"]),
        (TWO_LONG, [[1, 0], [0, 1]], ["scratched", "whole"]),
        (SIX_LETTERS, SIX_COUNTS, ["broken", "ok", "no"]),
    ],
    ids=["two", "two long", "six letters"],
)
def test_the_confusion_table_is_equal_to_the_character(text, counts, names):
    assert confusion_text(matrix(counts, names)) == text


def test_numbers_of_more_than_ten_classes_are_aligned():
    text = confusion_text(
        matrix(np.eye(11, dtype=int), [f"class_{i}" for i in range(11)])
    )
    assert " 9.  class_9 ||" in text and "10. class_10 ||" in text


def test_a_name_too_long_for_a_table_is_cut():
    names = ["x" * 60, "y" * 61, "a\x1b[31m\nb"]
    lines = str(evaluate(predictions(names, np.eye(3), names=names))).splitlines()
    assert max(map(len, lines)) < 130
    assert sum("x" * 60 in line for line in lines) == 3
    assert sum("y" * 59 + "…" in line for line in lines) == 2
    assert sum(r"a\x1b[31m\nb" in line for line in lines) == 2


# --- many classes --------------------------------------------------------------------


def many(classes: int, wrong: dict[int, int], photos: int = 4):
    """Evaluate photos of classes, so many of some taken for the class next to them."""
    names = [f"class_{i}" for i in range(classes)]
    answers = {
        place: [place] * (photos - wrong.get(place, 0))
        + [(place + 1) % classes] * wrong.get(place, 0)
        for place in range(classes)
    }
    rows = [(names[i], answer) for i, told in answers.items() for answer in told]
    scores = np.eye(classes)[[answer for _, answer in rows]]
    return evaluate(predictions([name for name, _ in rows], scores, names=names))


def test_thirty_classes_have_their_confusion_table():
    found = many(30, {3: 1})
    assert str(found).endswith(confusion_text(found.confusion_matrix))
    assert "of 30 classes" not in str(found)
    assert len(re.findall(r"^class_\d+ ", str(found), re.MULTILINE)) == 30


def test_of_many_classes_the_worst_are_printed_and_the_pairs_most_confused():
    found = many(1_000, {500: 3, 7: 2, 999: 2} | dict.fromkeys(range(20, 60), 1))
    _, table = str(found).split("\n30 of 1,000 classes: those with the most mistakes\n")
    table, pairs = table.split("\nMost confused: 15 of 43 pairs of classes\n")
    classes = [line.split()[0] for line in table.splitlines()]
    worst = ["class_500", "class_7", "class_999"]
    assert classes == ["class", *worst, *(f"class_{i}" for i in range(20, 47))]
    assert table.splitlines()[1].split() == [
        *("class_500", "1.0000", "0.21–1.00", "0.2500", "0.05–0.70"),
        *(f"{found.per_class.log_loss[500]:.4f}", "4"),
    ]
    assert pairs.splitlines()[:4] == [
        "actual     predicted  photos",
        "class_500  class_501       3",
        "class_7    class_8         2",
        "class_999  class_0         2",
    ]
    assert len(pairs.splitlines()) == 16


def test_print_has_a_bound_whatever_the_classes_and_is_quick():
    names = [f"{i}" + "x" * 300 for i in range(1_000)]
    scores = np.eye(1_000)[[*range(1, 500), 0, *range(500)]]
    actual = [*names[:500], *(f"unknown {i}" + "y" * 300 for i in range(500))]
    found = evaluate(predictions(actual, scores, names=names), top_k=1_000)
    start = time.perf_counter()
    text = str(found)
    assert time.perf_counter() - start < 1
    assert len(text.encode()) < 12_000 and len(found._repr_html_()) < 12_000
    assert len(text.splitlines()) < 100


def test_many_classes_without_a_mistake_have_no_pairs():
    assert str(many(31, {})).endswith("\nNo class is taken for another.")


def test_classes_without_a_photo_are_named_beside_the_macro_accuracy():
    note = "classes present;\nno photo here is of "
    text = str(evaluate(predictions(["a", "b"], np.eye(3)[:2])))
    assert f"{note}'c'." in text
    assert note not in str(evaluate(predictions(["a", "b", "c"], np.eye(3))))
    names = list("abcdefgh")
    text = str(evaluate(predictions(["a"], np.eye(8)[:1], names=names)))
    assert f"{note}'b', 'c', 'd', 'e', 'f', and 2 more." in text


# --- require -------------------------------------------------------------------------


@pytest.fixture
def found():
    """Micro-accuracy 0.8, macro-accuracy (1 + 0.5) / 2."""
    scores = [[0.7, 0.2, 0.1]] * 4 + [[0.1, 0.8, 0.1]]
    return evaluate(predictions(["a", "a", "a", "b", "b"], scores))


def test_a_model_as_good_as_asked_for_gives_its_metrics_back(found):
    same = found.require(
        micro_accuracy=0.8,
        macro_accuracy=0.75,
        log_loss=found.log_loss,
        log_loss_reduction=found.log_loss_reduction,
    )
    assert same is found is found.require()


def test_each_figure_that_misses_its_bound_is_listed_in_one_error(found):
    with pytest.raises(AccuracyError, match="on 5 photos") as caught:
        found.require(micro_accuracy=0.81, macro_accuracy=0.7, log_loss=0.5)
    micro, loss = caught.value.problems
    assert re.fullmatch(
        r"micro_accuracy: 0\.8, 95 %: 0\.3755 – 0\.9638\. Asked for: 0\.81 at least\.",
        micro,
    )
    assert re.fullmatch(
        r"log_loss: 0\.5805\d+, 95 %: 0\.\d+ – \d\.\d+\. Asked for: 0\.5 at most\.",
        loss,
    )
    with pytest.raises(AccuracyError):
        found.require(log_loss=found.log_loss - 1e-6)


def test_a_mean_that_is_rounded_just_below_its_bound_reaches_it():
    counts = {"a": (3, 5), "b": (4, 5), "c": (5, 5)}
    rows = [
        (name, name if hit < hits else "a" if name != "a" else "b")
        for name, (hits, n) in counts.items()
        for hit in range(n)
    ]
    named = [np.eye(3)["abc".index(answer)] for _, answer in rows]
    metrics = evaluate(predictions([actual for actual, _ in rows], named))
    assert metrics.macro_accuracy == pytest.approx(0.8)
    metrics.require(macro_accuracy=0.8, micro_accuracy=0.8)


def test_a_figure_that_is_not_a_number_reaches_no_bound():
    single = evaluate(predictions(["a"], [[1, 0, 0]]))
    with pytest.raises(AccuracyError, match="log_loss_reduction: nan"):
        single.require(log_loss_reduction=-1000)


def test_bounds_that_make_no_sense_are_named_at_once_with_what_there_is(found):
    with pytest.raises(OptionError) as caught:
        found.require(accuracy=0.9, micro_accuracy=80, log_loss=float("nan"))
    unknown, percent, nan = caught.value.problems
    assert "no accuracy; there are micro_accuracy, macro_accuracy, log_loss" in unknown
    assert percent == "micro_accuracy must be between 0 and 1. Received: 80"
    assert "Received: nan" in nan
