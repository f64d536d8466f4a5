"""An export appears when it is whole and proven; else nothing does, and it's said."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib.errors import ExportError, OptionError
from carlib.exports import openvino
from carlib.exports.export import export
from carlib.exports.formats import FORMATS, Format
from carlib.files import write_bytes
from tests.exports.made import KINDS, drawn, head, model_of

# Runs a client where there is no carlib, as on somebody else's machine.
ALONE = """
import runpy, sys
sys.modules["carlib"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def alone(client, *photos):
    """What a client prints about photos, a dict a photo."""
    command = [sys.executable, "-c", ALONE, str(client), *map(str, photos)]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    return [json.loads(x) for x in run.stdout.splitlines() if x.startswith("{")]


def given(model, photos):
    exact = model.at("float32").predict(photos, progress=False)
    return exact[list(model.class_names)].to_numpy()


def differences(model, client, photos):
    """How far a client's probabilities are from the model's own, at most."""
    answers = alone(client, *photos)
    found = [list(answer["probabilities"].values()) for answer in answers]
    assert [answer["photo"] for answer in answers] == list(map(str, photos))
    return np.abs(np.array(found) - given(model, photos)).max()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_gives_its_own_answers(kind, few_paths, tmp_path):
    model = KINDS[kind]()
    export(model, tmp_path / "out", ["onnx", "openvino"], photos=few_paths)
    told = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    for name in ("onnx", "openvino"):
        found = told["exports"][name]
        assert found["photos"] == found["labels_equal"] == len(few_paths)
        assert found["largest_difference"] <= 1e-5
    assert len(told["inputs"]) == (2 if kind.startswith("two") else 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_gives_its_own_answers_in_tensorflow(
    kind, few_paths, tmp_path
):
    """What TensorFlow resizes in the place of Pillow is a level or two off."""
    model, names = KINDS[kind](), ["saved_model", "pb", "tflite"]
    paths = export(model, tmp_path / "out", names, photos=few_paths)
    bound = 0.02 if kind.startswith("two") else 1e-5
    for name in names:
        client = tmp_path / "out" / f"client_{name}.py"
        assert differences(model, client, few_paths) <= bound
    assert paths["saved_model"].is_dir()


@pytest.mark.slow
@pytest.mark.parametrize(
    "archs", [["MobileNetV2-0.35"], ["EfficientNetLite0-layers", "MobileNetV2-0.35"]]
)
def test_carlibs_own_networks_are_exported_in_every_format(archs, few_paths, tmp_path):
    model = model_of(*map(drawn, archs), augment="flip" if len(archs) > 1 else None)
    names = [name for name, each in FORMATS.items() if each.runtime]
    paths = export(model, tmp_path / "out", names, photos=few_paths)
    assert list(paths) == names and all(path.exists() for path in paths.values())


def test_a_client_needs_no_carlib_and_prints_the_models_answers(
    tiny, few_paths, tmp_path
):
    paths = export(tiny, tmp_path / "out", ["onnx", "openvino"], photos=few_paths)
    assert paths["onnx"] == tmp_path / "out" / "model.onnx"
    for name in paths:
        client = tmp_path / "out" / f"client_{name}.py"
        assert differences(tiny, client, few_paths) <= 1e-5
    table = tiny.at("float32").predict(few_paths, progress=False)
    answers = alone(tmp_path / "out" / "client_onnx.py", *few_paths)
    assert [answer["label"] for answer in answers] == list(table.predicted_label)
    unsure = table.score < tiny.confidence.threshold
    assert [answer["refused"] for answer in answers] == list(unsure)


def test_labels_a_card_and_a_manifest_lie_beside(tiny, few_paths, tmp_path):
    export(tiny, tmp_path / "out", ["openvino"], photos=few_paths)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    beside = {"labels.txt", "README.md", "manifest.json"}
    assert names == {*beside, "client_openvino.py", "model.xml", "model.bin"}
    labels = (tmp_path / "out" / "labels.txt").read_text("utf-8").splitlines()
    assert labels == list(tiny.class_names)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_photos_the_drawn_sample_is_what_it_is_checked_on(tiny, tmp_path):
    export(tiny, tmp_path / "out", ["openvino"])
    told = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert len(told["checked"]) == 40
    assert told["checked"][0]["photo"].endswith(".jpeg")


@pytest.mark.parametrize("kind", ["bytes", "pixels"])
def test_photos_may_be_all_that_can_be_predicted(tiny, few_paths, tmp_path, kind):
    images = [Image.open(path) for path in few_paths[:2]]
    photos = [np.asarray(image) for image in images]
    if kind == "bytes":
        photos = [Path(path).read_bytes() for path in few_paths[:2]]
    export(tiny, tmp_path / "out", ["openvino"], photos=photos)


def test_an_earlier_export_is_replaced_only_on_request(tiny, few_paths, tmp_path):
    options = {"formats": ["openvino"], "photos": few_paths[:1]}
    export(tiny, tmp_path / "out", **options)
    with pytest.raises(ExportError, match="overwrite"):
        export(tiny, tmp_path / "out", **options)
    (tmp_path / "out" / "model.xml").write_text("old", "utf-8")
    export(tiny, tmp_path / "out", overwrite=True, **options)
    assert (tmp_path / "out" / "model.xml").read_text("utf-8") != "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("told", ["", "{}", '{"kind": "carlib export"}', "[1]"])
def test_a_folder_with_other_things_is_never_touched(tiny, tmp_path, told):
    (tmp_path / "thesis.doc").write_text("ten years of work")
    (tmp_path / "manifest.json").write_text(told)
    with pytest.raises(ExportError, match=r"thesis\.doc"):
        export(tiny, tmp_path, ["openvino"], overwrite=True)
    assert len([*tmp_path.iterdir()]) == 2


def wrong(source, path):
    """Write another head's network."""
    source.model.head = head(source.model.backbones, seed=7)
    openvino.write(source, path)


def test_an_export_that_gives_other_answers_is_not_written(
    tiny, few_paths, tmp_path, monkeypatch
):
    monkeypatch.setitem(FORMATS, "pb", Format("model.xml", wrong, (), "openvino"))
    with pytest.raises(ExportError, match="other answers than the model") as caught:
        export(tiny, tmp_path / "out", ["pb"], photos=few_paths)
    worst, model, exported = caught.value.problems
    assert "is the worst" in worst and "1e-05 is allowed" in worst
    assert model.startswith("the model says") and "export says" in exported
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_does_not_run_is_not_written(
    tiny, few_paths, tmp_path, monkeypatch
):
    def damaged(source, path):
        write_bytes(path, b"<net/>")

    monkeypatch.setitem(FORMATS, "pb", Format("model.xml", damaged, (), "openvino"))
    with pytest.raises(ExportError, match="doesn't run"):
        export(tiny, tmp_path / "out", ["pb"], photos=few_paths)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_installed_is_told_at_once(tiny, tmp_path, monkeypatch):
    for name in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError) as caught:
        export(tiny, tmp_path / "out", ["onnx", "tflite"])
    assert caught.value.hint == "Run: pip install tf2onnx onnxruntime ai-edge-litert"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("formats", [["tfjs"], [], "onnx"])
def test_an_unknown_format_is_refused_with_the_known_ones(tiny, tmp_path, formats):
    with pytest.raises(OptionError, match="saved_model, pb.*onnx"):
        export(tiny, tmp_path / "out", formats=formats)
