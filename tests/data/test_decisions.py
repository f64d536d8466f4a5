"""Decisions come back as they were, and all that is wrong with them is named."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carlib.data.decisions import (
    COLUMNS,
    NAMES,
    read_decisions,
    relabelled,
    settled,
    write_decisions,
)
from carlib.errors import DataError

ONE, TWO, THREE = (digit * 64 for digit in "1a3")
HEADER = "kind,photo,other,decision"


def wrong(path, *lines: str) -> list[str]:
    """What is named of a file with these lines."""
    path.write_text("\n".join([HEADER, *lines]), "utf-8")
    with pytest.raises(DataError) as caught:
        read_decisions(path)
    return caught.value.problems


def test_decisions_come_back_as_they_were_each_once(tmp_path):
    rows = [
        ("pair", TWO, ONE, "different", "two.jpg", "=one().jpg"),
        ("label", THREE, "", "relabel:=cmd()", "three.jpg", ""),
        ("label", ONE, "", "drop", "", ""),
        ("label", ONE, "", "drop", "", ""),
    ]
    path = tmp_path / "labels.patch.csv"
    write_decisions(pd.DataFrame(rows, columns=[*COLUMNS, *NAMES]), path)
    assert "'=one()" in path.read_text("utf-8")
    table = read_decisions(path)
    assert table.to_numpy().tolist() == [
        ["pair", ONE, TWO, "different", "=one().jpg", "two.jpg"],
        ["label", THREE, "", "relabel:=cmd()", "three.jpg", ""],
        ["label", ONE, "", "drop", "", ""],
    ]
    assert settled(table, "pair", "different") == {(ONE, TWO)}
    assert settled(table, "label", "keep", "relabel:") == {(THREE, "")}
    assert [relabelled(each) for each in table.decision] == ["", "=cmd()", ""]


def test_names_may_be_missing_and_hashes_in_capitals(tmp_path):
    path = tmp_path / "labels.patch.csv"
    path.write_text(f"{HEADER}\nlabel,{TWO.upper()},, keep \n", "utf-8-sig")
    assert read_decisions(path).to_numpy().tolist() == [
        ["label", TWO, "", "keep", "", ""]
    ]


def test_all_that_is_wrong_is_named_with_its_line(tmp_path):
    problems = wrong(
        tmp_path / "labels.patch.csv",
        f"photo,{ONE},,keep",
        "label,123,,keep",
        f"pair,{ONE},,copy",
        f"label,{ONE},{TWO},keep",
        f"label,{TWO},,copy",
        f"label,{TWO},,relabel:",
        f"label,{THREE},,relabel:score",
    )
    expected = [
        "line 2: kind is pair or label, not 'photo'",
        "line 3: photo is a SHA-256, not '123'",
        "line 4: other is a SHA-256, not ''",
        "line 5: other is empty for a label",
        "line 6: no label is decided by 'copy'",
        "line 7: a class's name is empty",
        "line 8: no class may be called score",
    ]
    for why in expected:
        assert any(line.startswith(why) for line in problems), why


def test_decisions_that_contradict_each_other_are_named(tmp_path):
    problems = wrong(
        tmp_path / "labels.patch.csv",
        f"label,{ONE},,relabel:door_dent",
        f"pair,{ONE},{TWO},copy",
        f"label,{ONE},,drop",
        f"pair,{TWO},{ONE},different",
        f"label,{THREE},,drop",
    )
    assert problems == [
        "one label is decided in several ways: relabel:door_dent (line 2), "
        "drop (line 4)",
        "one pair is decided in several ways: copy (line 3), different (line 5)",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200) | st.text("\n,;'\"a1", max_size=80).map(str.encode))
def test_whatever_is_in_the_file_an_error_is_in_words(tmp_path, content):
    path = tmp_path / "labels.patch.csv"
    for start in (b"", f"{HEADER}\n".encode()):
        path.write_bytes(start + content)
        try:
            assert list(read_decisions(path).columns) == [*COLUMNS, *NAMES]
        except DataError as error:
            assert "labels.patch.csv" in str(error)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "kind;photo;other;decision\n", "\0"]
)
def test_what_are_no_decisions_is_an_error_in_words(tmp_path, text):
    path = tmp_path / "labels.patch.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"labels\.patch\.csv"):
        read_decisions(path)
    with pytest.raises(DataError, match="not a table that can be read"):
        read_decisions(tmp_path)
