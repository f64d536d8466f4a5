"""The commands, as they are typed: train, evaluate, predict, export."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import carlib
from carlib.backbones import precisions
from carlib.cli import main

PROGRAM = [
    sys.executable,
    "-c",
    "from carlib.cli.main import main; main(prog_name='carlib')",
]


def run(*arguments: str | Path, **options) -> Result:
    """A command in this process."""
    result = CliRunner().invoke(main.main, list(map(str, arguments)), **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def typed(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def failure(*arguments: str | Path, **options) -> str:
    """What a command that fails says on stderr; on stdout, at most where data lie."""
    result = run(*arguments, **options)
    said = [line for line in result.stdout.splitlines() if line[:6] != "Data: "]
    assert (result.exit_code, said) == (1, [])
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory, sample) -> Path:
    """A folder in which a model was trained on the sample, by a typed command."""
    folder = tmp_path_factory.mktemp("cli")
    arguments = ("--arch", "EfficientNetLite0", "--epoch", "12", "--output", "m.zip")
    result = typed("train", sample, *arguments, "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    (folder / "train.json").write_text(result.stdout, "utf-8")
    (folder / "train.log").write_text(result.stderr, "utf-8")
    return folder


@pytest.fixture(scope="module")
def model(home) -> Path:
    return home / "m.zip"


@pytest.fixture(scope="module")
def photos(sample) -> list[Path]:
    return sorted((sample / "image").iterdir())[:3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """Every test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- train ---------------------------------------------------------------------------


def test_train_prints_json_alone_and_everything_else_on_stderr(home, sample):
    figures = json.loads((home / "train.json").read_text("utf-8"))
    assert figures["arch"] == "EfficientNetLite0"
    assert figures["photos"] == {"T": 160, "V": 40}
    assert figures["precision"] == precisions.native()
    assert len(figures["class_names"]) == 8
    assert 0 <= figures["metrics"]["micro_accuracy"] <= 1
    assert "160 photos: 0 cached, 160 computed" in (home / "train.log").read_text(
        "utf-8"
    )


def test_train_leaves_the_model_and_a_cache_of_all_it_looked_at(home):
    assert carlib.load_model(home / "m.zip").metrics["n"] == 40
    (kept,) = carlib.cache_info(home / "workspace")
    assert (kept["arch"], kept["photos"]) == ("EfficientNetLite0", 200)


def test_train_says_in_words_how_good_the_model_is(home, sample):
    options = ("--arch", "EfficientNetLite0", "--workspace", home / "workspace")
    result = run("train", sample, *options, "--epoch", 2)
    assert result.exit_code == 0, result.output
    assert "Micro-accuracy" in result.stdout
    assert "Trained EfficientNetLite0 on 160 photos." in result.stdout
    assert "Saved ImageModel.zip after" in result.stdout
    assert Path("ImageModel.zip").is_file()


