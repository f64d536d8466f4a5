"""The commands, as they are typed: train, evaluate, predict."""

import json
import shutil
import subprocess
from pathlib import Path

import click
import pytest

import carlib
from carlib.cli import main
from tests.cli.typed import PROGRAM, failure, run, typed

# --- train ---------------------------------------------------------------------------


# --- evaluate ------------------------------------------------------------------------


def test_evaluate_in_another_folder_gives_the_figures_of_the_training(
    home, model, sample
):
    result = run("evaluate", model, sample, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    trained = json.loads((home / "train.json").read_text("utf-8"))["metrics"]
    assert {name: figures[name] for name in trained} == trained


def test_evaluate_prints_the_table_for_the_subset_asked_for(home, model, sample):
    options = ("--workspace", home / "workspace")
    result = run("evaluate", model, sample, "--subset", "all", *options)
    assert "Evaluated 200 photos" in result.stdout
    assert "Confusion table" in result.stdout


def test_evaluate_on_a_subset_without_photos_says_so(model, sample, tmp_path):
    shutil.copytree(sample, tmp_path / "data")
    index = tmp_path / "data" / "index.csv"
    index.write_text(index.read_text("utf-8").replace(",V", ",T"), "utf-8")
    assert "has no photos in V" in failure("evaluate", model, "data")


def test_an_unknown_subset_is_a_usage_error(model, sample):
    result = run("evaluate", model, sample, "--subset", "X")
    assert result.exit_code == 2
    assert "'V', 'T', 'test', 'all'" in result.stderr


# --- predict -------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_a_model_that_is_not_there_is_named(command, sample):
    stderr = failure(command, "nowhere.zip", sample)
    assert "nowhere.zip" in stderr and "No such file" in stderr


def test_a_file_that_is_no_model_is_refused(three):
    Path("m.zip").write_text("not a zip", "utf-8")
    stderr = failure("predict", "m.zip", three[0])
    assert "m.zip" in stderr and "zip" in stderr.replace("m.zip", "")


# --- the command itself --------------------------------------------------------------


def commands(command: click.Command, *names: str) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [names]
    inner = command.commands.items()
    return [found for name, c in inner for found in commands(c, *names, name)]


COMMANDS = commands(main.main)


def test_these_are_the_commands():
    caches = {f"cache {name}" for name in ("info", "verify", "compact", "clear")}
    judging = {"evaluate", "compare", "report", "check", "prove", "drift"}
    expected = {"train", "predict", "export", *judging, *caches}
    expected |= {"app", "costs", "doctor", "label-next"}
    expected |= {"audit", "bottlenecks", "clinic", "fine-tune", "learning-curve"}
    assert {" ".join(names) for names in COMMANDS} == expected


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_by_examples(names):
    result = run(*names, "--help")
    assert result.exit_code == 0
    examples = [x for x in result.stdout.splitlines() if x.startswith("    carlib ")]
    assert len(examples) >= 2
    assert all(f"carlib {' '.join(names)}" in example for example in examples)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_option_is_explained(names):
    command = main.main
    for name in names:
        command = command.commands[name]
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_version_is_the_packages():
    result = typed("--version")
    assert result.stdout == f"carlib {carlib.__version__}\n"


def test_a_reader_that_leaves_early_is_no_error(home):
    arguments = ["cache", "info", "--json", "--workspace", str(home / "workspace")]
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
