"""The command carlib export: other programs' files, and how they compare."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import carlib
from tests.cli.typed import failure, run

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


def test_json_says_where_each_format_lies_and_with_bench_how_it_compares(model):
    arguments = ("export", model, "exported", "--format", "openvino", "--json")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["exported"] == {"openvino": str(Path("exported/model.xml"))}
    assert len(figures["class_names"]) == 8 and "bench" not in figures
    told = json.loads(run(*arguments, "--overwrite", "--bench").stdout)["bench"]
    assert told["openvino"]["photos"] == told["openvino"]["labels_equal"] == 40
    assert told["openvino"]["largest_difference"] <= 1e-5
    assert 13 < told["openvino"]["megabytes"] < 16


def test_bench_prints_a_table_of_the_photos_that_are_named(model, three):
    (folder := Path("photos") / "a dent").mkdir(parents=True)
    for photo in three:
        shutil.copy(photo, folder)
    options = ("--format", "openvino", "--photos", "photos", "--bench")
    lines = run("export", model, "exported", *options).stdout.splitlines()
    assert lines[-2].split() == [
        *("format", "MB", "ms", "a", "photo", "same", "label", "differs", "by")
    ]
    assert lines[-1].startswith("openvino ") and "3 of 3" in lines[-1]


def test_a_page_gets_the_training_photos_features(model, sample):
    arguments = ("export", model, "page", "--format", "web", "--train", "sample")
    assert run(*arguments).exit_code == 0
    told = json.loads(Path("page/web/page.json").read_text("utf-8"))
    photos = carlib.load_index(sample)
    train = photos[photos["subset"] == "T"]
    assert told["taught"]["labels"] == train["damage_class"].to_list()


def test_export_over_somebody_elses_folder_is_refused(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x", "utf-8")
    assert "thesis.txt" in failure("export", model, "mine", "--overwrite")


def test_an_unknown_format_is_a_usage_error(model):
    assert run("export", model, "d", "--format", "coreml").exit_code == 2
