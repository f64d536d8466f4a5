"""What the exercises' checks say to wrong answers that are likely, and to odd ones."""

import dataclasses
import types

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.lessons import (
    check_02,
    check_03,
    check_04,
    check_05,
    check_06,
    check_07,
    check_08,
    check_09,
)

PHOTOS = pd.DataFrame(
    {
        "image_path": [f"x/{number}.jpeg" for number in range(8)],
        "damage_class": ["dent"] * 5 + ["lamp"] * 3,
        "subset": ["T", "T", "T", "V", "V", "T", "V", "V"],
    }
)
LEAKED = pd.DataFrame(
    {"image_path": ["a.jpeg", "b.jpeg"], "subset": ["T", "V"], "picture": 1}
)
ANSWERS = pd.DataFrame(
    {
        "damage_class": ["dent"] * 10 + ["lamp"] * 10,
        "predicted_label": ["dent"] * 17 + ["lamp"] * 3,
        "score": np.linspace(0.99, 0.4, 20),
        "dent": np.linspace(0.99, 0.4, 20),
        "lamp": np.linspace(0.01, 0.6, 20),
        "image_path": "x.jpeg",
    }
)
HISTORY = pd.DataFrame(
    {"dataset": ["Train", "Validation"] * 2, "batch_processed_count": [15, 2] * 2}
)


def said(verdict, start, words=""):
    text = repr(verdict)
    assert text.startswith({"right": "✓ Right", "no": "✗ Not yet"}[start]), text
    assert words in text, text


@pytest.mark.parametrize(
    ("answer", "start", "words"),
    [
        (3, "right", "3 photos of dent"),
        (5, "no", "all photos of dent"),
        (2, "no", "in the test set"),
        (4, "no", "all of T"),
        (7, "no", "row dent, column T"),
        ("three", "no", "Expected a whole number"),
    ],
)
def test_02_count(answer, start, words):
    said(check_02.count(answer, PHOTOS), start, words)


@pytest.mark.parametrize(
    ("answer", "start", "words"),
    [
        ("b.jpeg", "right", "b.jpeg"),
        ("a.jpeg", "no", "Its double has a V"),
        (None, "no", "isn't empty"),
        ("c.jpeg", "no", "isn't in the table"),
        ([], "no", ""),
    ],
)
def test_02_leak(answer, start, words):
    said(check_02.leak(answer, LEAKED), start, words)
    said(check_02.leak(None, LEAKED.head(0)), "right")
    said(check_02.leak("b.jpeg", LEAKED.head(0)), "no", "None")


def test_02_baseline():
    said(check_02.macro_baseline(0.5, PHOTOS), "right")
    said(check_02.macro_baseline(1, PHOTOS), "no", "Divide")
    said(check_02.macro_baseline(0.6, PHOTOS), "no")


@pytest.mark.parametrize(
    ("answer", "start", "words"),
    [
        (10248, "right", "1,280 features"),
        (10240, "no", "biases"),
        (1288, "no", "multiply"),
        (0, "no", "Features × classes"),
    ],
)
def test_03_weights(answer, start, words):
    said(check_03.head_weights(answer, 1280, 8), start, words)


def test_03_rate():
    decay = carlib.ExponentialLRDecay(0.01)
    said(check_03.rate_of_epoch_10(0.00734, decay), "right", "0.0073")
    said(check_03.rate_of_epoch_10(0.01 * 0.94**10, decay), "no", "five times")
    said(check_03.rate_of_epoch_10(0.047, decay), "no", "use **")
    said(check_03.rate_of_epoch_10("0.007", decay), "no", "Expected a number")


def test_04_numbers_and_steps():
    features = np.zeros((160, 1280), np.float32)
    said(check_04.numbers_in_all(160 * 1280, features), "right")
    said(check_04.numbers_in_all(1280, features), "no", "one photo's")
    said(check_04.numbers_in_all(160, features), "no", "That's the photos")
    said(check_04.steps_an_epoch(15, HISTORY), "right")
    said(check_04.steps_an_epoch(2, HISTORY), "no", "only watched")


