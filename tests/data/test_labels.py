"""One rule for the names of classes, wherever they come from."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from carlib.data.labels import alike, label_fault, labels_of, normal_label, similar
from carlib.errors import DataError


def table(values, **options):
    return pd.DataFrame({"damage_class": pd.Series(values, **options)})


@pytest.mark.parametrize(
    "label",
    [
        "door_dent",
        "ヘッドライト",
        "擦り傷",
        "🚗💥",
        "👨‍👩‍👧",
        "می‌خواهم",
        "$500 - $1000",
        "=cmd()",
    ],
)
def test_any_word_may_name_a_class(label):
    assert label_fault(normal_label(label)) == ""


@pytest.mark.parametrize(
    "label",
    [
        *("a\nb", "a\tb", "a\x1b[31mb", "a\0", "a\u2028b", "\udc80", "a\u200bb"),
        *("a\u202eb", "\ufeffa", "a\u00adb", "a\u200db", "\u3164", "score", "x" * 201),
    ],
)
def test_what_cannot_be_seen_or_read_back_names_none(label):
    assert label_fault(label)


def test_a_label_is_kept_in_one_form_without_space_around_it():
    assert normal_label(unicodedata.normalize("NFD", " Tür\u00a0")) == "Tür"


def test_labels_that_look_the_same_are_alike_and_others_may_be_meant_so():
    assert alike("Door  Dent") == alike("doordent") == alike("door\u200bdent")
    assert alike("door_dent") != alike("door-dent")
    assert similar("door_dent") == similar("door-dent") == similar("door_dents")
    assert similar("+1") != similar("-1")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 0], ["0", "1", "0"]),
        ([True, False], ["True", "False"]),
        (np.array([2, 3], np.uint8), ["2", "3"]),
        (["  a", "b "], ["a", "b"]),
    ],
)
def test_whole_numbers_and_booleans_become_text(values, expected):
    assert labels_of(table(values)).tolist() == expected


def test_categories_stand_for_their_names_and_unused_ones_are_no_classes():
    column = table(["a", "b", "c"], dtype="category")
    rest = column[column.damage_class != "c"]
    assert labels_of(rest).tolist() == ["a", "b"]
    numbers = table([3, 5], dtype="category")
    assert labels_of(numbers).tolist() == ["3", "5"]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, "", "  "])
def test_rows_without_a_label_are_named(missing):
    photos = table(["a", missing, "b"], index=["x", "y", "z"], dtype=object)
    with pytest.raises(DataError, match=r"1 rows have no label: y"):
        labels_of(photos)


@pytest.mark.parametrize("value", [0.5, 1.0, ["a", "b"], ("a",), {"a": 1}, b"a"])
def test_other_tasks_are_told_apart_in_a_sentence(value):
    photos = pd.DataFrame({"damage_class": ["a", "b"]}, dtype=object)
    photos.at[1, "damage_class"] = value
    with pytest.raises(DataError, match="is no name of a class(.|\n)*other tasks"):
        labels_of(photos)


def test_all_that_is_wrong_with_labels_is_said_at_once():
    photos = table(["a", "A", None, 0.5, "x\ny", "score"], dtype=object)
    with pytest.raises(DataError) as caught:
        labels_of(photos)
    assert len(caught.value.problems) == 5
