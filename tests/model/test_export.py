"""Exports give the model's own probabilities, to programs without carlib too."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib.errors import ExportError, OptionError
from carlib.model import export as export_module
from carlib.model.export import export

# What somebody writes who has TensorFlow, and has never heard of carlib.
ALONE = """
import json, sys
import numpy as np, tensorflow as tf
from PIL import Image

folder, *photos = sys.argv[1:]
graph = tf.compat.v1.GraphDef.FromString(open(folder + "/model.pb", "rb").read())
frozen = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
frozen = frozen.prune("pixels:0", "probabilities:0")
serve = tf.saved_model.load(folder + "/saved_model").signatures["serving_default"]
answers = []
for photo in photos:
    pixels = tf.constant(np.asarray(Image.open(photo))[None])
    saved = serve(pixels=pixels)["probabilities"]
    answers.append([frozen(pixels).numpy()[0].tolist(), saved.numpy()[0].tolist()])
print(json.dumps([answers, "carlib" in sys.modules, "keras" in sys.modules]))
"""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "out"
    return folder, export(trained, folder)


def alone(folder, photos):
    result = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), *map(str, photos)],
        capture_output=True,
        text=True,
        check=True,
    )
    answers, with_carlib, _ = json.loads(result.stdout.splitlines()[-1])
    assert not with_carlib
    return np.array(answers)  # photo, format, class


def probabilities(model, photos):
    return model.predict(photos)[list(model.class_names)].to_numpy()


def test_labels_lie_beside_both_formats(trained, exported):
    folder, paths = exported
    assert paths == {
        "saved_model": folder / "saved_model",
        "pb": folder / "model.pb",
    }
    labels = (folder / "labels.txt").read_text("utf-8").splitlines()
    assert labels == list(trained.class_names)


def test_plain_tensorflow_gets_the_same_probabilities(trained, photos, exported):
    folder, _ = exported
    paths = list(photos.image_path[photos.subset == "V"][:10])
    expected = probabilities(trained.at("float32"), paths)
    for answers in alone(folder, paths).swapaxes(0, 1):
        np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_photos_of_another_size_are_resized_nearly_as_in_training(
    trained, photos, exported, tmp_path
):
    """Pillow rounds between its two passes and TensorFlow doesn't: a level or two."""
    folder, _ = exported
    paths = []
    for number, size in enumerate([(640, 480), (97, 300), (448, 448), (225, 224)]):
        image = Image.open(photos.image_path[number * 7])
        paths.append(tmp_path / f"{number}.png")
        image.resize(size, Image.Resampling.BICUBIC).save(paths[-1])
    expected = probabilities(trained.at("float32"), paths)
    for answers in alone(folder, paths).swapaxes(0, 1):
        assert np.abs(answers - expected).max() < 0.01
        assert (answers.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_the_keras_model_takes_pixels_of_any_size(trained, photos):
    pixels = np.asarray(Image.open(photos.image_path[0]))[None]
    expected = probabilities(trained.at("float32"), pixels)
    given = np.asarray(trained.keras_model(pixels))
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert trained.keras_model(pixels[:, :100]).shape == (1, 8)


def test_an_earlier_export_is_replaced_only_on_request(trained, tmp_path):
    export(trained, tmp_path / "out", formats=["pb"])
    with pytest.raises(ExportError, match="overwrite"):
        export(trained, tmp_path / "out", formats=["pb"])
    export(trained, tmp_path / "out", formats=["pb"], overwrite=True)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["labels.txt", "model.pb"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_things_is_never_touched(trained, tmp_path):
    (tmp_path / "thesis.doc").write_text("ten years of work")
    with pytest.raises(ExportError, match=r"thesis\.doc"):
        export(trained, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_an_export_that_gives_other_figures_is_not_written(
    trained, tmp_path, monkeypatch
):
    def read_wrong(path):
        run = export_module._read_frozen_graph(Path(path))
        return lambda pixels: run(pixels).numpy()[:, ::-1]

    monkeypatch.setitem(
        export_module._WRITERS,
        "pb",
        (export_module.write_frozen_graph, read_wrong, "model.pb"),
    )
    with pytest.raises(ExportError, match="other probabilities"):
        export(trained, tmp_path / "out", formats=["pb"])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_known_ones(trained, tmp_path):
    with pytest.raises(OptionError, match="saved_model, pb.*tfjs"):
        export(trained, tmp_path / "out", formats=["tfjs"])
