"""Answers that are not sure: in predictions, in the saved model, and refused there."""

import dataclasses
import math

import numpy as np
import pytest

import carlib
from carlib.errors import ArchiveError
from carlib.model.confidence import UNLIKE
from carlib.model.file import CONFIDENCE, _npy
from tests.faults.resaved import resaved
from tests.model.members import members
from tests.sure import able_to_tell


@pytest.fixture(scope="module")
def sure(trained, photos, workspace):
    return able_to_tell(trained, photos[photos.subset == "T"], workspace)


def test_predict_says_which_answers_are_not_sure_and_why(sure, photos):
    some = photos[photos.subset == "V"][:8]
    table = sure.predict(some, progress=False)
    columns = list(table)
    start = columns.index("refused")
    assert columns[start : start + 5] == [
        *("refused", "why", "distance", "predicted_label", "score"),
    ]
    assert (table["refused"] == (table["why"] != "")).all()
    low = table["score"] < sure.confidence.threshold
    assert low.any() and not low.all()
    assert table["why"][low].str.contains("not sure: 0").all()
    assert (table["distance"] > 0.01).all()
    assert carlib.evaluate(table).n == 8
    same = sure.predict(table, progress=False)
    assert same.equals(table) and list(same) == columns


def test_a_picture_of_something_else_is_unlike_the_photos(sure):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert sure.predict([noise, flat])["why"].str.startswith(UNLIKE).all()


def test_a_photo_that_cannot_be_read_is_refused(sure, photos):
    paths = [photos["image_path"][0], "missing.jpeg"]
    table = sure.predict(paths, on_error="skip", progress=False)
    assert table["refused"][1] and table["why"][1] == "not read"
    assert math.isnan(table["distance"][1])


def test_a_model_that_cannot_tell_leaves_no_answer_of_one_that_could(sure, photos):
    before = sure.predict(photos[:2], progress=False)
    plain = dataclasses.replace(sure, confidence=None)
    after = plain.predict(before, progress=False)
    assert {"refused", "why", "distance"} & set(after) == set()


def test_a_saved_model_refuses_the_same_photos(sure, photos, tmp_path):
    path = sure.save(tmp_path / "m.zip")
    loaded = carlib.load_model(path, sure.workspace_path)
    assert loaded.confidence.error_rate == 0.05
    expected = sure.predict(photos[:40], progress=False)
    given = loaded.predict(photos[:40], progress=False)
    assert given.equals(expected)
    assert set(CONFIDENCE) <= set(members(path))
    size = sum(len(members(path)[name]) for name in CONFIDENCE)
    assert size < 3.2 * 2**20


def test_a_tables_refusals_come_back_from_a_csv(sure, photos, tmp_path):
    table = sure.predict(photos[:12], progress=False)
    carlib.write_csv(table, tmp_path / "p.csv")
    back = carlib.read_csv(tmp_path / "p.csv")
    assert back["refused"].tolist() == table["refused"].tolist()
    assert back["distance"].tolist() == pytest.approx(table["distance"].tolist())
    assert carlib.coverage(back).n == 12


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"error_rate": 0}, "error_rate of confidence must be"),
        ({"error_rate": 1e-9}, "photos or more for error_rate"),
        ({"photos": 10**9}, "photos of confidence must be"),
        ({"photos": -1}, "photos of confidence must be"),
        ({"photos": 7}, "confidence.npy"),
        ({"references": 1}, "references.npy"),
        ({"references": "2"}, "references of confidence must be"),
    ],
)
def test_a_confidence_that_is_none_is_refused(sure, tmp_path, told, says):
    fields = sure.confidence.described() | told
    path = resaved(sure, tmp_path / "odd.zip", confidence=fields)
    with pytest.raises(ArchiveError, match=says):
        carlib.load_model(path)


@pytest.mark.parametrize(("column", "value"), [(0, 8), (0, 0.5), (2, 1.5), (4, -1)])
def test_a_confidence_with_figures_that_are_none_is_refused(
    sure, tmp_path, column, value
):
    figures = sure.confidence.photos.copy()
    figures[3, column] = value
    replaced = {"confidence.npy": _npy(figures)}
    path = resaved(sure, tmp_path / "odd.zip", replaced)
    with pytest.raises(ArchiveError, match="not sure"):
        carlib.load_model(path)


def test_a_model_with_members_that_it_does_not_tell_of_is_refused(sure, tmp_path):
    path = resaved(sure, tmp_path / "odd.zip", confidence=None)
    with pytest.raises(ArchiveError, match=r"confidence\.npy.*has no place"):
        carlib.load_model(path)
