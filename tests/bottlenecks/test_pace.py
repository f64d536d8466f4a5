"""What a cache saves is seen: seconds now, and seconds that computing takes."""

import json

import pytest

from carlib.bottlenecks.pace import Pace

BAD = ('"x"', "NaN", "Infinity", "-1", "null")


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "bottlenecks").mkdir()
    return tmp_path


def test_a_warm_run_tells_what_computing_takes(workspace):
    pace = Pace(workspace, ["a" * 64], mirrored=False)
    assert pace.told(0, 160, 16.0) == " in 16.0 s"
    again = Pace(workspace, ["a" * 64], mirrored=False)
    assert again.told(160, 0, 0.1) == " in 0.1 s; computing them takes 16.0 s"
    assert again.told(80, 0, 0.1) == " in 0.1 s; computing them takes 8.0 s"


def test_each_backbone_has_its_own_and_mirror_images_too(workspace):
    Pace(workspace, ["a" * 64], mirrored=False).told(0, 160, 16.0)
    assert Pace(workspace, ["b" * 64], mirrored=False).told(160, 0, 0.1) == ""
    assert Pace(workspace, ["a" * 64], mirrored=True).told(160, 0, 0.1) == ""


def test_what_takes_no_time_is_worth_no_word(workspace):
    pace = Pace(workspace, ["a" * 64], mirrored=False)
    assert pace.told(0, 40, 0.4) == "" and pace.told(0, 5, 9.0) == ""
    pace.told(0, 160, 16.0)
    assert pace.told(5, 0, 0.1) == "" and pace.told(40, 0, 3.0) == ""


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\0", *(f'{{"seconds_a_photo": {x}}}' for x in BAD)],
)
def test_a_damaged_note_says_nothing(workspace, text):
    pace = Pace(workspace, ["a" * 64], mirrored=False)
    pace.told(0, 160, 16.0)
    (path,) = (workspace / "bottlenecks" / "pace").iterdir()
    assert json.loads(path.read_text("utf-8")) == {"seconds_a_photo": 0.1}
    path.write_text(text, "utf-8")
    assert pace.told(160, 0, 0.1) == ""


def test_without_a_workspace_nothing_is_kept(tmp_path):
    for place in (None, tmp_path / "none"):
        pace = Pace(place, ["a" * 64], mirrored=False)
        assert pace.told(0, 160, 16.0) == " in 16.0 s"
        assert pace.told(160, 0, 0.1) == ""
    assert list(tmp_path.iterdir()) == []
