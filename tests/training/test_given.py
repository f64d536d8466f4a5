"""Features that somebody has already: as good as computed ones, and never copied."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import log_loss

import carlib
from carlib.bottlenecks.rows import Rows
from carlib.errors import DataError
from carlib.evaluation.evaluate import evaluate
from carlib.model import confidence
from carlib.training import folds, given, keras_head, optimum
from carlib.training.given import from_features
from carlib.training.loop import confidence_of
from carlib.training.trainer import ImageClassificationTrainer

DIRECT = {"optimizer": "lbfgs", "early_stopping": None, "l2": 0.1, "epoch": 100}
NAMES = np.array(["dent", "glass", "scratch", "wheel"])


def drawn(count, n_features=256):
    """Features, float16, of four classes that overlap, and their labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, count)
    centres = generator.normal(size=(4, n_features)).astype(np.float32)
    noise = generator.standard_normal((count, n_features), np.float32)
    return (3 + 0.1 * centres[labels] + noise).astype(np.float16), NAMES[labels]


def trainer(**options):
    return ImageClassificationTrainer(**DIRECT | options, workspace_path=None)


@pytest.fixture
def large(monkeypatch):
    """A megabyte of features is too much for memory."""
    monkeypatch.setattr(given, "MAPPED", 1 << 20)
    monkeypatch.setattr(keras_head, "IN_MEMORY", 1 << 20)
    monkeypatch.setattr(optimum, "SAMPLE", 256)
    monkeypatch.setattr(folds, "MANY", 1000)


@pytest.fixture
def mapped(tmp_path):
    """Features in a file, 12 MB, and their labels."""
    features, labels = drawn(24_000)
    np.save(tmp_path / "features.npy", features)
    return np.load(tmp_path / "features.npy", mmap_mode="r"), labels


def test_a_head_is_the_same_from_memory_and_from_a_file(tmp_path, request):
    features, labels = drawn(3_000)
    np.save(tmp_path / "features.npy", features)
    whole, _ = trainer(calibrate="temperature").train_head(
        from_features(features, labels)
    )
    request.getfixturevalue("large")
    file = np.load(tmp_path / "features.npy", mmap_mode="r")
    photos = from_features(file, labels)
    assert isinstance(photos.as_they_are(), Rows)
    parts, _ = trainer(calibrate="temperature").train_head(photos)
    assert parts.converged and whole.converged
    found, expected = parts.held_out, whole.held_out
    assert log_loss(found.labels, found.probabilities) == pytest.approx(
        log_loss(expected.labels, expected.probabilities), abs=0.02
    )
    assert parts.calibration.temperature == pytest.approx(
        whole.calibration.temperature, rel=0.1
    )
    parts, whole = (each.logits(photos) for each in (parts, whole))
    np.testing.assert_allclose(
        parts / parts.std(), whole / whole.std(), atol=1e-3, rtol=0
    )


