"""The command `carlib train`."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import carlib
from carlib.backbones import precisions
from tests.cli.typed import PROGRAM, failure, run


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
    assert "one --arch for one model" in stderr
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
    """Train until the first photos are read, press Ctrl-C, return what comes of it."""
    command = [*PROGRAM, "train", str(data), "--arch", "EfficientNetLite0"]
    process = subprocess.Popen(
        [*command, "--epoch", "1"], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    while not list(Path("workspace").glob("bottlenecks/*/backbone.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(0.3)
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


def test_a_model_is_calibrated_and_refuses_where_that_is_asked_for(
    home, sample, tmp_path
):
    output = tmp_path / "sure.zip"
    options = ("--optimizer", "lbfgs", "--l2", 0.1, "--no-early-stopping")
    sure = ("--calibrate", "temperature", "--refuse", 0.1)
    place = ("--workspace", home / "workspace", "--output", output, "--json")
    result = run(
        "train", sample, "--arch", "EfficientNetLite0", *options, *sure, *place
    )
    figures = json.loads(result.stdout)
    model = carlib.load_model(output)
    assert figures["calibration"] == model.calibration.to_dict()
    assert figures["calibration"]["photos"] == 160
    assert model.confidence.error_rate == 0.1
    assert model.options["optimizer"] == "lbfgs"
