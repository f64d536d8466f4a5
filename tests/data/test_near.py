"""Which photos are one picture, whatever their names, order and files."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import carlib
from carlib.data import near
from carlib.data.near import grouped, picture_hashes, pictures
from carlib.data.sources import as_sources
from carlib.errors import OptionError
from tests import copied


@pytest.fixture
def copies(photos, tmp_path):
    """Three photos, and a copy of the first by each way."""
    first, second, third = photos.image_path[[0, 40, 80]]
    same = shutil.copy(first, tmp_path / "same.jpeg")
    ways = (copied.resaved, copied.stamped, copied.mirrored)
    made = [copied.put(first, way, tmp_path / f"{way.__name__}.jpg") for way in ways]
    return [second, first, str(same), *made, third]


def test_copies_have_one_key_and_others_their_own(copies):
    found = pictures(as_sources(copies))
    assert len(set(found[1:6])) == 1
    assert len(set(found)) == 3
    keys, _ = picture_hashes(as_sources(copies))
    assert found[1] == min(keys[1:6]) and found[0] == keys[0]


def test_neither_order_nor_names_have_a_say(copies, tmp_path):
    order = np.random.default_rng(0).permutation(len(copies))
    moved = [shutil.copy(copies[i], tmp_path / f"moved{i}") for i in order]
    expected = pictures(as_sources(copies))
    assert pictures(as_sources(moved)) == [expected[i] for i in order]


def test_a_chain_of_copies_is_one_group():
    pairs = np.array([[0, 3], [3, 4], [1, 5]])
    groups = grouped(6, pairs)
    assert groups[0] == groups[3] == groups[4]
    assert groups[1] == groups[5] and len(set(groups)) == 3
    assert len(set(grouped(3, np.empty((0, 2), int)))) == 3


def test_plain_colours_are_copies_only_of_the_same_bytes(tmp_path):
    for name, colour in {"a": "red", "b": "blue", "c": "red"}.items():
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    a, b, c = pictures(as_sources(tmp_path))
    assert a == c != b


def test_photos_that_cannot_be_read_are_copies_of_nothing(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    paths = [tmp_path / "empty.jpg", tmp_path / "gone.jpg"]
    assert pictures(as_sources(paths)) == [b"", b""]


def test_a_content_is_decoded_once_in_a_process(copies, monkeypatch):
    expected = pictures(as_sources(copies))

    def refused(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(near, "picture_hash", refused)
    assert pictures(as_sources(copies)) == expected


# --- split ---------------------------------------------------------------------------


@pytest.fixture
def leaked(copies):
    """The first photo in T, its copies and two others in V."""
    subset = ["V", "T", "V", "V", "V", "V", "V"]
    return pd.DataFrame({"image_path": copies, "damage_class": "a", "subset": subset})


def test_leaked_photos_are_told_with_some_names(leaked, capsys):
    train, validation = carlib.split(leaked)
    assert (len(train), len(validation)) == (1, 6)
    said = capsys.readouterr().out
    assert said.startswith("4 photos are in V and in T, so that figures")
    assert "same.jpeg, resaved.jpg, stamped.jpg and 1 more." in said


def test_leaked_photos_are_left_out_if_that_is_asked_for(leaked, capsys):
    train, validation = carlib.split(leaked, on_leak="drop")
    assert validation.image_path.tolist() == leaked.image_path[[0, 6]].tolist()
    assert train.image_path.tolist() == leaked.image_path[[1]].tolist()
    assert validation.index.tolist() == [0, 1]
    assert capsys.readouterr().out.startswith(
        "4 photos are left out of V, being in T, too: same.jpeg"
    )


def test_leaked_photos_are_kept_without_a_word_or_a_look(leaked, capsys, monkeypatch):
    monkeypatch.setattr("carlib.data.table.pictures", None)
    assert len(carlib.split(leaked, on_leak="keep")[1]) == 6
    assert capsys.readouterr().out == ""


def test_a_split_without_leaks_says_nothing(photos, capsys):
    train, validation = carlib.split(photos)
    assert capsys.readouterr().out == ""
    assert (len(train), len(validation)) == tuple(
        photos.subset.value_counts()[["T", "V"]]
    )


def test_another_word_for_leaks_is_an_error(photos):
    with pytest.raises(OptionError, match="warn.*drop.*keep.*'ask'"):
        carlib.split(photos, on_leak="ask")