def test_all_that_is_done_to_them_holds_but_a_part_in_memory(mapped, large):
    features, labels = mapped
    some = from_features(features[:2000], labels[:2000])
    trainer(calibrate="temperature").train_head(some)  # imports
    tracemalloc.start()
    photos = from_features(features, labels)
    in_v = np.arange(len(labels)) % 4 == 0
    made = trainer(calibrate="temperature")
    trained, _ = made.train_head(photos.some(~in_v))
    metrics = evaluate(trained.predictions(photos.some(in_v)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.8 * features.nbytes  # of float16; as float32 they are twice that
    assert metrics.micro_accuracy > 0.6 and metrics.n == in_v.sum()
    assert 0.3 < trained.calibration.temperature < 2


def test_heads_that_calibrate_know_nothing_of_what_is_held_out(tmp_path, large):
    """Of noise nothing can be learnt, though all of it can be learnt by heart."""
    draw = np.random.default_rng(0)
    features = draw.normal(size=(600, 800)).astype(np.float32)
    np.save(tmp_path / "features.npy", features)
    file = np.load(tmp_path / "features.npy", mmap_mode="r")
    photos = from_features(file, draw.integers(0, 3, 600))
    trained, _ = trainer(calibrate="temperature", l2=0.0).train_head(photos)
    found = trained.held_out
    assert (found.logits.argmax(axis=1) == found.labels).mean() < 0.5
    assert (trained.probabilities(photos).argmax(axis=1) == photos.labels).all()


def test_when_to_refuse_is_found_without_holding_them(mapped, large, monkeypatch):
    features, labels = mapped
    photos = from_features(features, labels)
    monkeypatch.setattr(confidence, "MOST_PHOTOS", 400)
    monkeypatch.setattr(confidence, "REFERENCE_BYTES", 1 << 18)
    made = trainer(calibrate="temperature", refuse=0.2)
    trained, _ = made.train_head(photos)
    tracemalloc.start()
    found = confidence_of(made, photos, trained)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.8 * features.nbytes
    assert len(found.photos) == 400 and found.threshold is not None


def test_epochs_over_a_file_learn_what_epochs_in_memory_do(tmp_path, request):
    features, labels = drawn(2_400)
    options = {"optimizer": "sgd", "l2": 0.0, "epoch": 2, "shuffle": True}
    whole, _ = trainer(**options).train_head(from_features(features, labels))
    request.getfixturevalue("large")
    np.save(tmp_path / "features.npy", features)
    file = np.load(tmp_path / "features.npy", mmap_mode="r")
    parts, _ = trainer(**options).train_head(from_features(file, labels))
    np.testing.assert_allclose(parts.linear.kernel, whole.linear.kernel, atol=1e-5)


def test_copies_of_a_picture_are_in_one_fold():
    features, labels = drawn(400)
    pictures = [f"picture {number // 2}" for number in range(400)]
    labels[1::2] = labels[::2]
    photos = from_features(features, labels, pictures)
    trained, _ = trainer(calibrate="temperature").train_head(photos)
    groups = trained.held_out.groups
    assert (groups[::2] == groups[1::2]).all() and len(set(groups)) == 200


def test_mirror_images_that_are_not_there_are_not_asked_for():
    features, labels = drawn(200)
    trained, _ = trainer(augment="flip").train_head(from_features(features, labels))
    assert trained.augment is None
    assert trained.probabilities(from_features(features, labels)).shape == (200, 4)


def test_whole_numbers_are_labels_too_and_one_a_row_is_wanted():
    features, _ = drawn(6)
    assert carlib.from_features(features, [10, 9, 9, 10, 9, 9]).classes == ("10", "9")
    with pytest.raises(DataError, match="one for each of 6 rows") as caught:
        from_features(features, ["a"] * 5, [1] * 7)
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="two classes or more"):
        from_features(features, ["a"] * 6)
    with pytest.raises(DataError, match="without one"):
        from_features(features, ["a", None, "b", "a", "b", "a"])
    with pytest.raises(DataError, match="a picture a row. Received: 1 without one"):
        from_features(features, ["a", "b"] * 3, ["p", "q", "r", "s", "t", None])


@pytest.mark.parametrize(
    "features",
    [[[1.0, 2.0]], np.ones(6), np.ones((6, 2), int), np.ones((6, 0)), "features.npy"],
    ids=["a list", "one row", "whole numbers", "no features", "a path"],
)
def test_what_is_no_array_of_floats_is_refused(features):
    with pytest.raises(DataError, match="array of floats"):
        from_features(features, ["a", "b"] * 3)


def test_rows_that_are_no_numbers_are_named():
    features, labels = drawn(40)
    features[5, 2], features[30:38, 0] = np.nan, np.inf
    with pytest.raises(DataError, match="not numbers") as caught:
        from_features(features, labels)
    assert caught.value.problems == [
        *("row 5", "row 30", "row 31", "row 32", "row 33", "and 4 more")
    ]
