"""Features of two backbones side by side, from the cache to the saved model."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.preprocessing import StandardScaler

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks import shards
from carlib.bottlenecks.extract import compute_bottlenecks, extract
from carlib.data import images, opening
from carlib.data import photos as photos_module
from carlib.data.sources import as_sources
from carlib.errors import ImageError, OptionError
from carlib.exports.export import export
from carlib.model.model import load_model
from carlib.training import keras_head, task
from carlib.training.trainer import ImageClassificationTrainer
from tests.tiny import Tiny, features_of


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace of this module's own, so that its cache can be counted."""
    return tmp_path_factory.mktemp("joined")


@pytest.fixture(scope="module")
def pair(backbone):
    """Two networks: one has seen photos, the weights of the other are random."""
    return [backbone, Backbone("MobileNetV2-0.35", weights=None, precision="float32")]


@pytest.fixture(scope="module")
def make(pair, place):
    def make(**options):
        options = {"arch": pair, "workspace_path": place, "epoch": 4} | options
        trainer = ImageClassificationTrainer(**options)
        return trainer

    return make


@pytest.fixture(scope="module")
def model(make, few):
    return make(early_stopping=None).fit(few)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return model.save(tmp_path_factory.mktemp("saved") / "joined.zip")


def probabilities(model, photos, **options):
    table = model.predict(photos, progress=False, **options)
    return table[list(model.class_names)].to_numpy()


def test_a_joined_model_is_trained_and_says_of_what(model, pair):
    assert model.arch == "EfficientNetLite0 + MobileNetV2-0.35"
    assert model.head.kernel.shape == (1280 + 1280, 8)
    assert model.history.accuracy.iloc[-1] > model.history.accuracy[0]
    assert [each["arch"] for each in model.options["backbones"]] == [
        backbone.arch for backbone in pair
    ]
    assert any("random" in note for note in model.notes)


def test_each_backbone_is_cached_on_its_own(model, pair, few, place, backbone):
    folders = [path for path in (place / "bottlenecks").iterdir() if path.is_dir()]
    assert sorted(path.name.rpartition("-")[0] for path in folders) == [
        "EfficientNetLite0",
        "MobileNetV2-0.35",
    ]
    for backbones in (pair, [backbone]):
        found = extract(as_sources(few), backbones, place, progress=False)
        assert (found.n_cached, found.n_computed) == (len(few), 0)
    assert not model.predict(few, progress=False).empty


def test_features_stand_side_by_side_in_the_order_of_the_backbones(pair, few, place):
    parts = [compute_bottlenecks(few, each, place, progress=False) for each in pair]
    for order in (1, -1):
        features = extract(as_sources(few), pair[::order], place, progress=False)
        expected = np.concatenate(parts[::order], axis=1)
        np.testing.assert_array_equal(features.of_photos(), expected)
        rows = [7, 0, 7, 30]
        np.testing.assert_array_equal(features.take(rows), expected[rows])


def test_a_photo_is_read_hashed_and_decoded_once_for_all(few, monkeypatch):
    """However many networks there are, mirror images too."""
    read, decoded, hashed, heard = [], [], [], []

    def count(module, name, calls):
        inner = getattr(module, name)

        def counted(*args):
            calls.append(args[0])
            return inner(*args)

        monkeypatch.setattr(module, name, counted)

    count(opening, "read_with_status", read)
    count(images, "_loaded", decoded)
    count(photos_module, "photo_key", hashed)
    networks, options = [Tiny(1), Tiny(2), Tiny(3)], {"augment": "flip"}
    sources = as_sources(few[:5])
    features = extract(
        sources, networks, None, progress=False, on_photo=heard.append, **options
    )
    assert len(read) == len(decoded) == len(hashed) == 5
    assert heard == [1, 2, 3, 4, 5]
    assert [network.seen for network in networks] == [10, 10, 10]
    alone = [features_of(few[:5], Tiny(n), None, **options) for n in (1, 2, 3)]
    expected = np.concatenate([each.of_photos(True) for each in alone], axis=1)
    np.testing.assert_array_equal(features.of_photos(True), expected)


def test_features_are_standardised_by_the_training_photos_own(make, few):
    made = make(validation_set_fraction=0.3)
    fitted, watched = made.hold_out(made.photo_set(few))
    assert len(watched) > 5
    scaler = StandardScaler().fit(fitted.as_they_are().astype(np.float64))
    model = made.fit(few)
    np.testing.assert_allclose(model.head.mean, scaler.mean_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.head.scale, scaler.scale_, rtol=1e-5)
    assert not make(standardize=False, epoch=1).fit(few).head.standardizes


