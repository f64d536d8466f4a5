"""Proof: what is as the model says, and what isn't is named."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from carlib.errors import DataError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.prove import prove
from carlib.model.model import load_model

OPTIONS = {"progress": False}


@pytest.fixture(scope="module")
def saved(photos, trained, tmp_path_factory):
    """A model in a file, with its figures on V."""
    path = tmp_path_factory.mktemp("proved") / "m.zip"
    validation = photos[photos.subset == "V"].reset_index(drop=True)
    before = trained.metrics
    trained.save(path, evaluate(trained.predict(validation, progress=False)))
    trained.metrics = before
    return path


@pytest.fixture
def model(saved, workspace):
    return load_model(saved, workspace)


def kinds(proof):
    return {each.kind for each in proof.differences}


def row_of(photos, subset, place=0):
    return photos.index[photos.subset == subset][place]


def test_what_was_saved_is_proved(model, photos):
    proof = prove(model, photos, **OPTIONS)
    assert proof.ok and proof.differences == [] and proof.notes == []
    assert proof.photos == 40 and proof.figures > 100
    assert str(proof).startswith("Proved: ")
    shuffled = photos.sample(frac=1, random_state=1)
    assert prove(model, shuffled, **OPTIONS).ok
    assert json.loads(json.dumps(proof.to_dict()))["ok"] is True


def test_names_and_places_of_photos_have_no_say(model, photos, tmp_path):
    moved = photos.copy()
    for row, path in enumerate(photos.image_path):
        moved.loc[row, "image_path"] = str(shutil.copy(path, tmp_path / f"{row}.jpg"))
    assert prove(model, moved, **OPTIONS).ok


def test_a_flipped_label_is_named(model, photos):
    row = row_of(photos, "V", 3)
    before = photos.damage_class[row]
    after = next(name for name in model.class_names if name != before)
    flipped = photos.copy()
    flipped.loc[row, "damage_class"] = after
    first, *rest = prove(model, flipped, **OPTIONS).differences
    assert (first.kind, first.what) == ("photo", photos.image_path[row])
    assert (first.stored, first.now) == (f"labelled {before}", after)
    assert {each.kind for each in rest} == {"figure"}


def test_a_flipped_label_among_the_training_photos_is_named_too(model, photos):
    row = row_of(photos, "T", 5)
    flipped = photos.copy()
    flipped.loc[row, "damage_class"] = next(
        name for name in model.class_names if name != photos.damage_class[row]
    )
    (found,) = prove(model, flipped, **OPTIONS).differences
    assert (found.kind, found.what) == ("training photo", photos.image_path[row])
    assert found.stored == f"labelled {photos.damage_class[row]}"


def test_a_changed_photo_is_named(model, photos, tmp_path):
    row, changed = row_of(photos, "V", 2), tmp_path / "changed.jpg"
    changed.write_bytes(Path(photos.image_path[row]).read_bytes() + b"\n")
    others = photos.copy()
    others.loc[row, "image_path"] = str(changed)
    new, old = prove(model, others, **OPTIONS).differences
    assert new.what == str(changed) and "other content" in new.stored
    assert "SHA-256" in old.what and "not there, or changed" in old.now
    assert old.stored == photos.damage_class[row]


def test_a_photo_that_lacks_is_named_and_one_that_changed_sides_is_found(model, photos):
    row = row_of(photos, "V", 1)
    lacks = prove(model, photos.drop(index=row), **OPTIONS)
    assert [d.kind for d in lacks.differences[:2]] == ["photo", "figure"]
    assert lacks.photos == 39 and "so that figures do, too" in str(lacks)
    moved = photos.copy()
    moved.loc[row, "subset"] = "T"
    found = prove(model, moved, **OPTIONS).differences
    assert found[0].now == f"in another subset: {photos.image_path[row]}"
    added = [each for each in found if each.kind == "training photo"]
    assert [each.what for each in added] == [photos.image_path[row]]


@pytest.mark.parametrize(
    "name", ["micro_accuracy", "macro_accuracy", "log_loss", "n", "majority_class"]
)
def test_an_edited_figure_is_named(model, photos, name):
    value = model.metrics[name]
    better = {"n": 41, "majority_class": "another"}.get(name)
    model.metrics = model.metrics | {name: better or value + 0.02}
    (found,) = prove(model, photos, **OPTIONS).differences
    assert (found.kind, found.what) == ("figure", name)
    assert found.stored != found.now


def test_an_edited_recall_and_an_edited_cell_are_named(model, photos):
    model.metrics = json.loads(json.dumps(model.metrics))
    row = model.metrics["per_class"][1]
    row["recall"] += 0.1
    counts = model.metrics["confusion_matrix"]["counts"]
    counts[0][0] += 3
    found = {each.what for each in prove(model, photos, **OPTIONS).differences}
    name = model.class_names[0]
    assert found == {
        f"per_class, {row['class']}, recall",
        f"confusion_matrix, {name} named {name}",
    }


def test_a_swapped_weight_is_named_though_the_file_was_made_anew(
    model, photos, tmp_path, workspace
):
    kernel = model.head.kernel.copy()
    kernel[:, [0, 1]] = kernel[:, [1, 0]]
    model.head = dataclasses.replace(model.head, kernel=kernel)
    model.save(tmp_path / "swapped.zip")  # with hashes that fit
    swapped = load_model(tmp_path / "swapped.zip", workspace)
    found = prove(swapped, photos, **OPTIONS)
    assert kinds(found) == {"weights", "figure"}
    assert found.differences[0].what == "of the head"
    names = {each.what for each in found.differences}
    assert {"micro_accuracy", "log_loss"} <= names


@pytest.mark.slow
def test_one_weight_of_a_backbone_is_enough(model, photos):
    from carlib.backbones.backbone import Backbone

    weights = model.backbones[0].weights_vector().copy()
    weights[0] += 0.5
    other = Backbone("EfficientNetLite0", weights)
    model.backbones, model.workspace_path = (other,), None
    found = prove(model, photos, **OPTIONS).differences
    assert found[0].what == "of EfficientNetLite0"


@pytest.mark.slow
def test_figures_found_at_another_precision_are_within_the_tolerance(model, photos):
    exact = model.at("float32")
    found = prove(exact, photos, **OPTIONS)
    assert found.ok, str(found)
    if model.precision != "float32":
        assert "not at what the figures were found with" in found.notes[0]
        exact.metrics = exact.metrics | {"micro_accuracy": 0.99, "log_loss": 0.01}
        names = {each.what for each in prove(exact, photos, **OPTIONS).differences}
        assert {"micro_accuracy", "log_loss"} <= names


def test_what_a_model_does_not_say_is_noted(model, photos):
    figures = {k: v for k, v in model.metrics.items() if k != "evidence"}
    model.metrics, model.trained_on = figures, {}
    found = prove(model, photos, **OPTIONS)
    assert found.ok and len(found.notes) == 3
    fewer = photos.drop(index=row_of(photos, "T"))
    (one,) = prove(model, fewer, **OPTIONS).differences
    assert (one.kind, one.now) == ("training photos", "others: 159 photos in T")


def test_without_figures_or_photos_there_is_nothing_to_prove(model, photos):
    with pytest.raises(DataError, match="no photos in test"):
        prove(model, photos, "test")
    with pytest.raises(DataError, match="Expected a table of photos"):
        prove(model, list(photos.image_path))
    for metrics in ({}, {"micro_accuracy": 0.5}, {"per_class": "?"}):
        model.metrics = metrics
        with pytest.raises(DataError, match="no figures to prove"):
            prove(model, photos)


def test_figures_that_somebody_wrote_by_hand_are_no_traceback(model, photos):
    odd = {
        "per_class": [1, {"class": "x"}, None],
        "confusion_matrix": {"labels": [1], "counts": "x"},
        "top_k_accuracy": "high",
        "evidence": {"photos": {"a": "zz"}, "weights": 3, "precisions": "?"},
        "n_dropped": [],
    }
    model.metrics = odd
    found = prove(model, photos, **OPTIONS)
    assert not found.ok and str(found)


def test_a_table_without_subsets_is_all_measured_on(model, photos):
    alone = photos[photos.subset == "V"].drop(columns="subset")
    assert prove(model, alone, **OPTIONS).ok
