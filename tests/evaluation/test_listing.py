"""Answers one by one: mistakes first, and in a line each."""

import pandas as pd
import pytest

import carlib
from carlib.errors import DataError, OptionError


@pytest.fixture
def predictions():
    return pd.DataFrame(
        {
            "image_path": ["x/a.jpeg", "x/b.jpeg", "x/c\n.jpeg", "x/d.jpeg"],
            "damage_class": ["dent", "dent", "lamp", "lamp"],
            "predicted_label": ["dent", "lamp", "dent", "lamp"],
            "score": [0.9, 0.5, 0.8, 0.95],
        },
        index=[7, 8, 9, 10],
    )


def test_mistakes_come_first_and_the_surest_on_top(predictions):
    ranked = carlib.worst_first(predictions)
    assert ranked.index.tolist() == [9, 8, 10, 7]
    assert ranked["right"].tolist() == [False, False, True, True]
    pd.testing.assert_frame_equal(
        ranked.drop(columns="right").sort_index(), predictions
    )


def test_a_line_says_the_workshops_words_and_what_is_left_is_counted(predictions):
    text = carlib.list_answers(carlib.worst_first(predictions), n=2)
    assert text.splitlines() == [
        "✗ Image: c\\n.jpeg | Actual: lamp | Predicted: dent",
        "✗ Image: b.jpeg | Actual: dent | Predicted: lamp",
        "… and 2 more",
    ]
    assert "more" not in carlib.list_answers(predictions, n=4)
    assert carlib.list_answers(predictions).startswith("✓ Image: a.jpeg")


def test_what_is_missing_is_named(predictions):
    with pytest.raises(DataError, match="without damage_class, score"):
        carlib.worst_first(predictions.drop(columns=["damage_class", "score"]))
    with pytest.raises(DataError, match="without image_path"):
        carlib.list_answers(predictions.drop(columns="image_path"))
    with pytest.raises(OptionError, match="n must be"):
        carlib.list_answers(predictions, n=0)