def test_the_mean_is_the_same_read_in_blocks(make, few, monkeypatch):
    whole = make(epoch=1).fit(few).head
    monkeypatch.setattr(keras_head, "IN_MEMORY", 5 * 4 * 2560)
    blocks = make(epoch=1).fit(few).head
    np.testing.assert_allclose(blocks.mean, whole.mean, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(blocks.scale, whole.scale, rtol=1e-5)


def test_a_feature_that_never_changes_is_left_as_it_is(make, few):
    """Random networks have such, and the photos of one class only more so."""
    same = few[few.damage_class.isin(["unknown", "tail_lamp"])]
    model = make(epoch=2).fit(same)
    assert (model.head.scale > 0).all()
    assert np.isfinite(probabilities(model, few)).all()


def test_a_feature_that_hardly_changes_is_taken_alike_in_and_after_training():
    """Keras divides by 1e-7 at the least."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 4)).astype(np.float32) * [1e-9, 1, 1, 1]
    mean, scale = task.statistics(rows)
    labels = (rows[:, 0] > 0).astype(np.int32)
    one = keras_head.Head(4, 2, 1, mean=mean, scale=scale, learning_rate=0.1)
    one.train(rows.astype(np.float32), labels, 10)
    given = one.linear().probabilities(rows)
    np.testing.assert_allclose(given, one.model(rows), atol=1e-6)


@pytest.mark.slow
def test_a_loaded_model_predicts_the_same_to_the_bit(model, saved, few, place):
    expected = probabilities(model, few)
    for workspace in (place, None):
        loaded = load_model(saved, workspace)
        np.testing.assert_array_equal(probabilities(loaded, few), expected)
    assert loaded.arch == model.arch
    assert loaded.options == model.options
    for name in ("kernel", "bias", "mean", "scale"):
        np.testing.assert_array_equal(
            getattr(loaded.head, name), getattr(model.head, name)
        )
    assert load_model(saved).save(saved.with_name("again.zip")).read_bytes() == (
        saved.read_bytes()
    )


@pytest.mark.slow
def test_an_export_gives_the_same(model, few, tmp_path):
    paths = export(model, tmp_path / "out")  # which proves it on noise
    assert set(paths) == {"pb", "saved_model"}


def test_the_keras_model_gives_the_same(model, few):
    pixels = np.stack([np.asarray(Image.open(p)) for p in few.image_path[::8]])
    expected = probabilities(model.at("float32"), pixels)
    given = np.asarray(model.keras_model(pixels))
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_options_make_the_same_trainer_again(make, few, model):
    plain = json.loads(json.dumps(make(early_stopping=None).options()))
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain
    assert [each.arch for each in again.backbones] == [
        "EfficientNetLite0",
        "MobileNetV2-0.35",
    ]
    np.testing.assert_array_equal(again.fit(few).head.kernel, model.head.kernel)


def test_the_same_network_twice_is_an_option_error(backbone, few):
    for archs in (["EfficientNetLite0", backbone], []):
        trainer = ImageClassificationTrainer(arch=archs, workspace_path=None)
        with pytest.raises(OptionError, match="arch must name different networks"):
            trainer.fit(few)


def test_a_large_set_is_a_memory_map_of_the_same_features(
    pair, few, place, make, model, monkeypatch
):
    expected = extract(as_sources(few), pair, place, progress=False).of_photos()
    monkeypatch.setattr(shards, "MAPPED", 1 << 10)
    monkeypatch.setattr(keras_head, "IN_MEMORY", 1 << 17)
    mapped = extract(as_sources(few), pair, place, progress=False).of_photos()
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, expected)
    kernel = make(early_stopping=None).fit(few).head.kernel
    np.testing.assert_allclose(kernel, model.head.kernel, atol=1e-6)


def test_photos_that_cannot_be_read_are_listed_once_or_skipped(
    pair, few, place, tmp_path, model
):
    bad = tmp_path / "bad.jpeg"
    bad.write_bytes(b"<html>")
    paths = [few.image_path[0], str(bad), few.image_path[1]]
    with pytest.raises(ImageError) as caught:
        extract(as_sources(paths), pair, place, progress=False)
    assert len(caught.value.problems) == 1
    table = model.predict(paths, on_error="skip", progress=False)
    assert list(table.error.str.contains("HTML")) == [False, True, False]
    assert table.predicted_label.isna().tolist() == [False, True, False]
    expected = probabilities(model, paths[::2])
    np.testing.assert_array_equal(table.loc[[0, 2], list(model.class_names)], expected)
