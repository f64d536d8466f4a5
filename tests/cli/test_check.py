"""The command `carlib check`."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.typed import failure, run


@pytest.fixture
def command(model, sample, workspace):
    return ("check", model, sample, "--workspace", workspace)


def test_a_model_that_is_good_enough_passes(command):
    result = run(*command, "--min-micro", "0.2", "--min-recall", "unknown=0")
    assert result.exit_code == 0, result.stdout
    assert "All passed, on 40 photos." in result.stdout
    assert "✓ recall of unknown" in result.stdout


def test_one_that_is_not_leaves_with_1_and_writes_junit(command, tmp_path):
    path = tmp_path / "new" / "results.xml"
    floors = ("--min-macro", "1", "--min-recall", "0", "--min-recall", "unknown=1")
    result = run(*command, *floors, "--max-log-loss", "0.01", "--junit", path)
    assert result.exit_code == 1 and "✗ macro-accuracy" in result.stdout
    (suite,) = ET.parse(path).getroot()
    assert suite.get("tests") == "10" and int(suite.get("failures")) >= 2
    assert [each.name for each in path.parent.iterdir()] == ["results.xml"]


def test_json_is_alone_on_stdout(command, model):
    result = run(*command, "--not-worse-than", model, "--json")
    figures = json.loads(result.stdout)
    assert result.exit_code == 0 and figures["ok"] is True
    assert figures["gates"][0]["got"] == 0 and figures["photos"] == 40


def test_golden_photos_are_read_from_beside_their_table(command, sample, tmp_path):
    from carlib.data.table import load_index

    photos = load_index(sample)
    first = sorted(photos.image_path)[0]
    label = photos.set_index("image_path").damage_class[first]
    (tmp_path / "photo.png").write_bytes(Path(first).read_bytes())
    path = tmp_path / "golden.csv"
    path.write_text(f"image,class\nphoto.png,{label}\n", "utf-8")
    right = run(*command, "--golden", path)
    assert "golden photos" in right.stdout and right.exit_code in (0, 1)
    other = next(name for name in sorted(set(photos.damage_class)) if name != label)
    path.write_text(f"image,class\nphoto.png,{other}\n", "utf-8")
    results = {right.exit_code, run(*command, "--golden", path).exit_code}
    assert 1 in results  # one photo can't be of two classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\na.png,unknown\n", "expected the columns image and class"),
        ("image,class\n", "Expected golden photos"),
        ("image,class\nnothing.png,unknown\n", "can't be read"),
        ("image,class\nnothing.png,dragon\n", "never come out right"),
        ("image,class\nx,y,z\n", "not a table"),
    ],
)
def test_golden_tables_that_are_none_are_told_of(command, tmp_path, text, message):
    path = tmp_path / "golden.csv"
    path.write_text(text, "utf-8")
    assert message in failure(*command, "--golden", path, "--json")


def test_without_a_gate_it_fails(command):
    assert "there is no gate" in failure(*command)
    assert "nonsense" in failure(*command, "--min-recall", "nonsense=0.5")


@pytest.mark.parametrize(
    "option",
    [
        ("--min-recall", "high"),
        ("--min-recall", "unknown=1.5"),
        ("--min-macro", "2"),
        ("--max-log-loss", "-1"),
    ],
)
def test_a_bound_that_is_none_says_how_it_is_used(command, option):
    result = run(*command, *option)
    assert result.exit_code == 2 and option[0] in result.stderr


def test_where_junit_can_not_be_written_is_said_before_the_work(command, tmp_path):
    said = failure(*command, "--min-micro", "0", "--junit", tmp_path)
    assert "is a folder" in said


def test_a_class_with_an_equals_sign_can_be_named():
    from carlib.cli.check import Recall

    assert Recall().convert("a=b=0.5", None, None) == ("a=b", 0.5)
    assert Recall().convert("0.5", None, None) == (None, 0.5)
