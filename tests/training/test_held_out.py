"""Heads that never saw the photos they name, and what is found by them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from carlib.errors import DataError
from carlib.evaluation.cross_validation import cross_validate
from carlib.model import manifest
from carlib.model.calibration import HeadCalibration
from carlib.model.model import load_model
from carlib.training import loop
from carlib.training.calibrate import calibrate
from carlib.training.choose_l2 import CANDIDATES
from carlib.training.options import TrainingOptions
from carlib.training.trainer import ImageClassificationTrainer
from tests.drawn import photo_set
from tests.properties.written import FIELDS

DIRECT = {"optimizer": "lbfgs", "l2": 0.003, "early_stopping": None}


@pytest.fixture(scope="module")
def noise():
    """Labels that the features hardly tell: a head is far too sure of what it saw."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(150, 100))
    return photo_set(features, np.digitize(features[:, 0] + rng.normal(size=150), [0]))


def trained(photos, **options):
    return loop.train_head(TrainingOptions(**DIRECT | options), photos)


def test_each_photo_is_named_by_a_head_that_was_trained_without_it(noise, monkeypatch):
    seen, train = [], loop._trained

    def spy(options, some, *rest, **more):
        made = train(options, some, *rest, **more)
        logits = made.logits

        def name(held):
            seen.append((set(some.keys), list(held.keys)))
            return logits(held)

        object.__setattr__(made, "logits", name)
        return made

    monkeypatch.setattr(loop, "_trained", spy)
    copied = noise.some(np.arange(150).repeat(2))
    found = trained(copied, calibrate="temperature").held_out
    assert len(seen) == 5
    assert not any(learned & set(named) for learned, named in seen)
    assert sorted(key for _, named in seen for key in named) == sorted(copied.keys)
    np.testing.assert_array_equal(found.groups[::2], found.groups[1::2])


def test_what_is_found_is_folded_into_the_head_and_told(noise):
    plain, made = trained(noise), trained(noise, calibrate="bias-corrected")
    told = made.calibration
    assert plain.calibration is None and plain.held_out is None
    assert told.temperature > 1.5 and told.photos == 150
    expected = plain.logits(noise) / told.temperature + told.shift
    np.testing.assert_allclose(made.logits(noise), expected, atol=1e-4)


def test_the_held_out_logits_are_those_that_it_was_found_on(noise):
    raw = trained(noise, refuse=0.1).held_out
    assert trained(noise, refuse=0.1).calibration is None
    made = trained(noise, calibrate="temperature")
    found = calibrate("temperature", raw.logits, noise.labels)
    assert found == made.calibration
    expected = softmax(raw.logits / found.temperature, axis=1)
    np.testing.assert_allclose(made.held_out.probabilities, expected, atol=1e-9)


def test_calibration_lowers_the_loss_on_photos_that_nobody_saw(noise):
    half = noise.some(np.arange(75)), noise.some(np.arange(75, 150))
    losses = []
    for method in (None, "temperature", "bias-corrected", "adjusted"):
        scores = trained(half[0], calibrate=method).probabilities(half[1])
        losses.append(-np.log(scores[np.arange(75), half[1].labels]).mean())
    assert max(losses[1:]) < losses[0] - 0.2


def test_the_heads_are_trained_as_the_model_is(noise, monkeypatch):
    """With its penalty, chosen once, and for no more epochs than it had."""
    asked, train = [], loop._trained

    def spy(options, some, validation, l2, *rest, **more):
        asked.append((options.epoch, l2))
        return train(options, some, validation, l2, *rest, **more)

    monkeypatch.setattr(loop, "_trained", spy)
    options = TrainingOptions(
        l2="auto", epoch=9, early_stopping=None, calibrate="temperature"
    )
    made = loop.train_head(options, noise, hear=lambda epoch, figures: epoch == 2)
    assert made.l2 in CANDIDATES
    assert asked == [(9, made.l2)] + [(3, made.l2)] * 5


