"""A model's card says what it knows of itself, whatever its file holds."""

import dataclasses
import json
import zipfile

import pytest
import yaml

from carlib.errors import ArchiveError
from carlib.evaluation.evaluate import evaluate
from carlib.files import write_zip
from carlib.model.card import card_text
from carlib.model.model import load_model
from tests.model.members import members


@pytest.fixture(scope="module")
def judged(trained, photos):
    watched = photos[photos.subset == "V"]
    metrics = evaluate(trained.predict(watched, progress=False))
    return metrics, dataclasses.replace(trained, metrics=metrics.to_dict())


def front_matter(card):
    _, text, _ = card.split("---\n", 2)
    return yaml.safe_load(text)


def test_figures_stand_in_it_with_their_intervals(judged):
    metrics, model = judged
    card = card_text(model)
    low, high = metrics.micro_interval
    said = f"{metrics.micro_accuracy:.4f} | {low:.4f} to {high:.4f}"
    assert f"| micro-accuracy: photos named right | {said} |" in card
    assert f"On {metrics.n} photos" in card
    assert "must not be used for" in card and "drawn sample" in card
    counts = metrics.confusion_matrix.to_numpy()[0]
    assert " | ".join(map(str, counts)) in card


def test_the_front_matter_is_yaml_as_hubs_read_it(judged):
    metrics, model = judged
    said = front_matter(card_text(model))
    assert said["pipeline_tag"] == "image-classification"
    (index,) = said["model-index"]
    values = {m["name"]: m["value"] for m in index["results"][0]["metrics"]}
    assert values["macro-accuracy"] == pytest.approx(metrics.macro_accuracy, abs=1e-4)


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"micro_accuracy": "?", "micro_interval": 3, "confusion_matrix": [1]},
        {"micro_accuracy": 0.5, "micro_interval": [None, 1], "n": {"a": "|"}},
        {"confusion_matrix": {"labels": ["a"], "counts": [["b"]]}},
    ],
)
def test_metrics_of_any_kind_make_no_nonsense(trained, metrics):
    card = card_text(dataclasses.replace(trained, metrics=metrics))
    assert "None were saved with it" in card
    assert "model-index" not in front_matter(card)


def test_names_are_shown_and_not_obeyed(trained):
    odd = "<script>|a*b\n# c"
    names = (odd, *trained.class_names[1:])
    card = card_text(dataclasses.replace(trained, class_names=names))
    assert "<script>" not in card and "\n# c" not in card
    assert r"\<script\>\|a\*b\\n\# c" in card


def test_it_lies_in_the_models_file(judged, tmp_path):
    metrics, model = judged
    path = dataclasses.replace(model).save(tmp_path / "m.zip", metrics)
    with zipfile.ZipFile(path) as archive:
        card = archive.read("README.md").decode("utf-8")
        told = json.loads(archive.read("manifest.json"))
    assert card == card_text(load_model(path))
    assert len(told["sha256"]["README.md"]) == 64


def test_a_file_without_it_is_read_and_one_with_another_is_not(trained, tmp_path):
    parts = members(trained.save(tmp_path / "m.zip"))
    write_zip(tmp_path / "other.zip", parts | {"README.md": b"Trust me."})
    with pytest.raises(ArchiveError, match=r"README\.md in it is not what was saved"):
        load_model(tmp_path / "other.zip")
    write_zip(tmp_path / "third.zip", parts | {"readme.txt": b"Trust me."})
    with pytest.raises(ArchiveError, match=r"readme\.txt"):
        load_model(tmp_path / "third.zip")
    del parts["README.md"]
    write_zip(tmp_path / "bare.zip", parts)
    assert load_model(tmp_path / "bare.zip").class_names == trained.class_names
