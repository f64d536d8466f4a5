"""Fine-tuning: a model of its own at the end, and figures that are honest."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.cache import cache_info
from carlib.errors import DataError, OptionError
from carlib.model.digests import digests_of
from carlib.training.fine_tune import fine_tune
from carlib.training.trainer import ImageClassificationTrainer

OPTIONS = {"augment": "flip", "l2": 0.1, "optimizer": "lbfgs", "early_stopping": None}
SURE = {"calibrate": "temperature", "refuse": 0.2}
QUICK = {"epochs": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def of_its_own(tmp_path_factory):
    """A workspace in which nobody else computes."""
    return tmp_path_factory.mktemp("tuning")


@pytest.fixture(scope="module")
def model(few, random, of_its_own):
    """Mirrored, standardised, calibrated, and able to refuse."""
    options = {"arch": random, "workspace_path": of_its_own} | OPTIONS | SURE
    return ImageClassificationTrainer(**options).fit(few)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def tuned(model, few, told):
    return fine_tune(
        model, few, epochs=3, learning_rate=1e-3, metrics_callback=told.append
    )


def test_it_is_a_model_with_a_backbone_of_its_own(model, tuned):
    (before,), (after,) = model.backbones, tuned.backbones
    assert after.weights_name.startswith("fine-tuned from random weights, seed 1, last")
    assert (after.arch, after.precision) == (before.arch, before.precision)
    assert after.fingerprint != before.fingerprint
    assert tuned.options["backbones"][0]["weights"] == after.weights_name
    assert tuned.class_names == model.class_names


def test_the_first_stays_as_it_was(model, tuned, few):
    weights = Backbone("MobileNetV2-0.35", None).weights_vector()
    np.testing.assert_array_equal(model.backbones[0].weights_vector(), weights)
    changed = tuned.backbones[0].weights_vector() != weights
    assert 0 < changed.sum() < len(weights) / 2


def test_saved_and_loaded_it_says_the_same(tuned, photos, tmp_path):
    loaded = carlib.load_model(tuned.save(tmp_path / "Tuned.zip"))
    expected, given = (
        each.predict(photos[:6], progress=False) for each in (tuned, loaded)
    )
    pd.testing.assert_frame_equal(given, expected)
    (one,), (other,) = tuned.backbones, loaded.backbones
    assert other.weights_name == one.weights_name
    assert other.fingerprint == one.fingerprint


def test_its_keras_model_says_the_same(tuned, photos):
    exact = tuned.at("float32")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    expected = exact.predict(pixels, progress=False)[list(exact.class_names)]
    np.testing.assert_allclose(exact.keras_model(pixels), expected, atol=1e-5)


def test_it_learns_what_it_is_shown(tuned):
    history = tuned.history
    assert history["cross_entropy"].iloc[-1] < history["cross_entropy"].iloc[0]


def test_the_callback_hears_what_the_history_has(tuned, told):
    rows = pd.DataFrame(map(dataclasses.asdict, told))
    pd.testing.assert_frame_equal(rows, tuned.history)
    assert rows["epoch"].tolist() == [0, 1, 2]
    assert rows["batch_processed_count"].tolist() == [2, 2, 2]  # 24 photos, mirrored
    assert tuned.best_epoch == 2


def test_what_makes_it_sure_was_found_on_photos_held_out(tuned, few):
    assert tuned.calibration.photos == 8  # one of each class
    assert len(tuned.confidence.photos) == len(tuned.confidence.references) == 8


def test_it_says_how_it_was_made_and_what_that_is_worth(tuned):
    text = "\n".join(tuned.notes)
    assert "The weights of MobileNetV2-0.35 are random" in text
    assert "drawn sample" in text
    assert "Tuned on 24 photos: MobileNetV2-0.35 (fine-tuned from random" in text
    assert "Of 8 photos held out, which tell little, it names" in text


def test_all_photos_are_known_to_it(tuned, few):
    hashes = carlib.data.contents.content_hashes(few)
    assert tuned.trained_on == digests_of(hashes, few.damage_class)


def test_what_lies_below_is_computed_once(tuned, model, few, of_its_own, capsys):
    kept = {each["arch"]: each["photos"] for each in cache_info(of_its_own)}
    assert kept["MobileNetV2-0.35-below-4"] == 2 * len(few)
    capsys.readouterr()
    fine_tune(model, few[::-1], **QUICK)
    cached, maps, features = capsys.readouterr().out.splitlines()
    assert "32 cached, 0 computed" in cached and "32 cached, 0 computed" in maps
    assert "0 cached, 32 computed" in features  # of another backbone


@pytest.mark.slow
def test_the_order_of_the_photos_has_no_say(model, few):
    one, other = (fine_tune(model, each, **QUICK) for each in (few, few[::-1]))
    assert one.data_hash == other.data_hash
    vectors = [each.backbones[0].weights_vector() for each in (one, other)]
    np.testing.assert_allclose(*vectors, atol=1e-4)


@pytest.mark.slow
def test_stopped_it_keeps_the_maps(few, random, tmp_path):
    options = {"arch": random, "workspace_path": tmp_path} | OPTIONS
    model = ImageClassificationTrainer(**options).fit(few)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(model, few, **QUICK, metrics_callback=stop)
    kept = {each["arch"]: each["photos"] for each in cache_info(tmp_path)}
    assert kept["MobileNetV2-0.35-below-4"] == 2 * len(few)


def test_a_model_without_options_of_its_own_is_calibrated_all_the_same(
    few, random, of_its_own
):
    plain = {"arch": random, "workspace_path": of_its_own, "epoch": 2}
    model = ImageClassificationTrainer(**plain).fit(few)
    tuned = fine_tune(model, few, **QUICK)
    assert model.calibration is None
    assert tuned.calibration.method == tuned.options["calibrate"] == "temperature"
    assert tuned.confidence is None and tuned.augment is None


def test_an_l2_that_is_to_be_chosen_is_chosen_on_features_nobody_tuned(
    few, random, of_its_own
):
    options = {"arch": random, "workspace_path": of_its_own} | OPTIONS | {"l2": "auto"}
    model = ImageClassificationTrainer(**options).fit(few)
    tuned = fine_tune(model, few, epochs=2, learning_rate=0.01)
    assert tuned.options["l2_chosen"] == model.options["l2_chosen"]


@pytest.mark.slow
def test_joined_backbones_are_tuned_together(few, random, of_its_own, photos):
    other = Backbone("MobileNetV2-0.5", None)
    options = {"arch": [random, other], "workspace_path": of_its_own} | OPTIONS
    model = ImageClassificationTrainer(**options).fit(few)
    tuned = fine_tune(model, few, layers=1, **QUICK)
    assert tuned.arch == "MobileNetV2-0.35 + MobileNetV2-0.5"
    for before, after in zip(model.backbones, tuned.backbones, strict=True):
        assert (before.weights_vector() != after.weights_vector()).any()
    assert len(tuned.predict(photos[:2], progress=False)) == 2


def test_what_was_tuned_is_not_tuned_again(tuned, few):
    with pytest.raises(OptionError, match="weren't tuned yet.*one that was"):
        fine_tune(tuned, few)


def test_options_out_of_their_range_are_all_named(model, few):
    with pytest.raises(OptionError) as caught:
        fine_tune(model, few, layers=0, epochs=0.5, learning_rate=-1, batch_size="a")
    assert len(caught.value.problems) == 4


def test_photos_of_other_classes_are_refused(model, few):
    fewer = few[few.damage_class != "unknown"]
    with pytest.raises(DataError, match="all classes that the model names") as caught:
        fine_tune(model, fewer.replace({"damage_class": {"door_dent": "hole"}}))
    assert caught.value.problems == ["door_dent", "hole", "unknown"]


def test_photos_of_which_none_can_be_held_out_are_refused(model, few):
    with pytest.raises(DataError, match="two different photos"):
        fine_tune(model, few.drop_duplicates("damage_class"))