def test_cross_validation_judges_the_calibrated_head(trainer, skewed):
    made = trainer(**DIRECT, calibrate="temperature")
    runs = {"folds": 2, "seeds": [1], "progress": False}
    found = cross_validate(made, skewed, **runs).predictions
    plain = cross_validate(trainer(**DIRECT), skewed, **runs).predictions
    photos = made.photo_set(skewed)
    fold = found.fold.to_numpy() == 1
    head = loop.train_head(dataclasses.replace(made, seed=1), photos.some(~fold))
    given = found[list(photos.classes)].to_numpy()[fold]
    np.testing.assert_allclose(given, head.probabilities(photos.some(fold)))
    assert np.abs(found.score - plain.score).max() > 1e-3


@pytest.fixture(scope="module")
def model(backbone, workspace, train):
    trainer = ImageClassificationTrainer(
        arch=backbone,
        workspace_path=workspace,
        **DIRECT | {"l2": 0.1},
        augment="flip",
        calibrate="adjusted",
        refuse=0.1,
    )
    return trainer.fit(train)


def test_a_model_tells_how_it_was_calibrated_and_so_does_its_file(model, tmp_path):
    loaded = load_model(model.save(tmp_path / "model.zip"))
    assert loaded.calibration == model.calibration
    assert len(loaded.calibration.shift) == len(model.class_names)
    assert "160 training photos" in str(loaded.calibration)
    np.testing.assert_array_equal(loaded.head.kernel, model.head.kernel)
    again = ImageClassificationTrainer.from_options(loaded.options)
    assert again.calibrate == "adjusted" and again.refuse == 0.1
    assert again.optimizer == "lbfgs"


def test_a_model_that_may_refuse_says_which_and_why(model, train):
    assert model.confidence.error_rate == 0.1
    table = model.predict(train.head(8), progress=False)
    assert {"refused", "why"} <= set(table)
    assert (table.refused == (table.why != "")).all()


def test_with_too_few_photos_for_a_rate_a_model_refuses_nothing_and_says_so(
    trainer, skewed
):
    model = trainer(**DIRECT, refuse=0.01).fit(skewed)
    assert model.confidence is None
    assert "refuse=0.01 takes 99 photos to train on" in model.notes[-1]


def test_a_class_of_one_photo_can_not_be_held_out(trainer, skewed):
    one = skewed[skewed.damage_class != "tail_lamp"]
    lonely = skewed[skewed.damage_class == "tail_lamp"][:1]
    with pytest.raises(DataError, match="two different photos") as caught:
        trainer(**DIRECT, calibrate="temperature").fit(pd.concat([one, lonely]))
    assert caught.value.problems == ["tail_lamp: 1"]
    assert "calibrate=None" in caught.value.hint


@pytest.mark.slow
def test_exports_are_calibrated(model, train, tmp_path):
    from PIL import Image

    pixels = np.stack([np.asarray(Image.open(p)) for p in train.image_path[:4]])
    exact = model.at("float32").predict(pixels, progress=False)
    expected = exact[list(model.class_names)].to_numpy()
    np.testing.assert_allclose(model.keras_model(pixels), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 0}, "temperature of calibration must be a number above 0"),
        ({"shift": [0.1]}, "a number for each class"),
        ({"method": "platt"}, "method of calibration must be one of temperature"),
        ({"more": 1}, "calibration has no 'more'"),
    ],
    ids=str,
)
def test_a_calibration_that_is_none_is_refused_in_a_file(change, said):
    told = HeadCalibration("temperature", 1.5, (0.0, 0.0), 9, 0.7, 0.6).to_dict()
    assert not manifest.faults(FIELDS | {"calibration": told, "sha256": {}})
    wrong = manifest.faults(FIELDS | {"calibration": told | change, "sha256": {}})
    assert len(wrong) == 1 and said in wrong[0]
