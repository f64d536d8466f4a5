"""The command `carlib audit`."""

import json
import shutil

import pandas as pd
import pytest

from carlib.data.decisions import COLUMNS, NAME, write_decisions
from tests import copied
from tests.cli.typed import failure, run


@pytest.fixture
def leaked(sample, tmp_path):
    """The sample with a stamped copy, in V, of a photo in T."""
    folder = shutil.copytree(sample, tmp_path / "photos")
    index = pd.read_csv(folder / "index.csv", dtype=str)
    photo = index[index.subset == "T"].iloc[0]
    copied.put(folder / photo.image, copied.stamped, folder / "image/stamped.jpg")
    with (folder / "index.csv").open("a", encoding="utf-8") as file:
        file.write(f"image/stamped.jpg,{photo['class']},V\n")
    return folder


def audit(folder, workspace, *arguments):
    return run("audit", folder, "--workspace", workspace, *arguments)


def test_a_sound_set_leaves_with_0(sample, workspace):
    result = audit(sample, workspace)
    assert result.exit_code == 0, result.stderr
    assert "Looked at 200 photos of 8 classes." in result.stdout
    assert "To be put right" not in result.stdout


def test_a_leaked_photo_leaves_with_1_and_says_so(leaked, workspace):
    result = audit(leaked, workspace)
    assert result.exit_code == 1
    last = result.stdout.rstrip().splitlines()[-2:]
    assert last == [
        "To be put right:",
        "  1 pair of one picture with a photo in T and one in V",
    ]


def test_json_stands_alone_and_a_decision_beside_the_data_counts(leaked, workspace):
    result = audit(leaked, workspace, "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["decisions"]) == (1, None)
    (pair,) = said["pairs"]
    assert pair["kind"] == "near" and pair["crosses"]
    row = ("pair", pair["sha256"], pair["other_sha256"], "different")
    write_decisions(pd.DataFrame([row], columns=COLUMNS), leaked / NAME)
    result = audit(leaked, workspace, "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["pairs"], said["wrong"]) == (0, [], [])
    assert said["decisions"].endswith(f"photos/{NAME}")


def test_decisions_that_are_none_are_an_error_in_words(sample, workspace, tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n", "utf-8")
    options = ("--workspace", workspace, "--decisions", tmp_path / "d.csv")
    assert "expected the columns kind" in failure("audit", sample, *options)
