"""H: exports for plain TensorFlow: equal, where they belong, and never half of one."""

import os
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib import runtime
from carlib.backbones.backbone import Backbone
from carlib.errors import ExportError, OptionError
from carlib.exports import export as export_module
from carlib.exports.export import export
from carlib.exports.formats import FORMATS, Format
from carlib.exports.proof import Checks
from carlib.model import frozen
from carlib.training.trainer import ImageClassificationTrainer

FOLDER = "ein Ordner/vérité 车 #1"


@pytest.fixture(scope="module")
def small(random, few, workspace):
    """A model on a small network, so that it's exported in seconds."""
    options = {"workspace_path": workspace, "epoch": 2, "early_stopping": None}
    return ImageClassificationTrainer(arch=random, **options).fit(few)


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory) -> dict[str, Path]:
    return export(small, tmp_path_factory.mktemp("exported") / FOLDER)


@pytest.fixture(scope="module")
def served(exported):
    """Each export as a function from pixels to probabilities, by TensorFlow alone."""
    tf = runtime.tensorflow()
    signature = tf.saved_model.load(str(exported["saved_model"])).signatures
    graph = tf.compat.v1.GraphDef.FromString(exported["pb"].read_bytes())
    frozen = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    frozen = frozen.prune("pixels:0", "probabilities:0")
    serve = signature["serving_default"]
    return {
        "saved_model": lambda pixels: serve(pixels=tf.constant(pixels))[
            "probabilities"
        ].numpy(),
        "pb": lambda pixels: frozen(tf.constant(pixels)).numpy(),
    }


@pytest.fixture
def instant(monkeypatch):
    """Exports that take no time: a few bytes in the place of a network."""

    def write(source, path: Path) -> None:
        from carlib.files import write_bytes

        write_bytes(path, b"new")

    def no_checks(model, photos) -> Checks:
        return Checks([], [], np.empty((0, 8)), model.class_names)

    monkeypatch.setitem(FORMATS, "pb", Format("model.pb", write))
    monkeypatch.setattr(export_module, "checks_of", no_checks)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])
def test_h01_each_export_gives_the_models_probabilities(small, few, served, count):
    """SavedModel and .pb give the model's probabilities, of one photo or several."""
    paths = list(few.image_path[:count])
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
    exact = small.at("float32").predict(paths, progress=False)
    expected = exact[list(small.class_names)].to_numpy()
    for run in served.values():
        np.testing.assert_allclose(run(pixels), expected, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "thesis.doc",
        "model.pb.bak",
        "saved_model/mine.txt",
    ],
)
def test_h02_what_no_export_wrote_is_never_removed(small, tmp_path, name, instant):
    """A folder with files of somebody's own, at any depth, is never written over."""
    export(small, tmp_path / "out", formats=["pb"])
    with pytest.raises(ExportError, match="overwrite=True"):
        export(small, tmp_path / "out", formats=["pb"])
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_bytes(b"ten years of work")
    before = contents(tmp_path)
    with pytest.raises(ExportError, match=Path(name).name):
        export(small, tmp_path / "out", formats=["pb"], overwrite=True)
    assert contents(tmp_path) == before


def test_h03_a_folder_may_have_spaces_accents_and_signs_in_its_name(exported, served):
    """A folder whose name has spaces, accents and Chinese in it holds an export."""
    assert all(
        FOLDER in path.as_posix() and path.exists() for path in exported.values()
    )
    assert served.keys() == exported.keys()
    assert (exported["pb"].parent / "labels.txt").read_text("utf-8").count("\n") == 8


def test_h04_a_frozen_graph_takes_bytes_and_has_the_names_that_are_told(exported):
    """The .pb has the nodes pixels, uint8 of any size, and probabilities, float32."""
    tf = runtime.tensorflow()
    graph = tf.compat.v1.GraphDef.FromString(exported["pb"].read_bytes())
    nodes = {node.name: node for node in graph.node}
    pixels = nodes["pixels"]
    assert pixels.op == "Placeholder"
    assert pixels.attr["dtype"].type == tf.uint8.as_datatype_enum
    assert [each.size for each in pixels.attr["shape"].shape.dim] == [-1, -1, -1, 3]
    assert nodes["probabilities"].attr["T"].type == tf.float32.as_datatype_enum
    assert not {"VarHandleOp", "ReadFile", "WriteFile", "PyFunc"} & {
        node.op for node in graph.node
    }


def test_h05_a_network_beyond_protobufs_two_gigabytes_is_an_error_in_words(
    small, tmp_path, monkeypatch
):
    """A network too large for a .pb is an error in words, and leaves nothing."""

    def too_large(graph):
        raise ValueError(
            "Cannot create a tensor proto whose content is larger than 2GB."
        )

    monkeypatch.setattr(frozen, "graph_bytes", too_large)
    with pytest.raises(ExportError, match="2 ?GB"):
        export(small, tmp_path / "out", formats=["pb"])
    assert list(tmp_path.iterdir()) == []


def test_h06_what_an_extra_brings_is_told_where_it_is_missing(few, monkeypatch):
    """Where NNCF isn't installed, int8 says which extra to install, with the cause."""
    monkeypatch.setitem(sys.modules, "nncf", None)
    calibration = list(few.image_path[:1])
    options = {"weights": None, "precision": "int8", "calibration": calibration}
    backbone = Backbone("MobileNetV2-0.35", **options)
    with pytest.raises(OptionError, match="pip install nncf") as caught:
        backbone.engine()
    assert isinstance(caught.value.__cause__, ImportError)


def test_h07_any_number_and_size_of_photos_is_taken_and_else_it_is_said(served):
    """Batches and sizes are free; other types or channels are refused in words."""
    rng = np.random.default_rng(0)
    for run in served.values():
        for shape in ((1, 224, 224, 3), (3, 90, 400, 3), (7, 33, 32, 3)):
            found = run(rng.integers(0, 256, shape, np.uint8))
            assert found.shape == (shape[0], 8)
            np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    for odd in (np.zeros((1, 224, 224, 3), np.float32), np.zeros((1, 9, 9, 4), "u1")):
        with pytest.raises(Exception, match="uint8|4 vs 3"):
            served["saved_model"](odd)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("point", range(16))
def test_h08_an_export_that_is_killed_leaves_the_old_or_the_new(
    small, tmp_path, point, instant, monkeypatch
):
    """An export that is killed, at whatever moment, leaves the old one or the new."""
    out = tmp_path / "out"
    export(small, out, formats=["pb"])
    (out / "model.pb").write_bytes(b"old")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        child = os.fork()
    if child == 0:
        _export_and_die(small, out, point)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    found = contents(out)
    beside = {"labels.txt", "manifest.json", "README.md"}
    assert found.keys() == {*beside, "model.pb"}
    assert found["model.pb"] in ((b"new",) if code == 0 else (b"old", b"new"))
    export(small, out, formats=["pb"], overwrite=True)
    assert contents(out)["model.pb"] == b"new"


def _export_and_die(model, out: Path, point: int) -> None:
    """Export over what is there, and be killed at one of the changes on the disk."""
    changes = []

    def heard(event, arguments):
        if event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            changes.append(event)
            if len(changes) > point:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(heard)
        export(model, out, formats=["pb"], overwrite=True)
    finally:
        os._exit(0)
