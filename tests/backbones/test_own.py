"""A network of one's own: the same features, told apart, and never mixed up."""

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.base import clone

import carlib
from carlib.backbones.backbone import Backbone
from carlib.errors import ArchiveError, OptionError
from tests.backbones.mine import SIZE, network, noise, own, preprocessing


@pytest.fixture(scope="module")
def mine():
    return own()


def test_its_features_are_those_of_the_model_itself(mine):
    model = network()
    expected = model.predict(preprocessing(noise().astype(np.float32)), verbose=0)
    np.testing.assert_allclose(mine.features(noise()), expected, rtol=1e-4, atol=1e-4)
    assert (mine.arch, mine.input_size, mine.n_features) == ("Mine", SIZE, 7)
    assert mine.is_own and not Backbone("EfficientNetLite0").is_own


def test_without_preprocessing_it_takes_pixels_as_they_are():
    expected = network().predict(noise().astype(np.float32), verbose=0)
    given = own(preprocessing=None).features(noise())
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_functional_model_of_kerass_own_will_do():
    model = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    prepare = keras.applications.mobilenet_v2.preprocess_input
    backbone = own(model, "Small", preprocessing=prepare)
    pixels = noise(2, 96)
    expected = model.predict(prepare(pixels.astype(np.float32)), verbose=0)
    np.testing.assert_allclose(
        backbone.features(pixels), expected, rtol=1e-3, atol=1e-4
    )


def test_the_fingerprint_is_by_layers_weights_and_preprocessing(mine):
    keras.layers.Dense(1)  # Keras counts what is made: the next names are others
    assert own().fingerprint == mine.fingerprint
    others = [
        own(network(seed=2)),
        own(network(width=8)),
        own(preprocessing=None),
        own(preprocessing=lambda pixels: pixels / 255),
        own(name="Yours"),
        own(interpolation="bicubic"),
    ]
    assert len({b.fingerprint for b in (mine, *others)}) == 1 + len(others)


@pytest.mark.slow
def test_another_process_gives_it_the_same_fingerprint(mine, root):
    code = "from tests.backbones.test_own import own; print(own().fingerprint)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root
    )
    assert run.stdout.split()[-1:] == [mine.fingerprint], run.stderr


def test_training_the_model_later_changes_no_feature(photos, tmp_path):
    model = network()
    backbone = own(model)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    np.testing.assert_array_equal(backbone.features(noise()), own().features(noise()))
    assert model.trainable


@pytest.mark.slow
def test_its_features_are_cached_and_trained_on_like_any(photos, tmp_path, mine):
    few = photos[photos.subset == "T"][::4]
    first = carlib.compute_bottlenecks(few, mine, tmp_path, progress=False)
    again = carlib.compute_bottlenecks(few, own(), tmp_path, progress=False)
    np.testing.assert_array_equal(again, first)
    assert carlib.cache_info(tmp_path)[0]["photos"] == len(few)
    trainer = carlib.ImageClassificationTrainer(
        arch=[mine, "EfficientNetLite0"], workspace_path=tmp_path, epoch=2
    )
    model = trainer.fit(few)
    assert model.arch == "Mine + EfficientNetLite0"
    exported = carlib.export(model, tmp_path / "exported", formats=["pb"])
    assert exported["pb"].exists()


def test_a_saved_model_needs_it_again_and_takes_no_other(photos, tmp_path, mine):
    few = photos[photos.subset == "T"][::4]
    trainer = carlib.ImageClassificationTrainer(arch=mine, workspace_path=None, epoch=2)
    model = trainer.fit(few)
    path = model.save(tmp_path / "m.zip")
    loaded = carlib.load_model(path, backbones=[own(name="Other"), own()])
    names = list(model.class_names)
    expected = model.predict(few[:5], progress=False)[names]
    given = loaded.predict(few[:5], progress=False)[names]
    np.testing.assert_array_equal(given, expected)
    with pytest.raises(ArchiveError, match="trained on Mine") as caught:
        carlib.load_model(path)
    assert "from_keras" in caught.value.hint
    with pytest.raises(ArchiveError, match="differs from it"):
        carlib.load_model(path, backbones=[own(network(seed=2))])
    again = carlib.ImageClassificationTrainer.from_options(trainer.options(), arch=mine)
    assert again.options() == trainer.options()
    with pytest.raises(OptionError, match="arch='Mine'") as caught:
        carlib.ImageClassificationTrainer.from_options(trainer.options())
    assert "pass arch=" in caught.value.hint


def test_copies_are_the_same_and_a_pickle_says_why_there_is_none(mine):
    assert copy.deepcopy(mine) is mine
    step = clone(carlib.Bottlenecks(mine, workspace_path=None))
    assert step.arch is mine
    with pytest.raises(OptionError, match="can't be pickled"):
        pickle.dumps(mine)


class Subclassed(keras.Model):
    def call(self, pixels):
        return pixels


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (None, "must be a Keras model"),
        (Subclassed(), "must be a Keras model"),
        (network(pooled=False), 'pooling="avg"'),
        (keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Flatten()]), "square"),
        (
            keras.Sequential(
                [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
            ),
            "known size",
        ),
        (keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]), "RGB"),
    ],
)
def test_what_can_be_no_backbone_is_refused_with_all_that_is_wrong(model, problem):
    with pytest.raises(OptionError) as caught:
        Backbone.from_keras(model, name="a/b", preprocessing=3, interpolation="best")
    text = str(caught.value)
    assert problem in text
    for other in ("name must be", "preprocessing must be", "interpolation must be"):
        assert other in text


@pytest.mark.parametrize(
    "name", ["", "..", ".x", "a b", "ä", "x" * 65, 3, "inceptionv3"]
)
def test_a_name_that_is_none_or_another_networks_is_refused(name):
    with pytest.raises(OptionError, match=r"(?s)No backbone.*name must"):
        Backbone.from_keras(network(), name=name)
