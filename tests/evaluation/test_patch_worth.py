"""What corrections are worth: before and after, on the same photos and labels in V."""

import json

import pandas as pd
import pytest

from carlib.data.decisions import COLUMNS, RELABEL, write_decisions
from carlib.data.table import load_index
from carlib.errors import DataError
from carlib.evaluation.patch_worth import patch_worth
from carlib.reading import sha256_of


def patch(folder, decided: dict[str, str]):
    """Write decisions about photos' labels, by their paths."""
    rows = [("label", sha256_of(p), "", what) for p, what in decided.items()]
    write_decisions(pd.DataFrame(rows, columns=COLUMNS), folder / "labels.patch.csv")
    return folder / "labels.patch.csv"


@pytest.fixture(scope="module")
def mislabelled(photos):
    """The sample, where all photos in T of two classes have each other's label."""
    swap = {"door_dent": "tail_lamp", "tail_lamp": "door_dent"}
    wrong = (photos.subset == "T") & photos.damage_class.isin(swap)
    return photos.assign(
        damage_class=photos.damage_class.where(~wrong, photos.damage_class.map(swap))
    )


@pytest.fixture(scope="module")
def right(photos, mislabelled):
    wrong = photos.damage_class != mislabelled.damage_class
    return {
        row.image_path: f"{RELABEL}{row.damage_class}"
        for row in photos[wrong].itertuples()
    }


def test_labels_put_right_are_seen_to_make_the_model_better(
    mislabelled, right, backbone, workspace, tmp_path
):
    found = patch_worth(
        mislabelled, patch(tmp_path, right), backbone, workspace_path=workspace
    )
    assert (found.n_relabelled, found.n_dropped) == (len(right), 0)
    macro = found.comparison.table.loc["macro_accuracy"]
    assert macro["first"] == pytest.approx(found.before.macro_accuracy)
    assert macro["second"] == pytest.approx(found.after.macro_accuracy)
    assert 0 < macro["low"] < macro["difference"] < macro["high"]
    assert found.comparison.p < 0.05
    assert f"After {len(right)} corrections" in found.sentence
    assert found.sentence.endswith("they made it better.")
    assert all(len(line) <= 88 for line in str(found).splitlines()[1:6])
    json.dumps(found.to_dict(), allow_nan=False)


def test_v_is_the_same_before_and_after_whatever_was_decided_about_it(
    mislabelled, right, photos, backbone, workspace, tmp_path
):
    inside = photos[(photos.subset == "V") & (photos.damage_class == "unknown")]
    about_v = dict.fromkeys(inside.image_path, f"{RELABEL}door_dent")
    one = dict([*right.items()][:1])
    decided = patch(tmp_path, one | about_v)
    found = patch_worth(mislabelled, decided, backbone, workspace_path=workspace)
    assert found.before.n == found.after.n == (photos.subset == "V").sum()
    assert found.n_relabelled == 1
    for metrics in (found.before, found.after):
        support = metrics.per_class.set_index("class").support
        assert support["unknown"] == len(inside)


def test_a_photo_in_v_that_t_has_too_is_not_judged_by(
    photos, backbone, workspace, tmp_path
):
    seen = photos[photos.subset == "T"].iloc[:1]
    both = pd.concat([photos, seen.assign(subset="V")], ignore_index=True)
    decided = patch(tmp_path, {seen.image_path.iloc[0]: "drop"})
    found = patch_worth(both, decided, backbone, workspace_path=workspace)
    assert (found.n_dropped, found.n_leaked) == (1, 1)
    assert found.before.n == found.after.n == (photos.subset == "V").sum()
    assert "1 more in V" in str(found)


def test_a_patch_that_changes_nothing_or_too_much_is_an_error(photos, tmp_path):
    first = photos[photos.subset == "T"].iloc[0]
    same = {first.image_path: f"{RELABEL}{first.damage_class}"}
    with pytest.raises(DataError, match="changes no label of a photo in T"):
        patch_worth(photos, patch(tmp_path, same), workspace_path=None)
    dents = (photos.damage_class == "door_dent") & (photos.subset == "T")
    drop = dict.fromkeys(photos.image_path[dents], "drop")
    with pytest.raises(DataError, match="leaves no photo in T of door_dent"):
        patch_worth(photos, patch(tmp_path, drop), workspace_path=None)
    with pytest.raises(DataError, match="No photos are in V"):
        t = photos[photos.subset == "T"]
        patch_worth(t, patch(tmp_path, drop), workspace_path=None)


def test_load_index_reads_the_same_labels(photos, sample, tmp_path):
    first = photos[photos.subset == "T"].iloc[0]
    decided = patch(tmp_path, {first.image_path: f"{RELABEL}unknown"})
    table = load_index(sample, patch=decided)
    changed = table[table.damage_class != photos.damage_class]
    assert list(changed.image_path) == [first.image_path]
