"""A table comes back from its file as it was, and no spreadsheet runs what it says."""

import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.data.spreadsheet import read_csv, write_csv
from carlib.errors import DataError, OutputError
from carlib.evaluation.evaluate import evaluate

NAMES = ["001", "true", "1e3", "NA", "nan", "None", "null", "+1", "-1", "'x", "'=y"]


def table(names):
    scores = np.eye(len(names)) * 0.5 + 0.5 / len(names)
    made = pd.DataFrame({"image_path": [f"{i}.jpg" for i in range(len(names))]})
    made["damage_class"] = made["predicted_label"] = names
    return pd.concat(
        [made.assign(score=scores.max(axis=1)), pd.DataFrame(scores, columns=names)],
        axis=1,
    )


def test_classes_that_look_like_numbers_or_gaps_survive(tmp_path):
    before = table(NAMES)
    write_csv(before, tmp_path / "p.csv")
    after = read_csv(tmp_path / "p.csv")
    pd.testing.assert_frame_equal(after, before, check_dtype=False)
    assert evaluate(after).to_dict() == evaluate(before).to_dict()
    plain = pd.read_csv(tmp_path / "p.csv", dtype=str, keep_default_na=False)
    assert plain.damage_class[0] == "001"


@pytest.mark.parametrize(
    "text", ["=cmd|'/c calc'!A0", "@SUM(A1)", "-2+3", "+1", "\t=1"]
)
def test_what_a_spreadsheet_would_run_is_written_as_text(tmp_path, text):
    write_csv(pd.DataFrame({text: [text], "n": [-1.5]}), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        head, row = csv.reader(file)
    assert head[0] == row[0] == f"'{text}" and row[1] == "-1.5"
    assert list(read_csv(tmp_path / "t.csv")) == [text, "n"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), min_size=1))
def test_any_texts_come_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write_csv(pd.DataFrame({"a": texts, "b": "x"}), path)
    assert list(read_csv(path).a) == texts


def test_a_photo_whose_name_is_not_utf8_can_be_listed(tmp_path):
    write_csv(pd.DataFrame({"image_path": ["gr\udcfcn.jpg"]}), tmp_path / "t.csv")
    assert b"gr\xfcn.jpg" in (tmp_path / "t.csv").read_bytes()
    assert read_csv(tmp_path / "t.csv").image_path[0] == "gr\udcfcn.jpg"


def test_gaps_among_scores_are_no_numbers(tmp_path):
    write_csv(table(["a", "b"]).assign(score=[0.5, np.nan]), tmp_path / "t.csv")
    assert read_csv(tmp_path / "t.csv").score.isna().tolist() == [False, True]


@pytest.mark.parametrize("content", [None, b"", b'"a', b"score\nx\n", b"a\nb,c,d\n"])
def test_what_is_no_table_is_an_error_that_names_the_file(tmp_path, content):
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv is not a table that can be read"):
        read_csv(tmp_path / "t.csv")


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path):
    with pytest.raises(OutputError):
        write_csv(table(["a", "b"]), tmp_path)
