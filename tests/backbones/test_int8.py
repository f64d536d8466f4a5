"""int8: calibrated once on some photos, kept, saved with the model, and as good."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import carlib
from carlib.backbones import precisions
from carlib.errors import ImageError, OptionError
from tests.tiny import features_of

pytest.importorskip("nncf")
pytestmark = pytest.mark.skipif(
    "int8" not in precisions.supported(), reason="no OpenVINO, or a GPU"
)


@pytest.fixture(scope="module")
def some(photos):
    return photos.image_path[:24]


@pytest.fixture(scope="module")
def int8(some):
    return carlib.Backbone("EfficientNetLite0", precision="int8", calibration=some)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("int8")


@pytest.fixture(scope="module")
def features(int8, photos, workspace):
    return carlib.compute_bottlenecks(photos, int8, workspace)


def test_int8_features_are_near_float32s(features, photos, workspace):
    exact = carlib.Backbone("EfficientNetLite0", precision="float32")
    expected = carlib.compute_bottlenecks(photos, exact, workspace)
    norms = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
    assert np.median((features * expected).sum(axis=1) / norms) > 0.95
    assert (features != expected).any()


def test_the_photos_calibrated_on_are_part_of_the_fingerprint(int8, some, photos):
    def fingerprint(chosen):
        return carlib.Backbone(
            "EfficientNetLite0", precision="int8", calibration=chosen
        ).fingerprint

    assert fingerprint(some[::-1]) == int8.fingerprint
    assert fingerprint(photos.image_path[1:25]) != int8.fingerprint
    assert carlib.Backbone("EfficientNetLite0").fingerprint != int8.fingerprint


def test_calibration_is_kept_and_not_done_again(features, some, photos, workspace):
    again = carlib.Backbone("EfficientNetLite0", precision="int8", calibration=some)
    again._converted = lambda: pytest.fail("it was calibrated again")
    fresh = features_of(photos, again, workspace, reuse=False)
    assert fresh.n_computed == len(photos)
    np.testing.assert_array_equal(fresh.of_photos(), features)


def test_a_saved_int8_model_predicts_the_same_elsewhere(
    int8, features, photos, workspace, tmp_path
):
    trainer = carlib.ImageClassificationTrainer(
        arch=int8, workspace_path=workspace, epoch=3
    )
    model = trainer.fit(photos[photos.subset == "T"])
    model.save(tmp_path / "m.zip")
    loaded = carlib.load_model(tmp_path / "m.zip")
    assert loaded.backbones[0].precision == "int8"
    few = list(photos.image_path[:5])
    classes = list(model.class_names)
    expected, given = model.predict(few)[classes], loaded.predict(few)[classes]
    np.testing.assert_array_equal(given, expected)
    cached = carlib.load_model(tmp_path / "m.zip", workspace_path=workspace)
    cached.backbones[0]._converted = lambda: pytest.fail("nothing was cached")
    np.testing.assert_array_equal(cached.predict(few)[classes], expected)


def test_int8_and_calibration_go_together(some):
    with pytest.raises(OptionError, match="go together"):
        carlib.Backbone("EfficientNetLite0", precision="int8")
    with pytest.raises(OptionError, match="go together"):
        carlib.Backbone("EfficientNetLite0", calibration=some)
    with pytest.raises(OptionError, match="none"):
        carlib.Backbone("EfficientNetLite0", precision="int8", calibration=[])


def test_photos_that_change_before_they_are_calibrated_on_are_an_error(some, tmp_path):
    paths = [Path(shutil.copy(path, tmp_path)) for path in some[:3]]
    backbone = carlib.Backbone("EfficientNetLite0", precision="int8", calibration=paths)
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(ImageError, match="changed"):
        backbone.engine()


@pytest.mark.slow
def test_the_command_calibrates_on_the_photos_it_trains_on(sample, tmp_path):
    code = "from carlib.cli.main import main; main(prog_name='carlib')"
    arguments = ["train", str(sample), "--arch", "EfficientNetLite0", "--epoch", "3"]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--precision", "int8", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["precision"] == "int8"
    model = carlib.load_model(tmp_path / "ImageModel.zip")
    assert model.backbones[0].calibration_id