def test_train_without_v_photos_saves_a_model_without_figures(home, sample, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(sample, data)
    index = data / "index.csv"
    lines = index.read_text("utf-8").splitlines()
    index.write_text("\n".join(x for x in lines if not x.endswith(",V")), "utf-8")
    options = ("--arch", "EfficientNetLite0", "--workspace", home / "workspace")
    result = run("train", data, *options, "--epoch", 1, "--json")
    figures = json.loads(result.stdout)
    assert figures["metrics"] is None
    assert figures["photos"] == {"T": 160, "V": 0}


def test_train_on_random_weights_says_so(sample, home):
    small = ("--arch", "MobileNetV2-0.35", "--weights", "none", "--epoch", 1)
    result = run("train", sample, *small, "--json")
    assert any("random" in note for note in json.loads(result.stdout)["notes"])


def test_an_output_that_cannot_be_written_is_refused_before_the_work(sample, tmp_path):
    stderr = failure("train", sample, "--output", tmp_path)
    assert "--output must be a file" in stderr
    assert "Data:" not in stderr


def test_train_computes_at_the_precision_asked_for(sample, home):
    options = ("--workspace", home / "workspace", "--precision", "float32")
    small = ("--arch", "MobileNetV2-0.35", "--weights", "none", "--epoch", 1)
    result = run("train", sample, *small, *options, "--json")
    assert json.loads(result.stdout)["precision"] == "float32"
    assert carlib.load_model("ImageModel.zip").backbones[0].precision == "float32"
    kept = carlib.cache_info(home / "workspace")
    assert {(entry["arch"], entry["precision"]) for entry in kept} == {
        ("EfficientNetLite0", precisions.native()),
        ("MobileNetV2-0.35", "float32"),
    }


def test_a_precision_that_this_machine_lacks_is_answered_with_those_it_has(
    sample, monkeypatch
):
    monkeypatch.setattr(precisions, "supported", lambda: {"float32"})
    options = ("--arch", "EfficientNetLite0", "--precision", "float16")
    stderr = failure("train", sample, *options, "--json")
    assert "can't compute at float16" in stderr
    assert "It can at float32" in stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--precision", "float8"),
        ("--epoch", 0),
        ("--batch-size", -1),
        ("--learning-rate", 0),
        ("--validation-fraction", 1),
        ("--epoch", "many"),
    ],
)
def test_an_option_out_of_its_range_is_named_before_the_work(sample, option):
    result = run("train", sample, *option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert option[0] in result.stderr
    assert not Path("workspace").exists()


def test_networks_are_joined_and_trained_as_recommended_but_for_what_is_typed(
    sample, tmp_path
):
    archs = ("--arch", "EfficientNetLite0 + MobileNetV2-0.35")
    options = ("--recommended", "--epoch", 2, "--l2", 0.05, "--weights", "none")
    output = tmp_path / "joined.zip"
    rest = ("--subset", "all", "--log", "csv", "--output", output, "--json")
    figures = json.loads(run("train", sample, *archs, *options, *rest).stdout)
    assert figures["arch"] == "EfficientNetLite0 + MobileNetV2-0.35"
    assert figures["photos"] == {"T": 200, "V": 0} and figures["metrics"] is None
    made = carlib.load_model(output).options
    expected = dict(carlib.RECOMMENDED) | {"epoch": 2, "l2": 0.05}
    assert {name: made[name] for name in expected} == expected
    (log,) = Path("workspace/logs").glob("*/training.csv")
    assert len(log.read_text("utf-8").splitlines()) == 3


def test_several_archs_are_an_error_that_says_how_to_join_and_how_to_compare(sample):
    stderr = failure("train", sample, "--arch", "A", "--arch", "B")
    assert "trains one model" in stderr
    assert "--arch A+B" in stderr and "carlib compare" in stderr
    assert not Path("workspace").exists()


def test_the_accuracy_gate_needs_photos_to_evaluate_on(sample):
    gate = ("--subset", "all", "--assert-accuracy-at-least", 0.5)
    assert "needs photos in V" in failure("train", sample, *gate)


def test_a_weights_file_needs_the_name_of_its_network(sample):
    stderr = failure("train", sample, "--weights", "my.h5")
    assert "--arch auto doesn't say which" in stderr
    assert "InceptionV3" in stderr


def test_an_unknown_network_is_answered_with_those_there_are(sample):
    assert "MobileNetV2" in failure("train", sample, "--arch", "VGG99")


def test_data_that_are_not_there_are_named():
    assert "nowhere" in failure("train", "nowhere", "--arch", "EfficientNetLite0")


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
    assert "'V', 'T', 'all'" in result.stderr


# --- predict -------------------------------------------------------------------------


def test_predict_gives_the_model_own_probabilities(model, photos):
    result = run("predict", model, *photos, "--json")
    rows = json.loads(result.stdout)["predictions"]
    table = carlib.load_model(model).predict(photos, progress=False)
    assert [row["image_path"] for row in rows] == list(map(str, photos))
    assert [row["predicted_label"] for row in rows] == list(table["predicted_label"])
    for row, expected in zip(rows, table.to_dict("records"), strict=True):
        assert row["score"] == expected["score"] == max(row["probabilities"].values())
        assert all(expected[name] == p for name, p in row["probabilities"].items())


def test_predict_shows_the_likeliest_classes_of_each_photo(model, photos):
    result = run("predict", model, *photos, "--top", 2)
    lines = [line for line in result.stdout.splitlines() if "%" in line]
    assert len(lines) == 3
    assert all(line.count("%") == 2 for line in lines)
    assert lines[0].startswith(str(photos[0]))


def test_predict_takes_folders_and_a_photo_on_stdin(model, photos, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in photos[:2]:
        shutil.copy(path, folder)
    result = run("predict", model, folder, "-", "--json", input=photos[2].read_bytes())
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["predictions"]
    named = [str(folder / path.name) for path in photos[:2]]
    assert [row["image_path"] for row in rows] == [*named, "-"]
    direct = run("predict", model, *photos, "--json")
    scores = [row["score"] for row in json.loads(direct.stdout)["predictions"]]
    assert [row["score"] for row in rows] == pytest.approx(scores, abs=1e-5)


def test_predict_names_every_photo_that_it_cannot_read(model, photos, tmp_path):
    bad = tmp_path / "bad.jpeg"
    bad.write_bytes(photos[0].read_bytes()[:2000])
    stderr = failure("predict", model, photos[0], bad, "missing.jpeg", "--json")
    assert "bad.jpeg" in stderr and "missing.jpeg" in stderr


def test_predict_skips_what_it_cannot_read_if_asked(model, photos, tmp_path):
    (tmp_path / "empty.jpeg").write_bytes(b"")
    options = ("--on-error", "skip")
    result = run("predict", model, "empty.jpeg", photos[0], *options, "--json")
    assert result.exit_code == 0
    bad, good = json.loads(result.stdout)["predictions"]
    assert set(bad) == {"image_path", "error"} and "empty" in bad["error"]
    assert good["predicted_label"] in good["probabilities"]
    text = run("predict", model, "empty.jpeg", photos[0], *options).stdout
    assert "empty.jpeg" in text and "not read: " in text


def test_predict_without_photos_is_a_usage_error(model):
    assert run("predict", model).exit_code == 2


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_a_model_that_is_not_there_is_named(command, sample):
    stderr = failure(command, "nowhere.zip", sample)
    assert "nowhere.zip" in stderr and "No such file" in stderr


def test_a_file_that_is_no_model_is_refused(photos):
    Path("m.zip").write_text("not a zip", "utf-8")
    stderr = failure("predict", "m.zip", photos[0])
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
def test_an_exported_pb_gives_plain_tensorflow_the_same_probabilities(model, photos):
    result = run("export", model, "exported", "--format", "pb")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"pb: {Path('exported/model.pb')}"
    command = [sys.executable, "-c", PLAIN_TENSORFLOW, "exported/model.pb", photos[0]]
    plain = subprocess.run(command, capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr
    labels = Path("exported/labels.txt").read_text("utf-8").split()
    exact = carlib.load_model(model).at("float32")
    table = exact.predict(photos[:1], progress=False)
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
    expected = {"train", "evaluate", "predict", "export", "compare", *caches}
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


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_keeps_what_was_computed(sample, tmp_path):
    data = many(sample, tmp_path / "many", copies=4)
    exit_code, stderr = interrupted(data)
    assert exit_code == 130
    assert "What was computed is kept in workspace;" in stderr
    assert "Traceback" not in stderr
    (kept,) = carlib.cache_info("workspace")
    assert 0 < kept["photos"] < 640


def interrupted(data: Path) -> tuple[int, str]:
    """Train until the first photos are done, press Ctrl-C, return what comes of it."""
    command = [*PROGRAM, "train", str(data), "--arch", "EfficientNetLite0"]
    process = subprocess.Popen(
        [*command, "--epoch", "1"], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    seen = b""
    while not re.search(rb"\| [1-9]\d*/640 ", seen):
        byte = process.stderr.read(1)
        assert byte, seen
        seen += byte
    process.send_signal(signal.SIGINT)
    stderr = process.communicate()[1]
    return process.returncode, stderr.decode("utf-8")


def many(sample: Path, folder: Path, copies: int) -> Path:
    """The sample several times over, each copy with other bytes after its end."""
    shutil.copytree(sample, folder)
    head, *lines = (folder / "index.csv").read_text("utf-8").splitlines()
    index = [head]
    for copy in range(copies):
        for line in lines:
            name, rest = line.split(",", 1)
            new = f"image/{copy}-{Path(name).name}"
            content = (sample / name).read_bytes()
            (folder / new).write_bytes(content + bytes([copy]))
            index.append(f"{new},{rest}")
    (folder / "index.csv").write_text("\n".join(index), "utf-8")
    return folder
