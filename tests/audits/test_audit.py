"""The audit as a whole: what it finds, says, and forgets once it's decided."""

import json
import shutil

import pandas as pd
import pytest
from PIL import Image

import carlib
from carlib.data.decisions import COLUMNS, NAME, write_decisions
from carlib.errors import DataError
from tests import copied


@pytest.fixture
def odd(photos, tmp_path):
    """The sample with one of each fault."""
    table = photos.copy()
    first, second, third = (table.image_path[row] for row in (0, 40, 80))
    (tmp_path / "empty.jpeg").write_bytes(b"")
    with Image.open(third) as image:
        image.save(tmp_path / "false.jpeg", "PNG")
    other = next(n for n in table.damage_class if n != table.damage_class[0])
    rows = [
        (tmp_path / "empty.jpeg", "unknown", "T"),
        (copied.put(second, copied.stamped, tmp_path / "stamped.jpeg"), None, None),
        (shutil.copy(first, tmp_path / "same.jpeg"), other, table.subset[0]),
        (tmp_path / "false.jpeg", table.damage_class[80], table.subset[80]),
    ]
    rows[1] = (rows[1][0], table.damage_class[40], "TV"[table.subset[40] == "T"])
    added = pd.DataFrame(rows, columns=table.columns).astype("str")
    return pd.concat([table, added], ignore_index=True)


def audit(photos, backbone, workspace, **options):
    options = {"workspace_path": workspace, "progress": False} | options
    return carlib.audit(photos, backbone, **options)


def test_everything_that_is_wrong_is_found(odd, backbone, workspace):
    found = audit(odd, backbone, workspace)
    assert found.files.kind.tolist() == ["unreadable", "suffix"]
    assert "empty.jpeg is empty" in found.files.problem[0]
    kinds = dict(zip(found.pairs.kind, found.pairs.other_image_path, strict=True))
    assert {kind: path.rpartition("/")[2] for kind, path in kinds.items()} == {
        "file": "same.jpeg",
        "pixels": "false.jpeg",
        "near": "stamped.jpeg",
    }
    by_kind = found.pairs.set_index("kind")
    assert by_kind.contradicts.to_dict() == {
        "file": True,
        "near": False,
        "pixels": False,
    }
    assert by_kind.crosses.to_dict() == {"file": False, "near": True, "pixels": False}
    assert found.pairs.kind[0] == "file"  # two labels are worst
    assert found.wrong == [
        "1 file that can't be read",
        "1 pair of one picture with a photo in T and one in V",
        "1 pair of one picture under two labels",
    ]


def test_it_says_so_in_words_and_in_json(odd, backbone, workspace):
    found = audit(odd, backbone, workspace)
    text = str(found)
    assert text.startswith("Looked at 204 photos of 8 classes.")
    assert "      1  files that can't be read" in text
    assert "      1  of these pairs in T and V" in text
    assert "stamped.jpeg" in text and "empty.jpeg is empty" in text
    figures = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert figures["n"] == 204 and figures["wrong"] == found.wrong
    assert len(figures["pairs"]) == 3 and len(figures["classes"]) == 8


def test_a_sound_set_has_nothing_wrong(photos, backbone, workspace):
    found = audit(photos, backbone, workspace)
    assert found.wrong == [] and found.files.empty and found.pairs.empty
    assert len(found.suspects) <= 0.05 * len(photos)


def test_the_order_of_rows_changes_nothing(odd, backbone, workspace):
    found = audit(odd, backbone, workspace)
    again = audit(odd[::-1].reset_index(drop=True), backbone, workspace)
    ends = [
        {
            frozenset(pair)
            for pair in zip(each.pairs.sha256, each.pairs.other_sha256, strict=True)
        }
        for each in (found, again)
    ]
    assert ends[0] == ends[1]
    assert found.wrong == again.wrong
    assert found.classes.equals(again.classes)
    assert set(found.outliers.sha256) == set(again.outliers.sha256)


def test_what_was_decided_never_comes_back(odd, backbone, workspace, tmp_path):
    found = audit(odd, backbone, workspace)
    suspect = found.suspects.sha256[0]
    near = found.pairs[found.pairs.kind == "near"].iloc[0]
    same = found.pairs[found.pairs.kind == "pixels"].iloc[0]
    rows = [
        ("label", suspect, "", "keep"),
        ("pair", near.other_sha256, near.sha256, "different"),
        ("pair", same.sha256, same.other_sha256, "copy"),
    ]
    write_decisions(pd.DataFrame(rows, columns=COLUMNS), tmp_path / NAME)
    moved = odd.copy()  # names have no say
    copy = shutil.copy(odd.image_path[0], tmp_path / "moved.jpeg")
    moved.loc[0, "image_path"] = str(copy)
    again = audit(moved, backbone, workspace, decisions=tmp_path / NAME)
    assert suspect not in set(again.suspects.sha256)
    assert len(again.suspects) == len(found.suspects) - 1
    assert set(again.pairs.kind) == {"file", "pixels"}
    assert again.wrong == [found.wrong[0], found.wrong[2]]


def test_labels_that_were_changed_are_suspected(photos, backbone, workspace):
    wrong = photos[photos.damage_class == "head_lamp"].index[:4]
    changed = photos.copy()
    changed.loc[wrong, "damage_class"] = "unknown"
    suspects = audit(changed, backbone, workspace).suspects
    found = suspects[suspects.image_path.isin(photos.image_path[wrong])]
    assert len(found) >= 3
    assert (found.suggested == "head_lamp").all() and (found.margin > 0).all()
    difference = found.suggested_probability - found.probability
    assert (difference == found.margin).all()


def test_without_subsets_nothing_crosses(odd, backbone, workspace):
    found = audit(odd.drop(columns="subset"), backbone, workspace)
    assert not found.pairs.crosses.any() and len(found.pairs) == 3


def test_photos_none_of_which_can_be_read_are_an_audit_all_the_same(tmp_path, backbone):
    for name in "ab":
        (tmp_path / f"{name}.jpeg").write_bytes(b"")
    paths = [str(tmp_path / f"{name}.jpeg") for name in "ab"]
    photos = pd.DataFrame({"image_path": paths, "damage_class": ["x", "y"]})
    found = audit(photos, backbone, None)
    assert found.wrong == ["2 files that can't be read"]
    assert str(found).startswith("Looked at 2 photos")


@pytest.mark.parametrize("table", [pd.DataFrame({"image_path": ["a"]}), [1], None])
def test_what_is_no_table_of_photos_is_refused(table):
    with pytest.raises(DataError, match="image_path and damage_class"):
        carlib.audit(table)


@pytest.mark.slow
def test_the_real_photos_hold_54_pairs(real_photos, backbone, workspace):
    photos = carlib.load_index(carlib.locate_data(real_photos))
    found = audit(photos, backbone, workspace)
    assert found.pairs.kind.value_counts().to_dict() == {
        "near": 42,
        "file": 7,
        "mirrored": 5,
    }
    assert (found.pairs.crosses.sum(), found.pairs.contradicts.sum()) == (13, 3)
