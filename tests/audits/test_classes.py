"""The classes: sizes, and names that are much alike."""

import numpy as np

from carlib.audits.classes import class_table, is_wrong


def test_classes_are_counted_with_their_copies_once():
    labels, subsets = ["a"] * 30 + ["b"] * 30, ["T", "V"] * 30
    distinct = np.arange(60)
    distinct[[2, 4]] = 0
    table = class_table(labels, subsets, distinct)
    assert table.iloc[0].tolist() == ["a", 30, 28, 15, 15, "13 pictures to learn from"]
    assert table.iloc[1].tolist() == ["b", 30, 30, 15, 15, "15 pictures to learn from"]
    assert not is_wrong(table.note[0])


def test_without_subsets_all_photos_are_to_learn_from():
    table = class_table(["a"] * 25, [""] * 25, np.arange(25))
    assert table.iloc[0].tolist() == ["a", 25, 25, 0, 0, ""]


def test_what_cannot_be_right_is_told_apart():
    labels = ["door_dent"] * 25 + ["Door-dents"] * 25 + ["one"] * 2 + ["v"] * 2
    subsets = ["T"] * 52 + ["V"] * 2
    distinct = np.arange(54)
    distinct[51] = 50
    notes = class_table(labels, subsets, distinct).set_index("damage_class").note
    assert notes["door_dent"] == "much like 'Door-dents'"
    assert notes["one"] == "one picture to learn from"
    assert notes["v"] == "nothing to learn from"
    assert notes.map(is_wrong).all()
