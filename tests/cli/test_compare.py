"""The command `carlib compare`."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner, Result

from carlib.backbones.backbone import Backbone
from carlib.cli import compare as compare_command
from carlib.cli import main, terminal
from carlib.errors import OptionError, WeightsError
from carlib.evaluation.compare import compare

PAIR = ("--arch", "EfficientNetLite0", "--arch", "efficientnetlite0")


def run(*arguments: str | Path) -> Result:
    """The command in this process; what went wrong is in its exit code."""
    result = CliRunner().invoke(main.main, ["compare", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_what_can_not_be_compared_is_said_before_any_work(tmp_path):
    broken = tmp_path / "nothing.h5"
    archs = ["EfficientNetLite0", "Nonsense"]
    with pytest.raises(OptionError, match="Nonsense"):
        compare(None, archs)
    with pytest.raises(OptionError, match="out of their range"):
        compare(None, archs, folds=1)
    with pytest.raises(WeightsError):
        compare(None, ["EfficientNetLite0", Backbone("MobileNetV2", weights=broken)])


def test_the_command_prints_the_table_and_draws_the_chart(sample, workspace, tmp_path):
    output = tmp_path / "new" / "figure.png"
    options = ("--folds", 2, "--seeds", 1, "--workspace", workspace, "--output", output)
    result = run(sample, *PAIR, *options)
    assert result.exit_code == 0, result.stderr
    assert "Compared on 200 photos, 8 classes: 2 folds × 1 seed, the" in result.stdout
    assert f"Drawn: {output}" in result.stdout
    assert output.read_bytes().startswith(b"\x89PNG")
    assert list(output.parent.iterdir()) == [output]
    assert plt.get_fignums() == []


def test_the_commands_json_is_alone_on_stdout(sample, workspace):
    options = ("--folds", 2, "--seeds", 2, "--workspace", workspace, "--subset", "T")
    result = run(sample, *PAIR, *options, "--json")
    figures = json.loads(result.stdout)
    assert (figures["subset"], figures["photos"], figures["output"]) == ("T", 160, None)
    assert figures["seeds"] == [1, 2]
    assert [row["difference"] for row in figures["archs"]] == [None, 0]


def test_the_command_joins_backbones(sample, workspace, keras_home, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(keras_home))
    joined = ("--arch", "EfficientNetLite0 + MobileNetV2-0.35")
    options = ("--folds", 2, "--seeds", 1, "--workspace", workspace, "--json")
    figures = json.loads(run(sample, *PAIR[:2], *joined, *options).stdout)
    names = [row["arch"] for row in figures["archs"]]
    assert names == ["EfficientNetLite0", "EfficientNetLite0 + MobileNetV2-0.35"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (PAIR[:2], "two archs or more"),
        ((*PAIR, "--arch", "A+"), "Expected names joined by +"),
        ((*PAIR, "--arch", "Nonsense"), "Nonsense"),
        ((*PAIR, "--output", "figure.doc"), "--output must be a picture"),
        ((*PAIR, "--output", "folder.png"), "is a folder"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    sample, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    result = run(sample, *arguments)
    assert (result.exit_code, result.stdout.startswith("Compared")) == (1, False)
    assert message in result.stderr and "Traceback" not in result.stderr


def test_without_a_backbone_or_with_one_fold_it_says_how_it_is_used(sample):
    assert "Missing option '--arch'" in run(sample).stderr
    result = run(sample, *PAIR, "--folds", 1)
    assert result.exit_code == 2 and "--folds" in result.stderr


def test_help_shows_how_to_join_backbones():
    text = run("--help").stdout
    assert "--arch EfficientNetLite0+MobileNetV2-0.35" in text
    assert terminal.parts_of("A + B") == ["A", "B"]
    assert terminal.parts_of("A") == ["A"]


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".PDF", b"%PDF"), (".svg", b"<?xml")]
)
def test_a_picture_is_of_the_kind_that_its_name_says(comparison, suffix, start):
    assert compare_command.picture_of(comparison, suffix).startswith(start)
