"""The commands, as they are typed: train, evaluate, predict, export."""

import json
import shutil
import subprocess
import sys
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


# --- export, cache info --------------------------------------------------------------

PLAIN_TENSORFLOW = """
import json, sys
import tensorflow as tf
graph = tf.compat.v1.GraphDef.FromString(open(sys.argv[1], "rb").read())
wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
prune = wrapped.prune
image = tf.io.decode_jpeg(tf.io.read_file(sys.argv[2]), dct_method="INTEGER_ACCURATE")
scores = prune("pixels:0", "probabilities:0")(image[None])
print(json.dumps(scores.numpy()[0].tolist()))
"""


@pytest.mark.slow
def test_an_exported_pb_gives_plain_tensorflow_the_same_probabilities(model, three):
    result = run("export", model, "exported", "--format", "pb")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"pb: {Path('exported/model.pb')}"
    command = [sys.executable, "-c", PLAIN_TENSORFLOW, "exported/model.pb", three[0]]
    plain = subprocess.run(command, capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr
    labels = Path("exported/labels.txt").read_text("utf-8").split()
    exact = carlib.load_model(model).at("float32")
    table = exact.predict(three[:1], progress=False)
    expected = [table[name][0] for name in labels]
    assert json.loads(plain.stdout) == pytest.approx(expected, abs=2e-3)


def test_exports_json_says_where_each_format_lies_and_nothing_else(model):
    result = run("export", model, "exported", "--format", "pb", "--json")
    figures = json.loads(result.stdout)
    assert figures["exported"] == {"pb": str(Path("exported/model.pb"))}
    assert len(figures["class_names"]) == 8


def test_export_over_somebody_elses_folder_is_refused(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x", "utf-8")
    assert "thesis.txt" in failure("export", model, "mine", "--overwrite")


def test_an_unknown_format_is_a_usage_error(model):
    assert run("export", model, "d", "--format", "coreml").exit_code == 2


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
    expected |= {"audit", "clinic", "learning-curve"}
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