def test_04_another_stop():
    by = lambda metric, best: types.SimpleNamespace(  # noqa: E731
        options={"early_stopping": {"metric": metric}}, best_epoch=best
    )
    said(check_04.stopped_by_loss(by("loss", 40), by("accuracy", 8)), "right", "later")
    said(check_04.stopped_by_loss(by("accuracy", 8), by("accuracy", 8)), "no")
    said(check_04.stopped_by_loss(None, by("accuracy", 8)), "no", "Expected a model")


def test_05_scores():
    metrics = carlib.evaluate(ANSWERS)
    more = metrics.micro_accuracy * 20 - 10
    said(check_05.more_than_baseline(more, metrics), "right", f"{more:.0f} of 20")
    said(check_05.more_than_baseline(more / 20, metrics), "no", "share")
    named = metrics.micro_accuracy * 20
    said(check_05.more_than_baseline(named, metrics), "no", "baseline's off")
    said(check_05.first_recall(1.0, metrics), "right", "10 of 10")
    called = metrics.confusion_matrix.to_numpy()[:, 0].sum()
    said(check_05.first_recall(10 / called, metrics), "no", "precision")


@pytest.mark.parametrize(
    ("least", "start", "words"),
    [
        (0.68, "right", "The most that is possible"),
        (0.0, "no", "go higher"),
        (0.95, "no", "You can go lower"),
        (1.5, "no", "of no use"),
        ("a", "no", "Expected a number"),
    ],
)
def test_05_a_line_of_ones_own(least, start, words):
    said(check_05.line(least, ANSWERS), start, words)


def test_05_where_the_surest_are_wrong_no_line_will_do():
    wrong = ANSWERS.assign(predicted_label="car")
    said(check_05.line(float("nan"), wrong), "right", "No line will do")
    said(check_05.line(0.5, wrong), "no", "go higher")


def test_06_places():
    classes = ["a", "b", "c"]
    said(check_06.last_place(2, classes), "right")
    said(check_06.last_place(3, classes), "no", "no such place")
    said(check_06.last_place(0, classes), "no", "That's a.")
    said(check_06.last_place(9, classes), "no", "no such place")
    said(check_06.last_place(-1, classes), "no", "other programs don't")
    said(check_06.last_place("c", classes), "no", "Expected a whole number")


def test_07_names():
    given, labels = np.array([0.1, 0.7, 0.2]), ["a", "b", "c"]
    said(check_07.name_of_answer("b", given, labels), "right", "0.70")
    said(check_07.name_of_answer(1, given, labels), "no", "its place")
    said(check_07.name_of_answer("c", given, labels), "no", "only 0.20")
    said(check_07.name_of_answer("x", given, labels), "no", "one of a, b, c")


def test_08_doubts_and_money():
    suspects = pd.DataFrame({"margin": [0.9, 0.6, 0.2]})
    said(check_08.doubtful(2, suspects), "right")
    said(check_08.doubtful(3, suspects), "no", "above 0.5")
    said(check_08.cheapest_line(0.7, ANSWERS), "right", "costs")
    said(check_08.cheapest_line(0.0, ANSWERS), "no", "as dear as a look")
    wrong = ANSWERS.assign(predicted_label="car")  # as sure as before: miscalibrated
    said(check_08.cheapest_line(0.85, wrong), "right", "as dear as a look")
    said(check_08.cheapest_line(0.5, wrong), "no")
    said(check_08.cheapest_line(None, ANSWERS), "no", "Expected a number")


def test_09_classes():
    said(check_09.rarest("lamp", PHOTOS), "right", "lamp has 3")
    said(check_09.rarest("dent", PHOTOS), "no", "another has fewer")
    said(check_09.rarest("x", PHOTOS), "no", "one of dent, lamp")
    said(check_09.named("dent", ANSWERS), "right")
    said(check_09.named(ANSWERS, ANSWERS), "no", "whole table")


def test_a_verdict_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        check_03.higher_scores("b").state = "no"
