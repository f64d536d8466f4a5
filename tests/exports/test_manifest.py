"""The manifest holds all that a client of one's own needs, and what was proven."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from carlib.exports.export import export
from tests.exports.made import model_of, small


@pytest.fixture(scope="module")
def exported(tiny, few_paths, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "out"
    export(tiny, folder, ["openvino"], photos=few_paths)
    return folder, json.loads((folder / "manifest.json").read_text("utf-8"))


def test_it_has_the_hash_of_every_other_file(exported):
    folder, told = exported
    files = {path.name: path for path in folder.iterdir()}
    del files["manifest.json"]
    assert told["sha256"] == {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
    }


def test_it_says_what_goes_in_and_what_comes_out(exported, tiny):
    _, told = exported
    (pixels,), (scores,) = told["inputs"], told["outputs"]
    assert pixels == {
        **{"name": "pixels", "dtype": "uint8", "shape": [None, 32, 32, 3]},
        **{"size": 32, "interpolation": "bilinear"},
    }
    assert scores["shape"] == [None, 3]
    assert told["class_names"] == list(tiny.class_names)
    (backbone,) = told["backbones"]
    assert (backbone["scale"], backbone["offset"]) == (1.0, 0.0)
    assert told["versions"]["openvino"] and told["versions"]["carlib"]


def test_it_says_when_an_answer_is_refused(exported, tiny, few_paths, tmp_path):
    _, told = exported
    assert told["refuse_below"] == tiny.confidence.threshold
    assert told["refuse_farther"] == tiny.confidence.farthest
    assert (told["temperature"], told["error_rate"]) == (1.5, 0.2)
    plain = model_of(small())
    export(plain, tmp_path / "out", ["openvino"], photos=few_paths[:1])
    told = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert (told["refuse_below"], told["temperature"]) == (0.0, None)


def test_it_has_the_photos_it_was_checked_on_and_their_answers(
    exported, tiny, few_paths
):
    folder, told = exported
    exact = tiny.at("float32").predict(few_paths, progress=False)
    assert [each["label"] for each in told["checked"]] == list(exact.predicted_label)
    np.testing.assert_allclose(
        [each["probabilities"] for each in told["checked"]],
        exact[list(tiny.class_names)],
        atol=1e-12,
    )
    contents = [Path(path).read_bytes() for path in few_paths]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    assert [each["sha256"] for each in told["checked"]] == hashes
    assert str(Path(few_paths[0]).parent) not in (folder / "manifest.json").read_text(
        "utf-8"
    )
