"""The formats of TensorFlow's house: what each promises beyond the same answers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib import runtime
from carlib.errors import ExportError
from carlib.exports import keras, saved_model, tflite
from carlib.exports.source import Source
from tests.exports.made import KINDS, drawn, model_of, small
from tests.exports.test_export import given


@pytest.fixture(scope="module")
def source(tiny):
    return Source(tiny.at("float32"))


@pytest.fixture(scope="module")
def signatures(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "saved_model"
    saved_model.write(source, path)
    return runtime.tensorflow().saved_model.load(str(path)).signatures


def test_a_saved_model_takes_encoded_photos(signatures, tiny, few_paths, tmp_path):
    """TensorFlow Serving's clients send them as {"b64": …}."""
    Image.open(few_paths[0]).resize((90, 60)).save(tmp_path / "small.png")
    photos = [*few_paths[:2], tmp_path / "small.png"]
    tf = runtime.tensorflow()
    encoded = tf.stack([tf.io.read_file(str(path)) for path in photos])
    found = signatures["serve_encoded"](encoded=encoded)["probabilities"].numpy()
    np.testing.assert_allclose(found, given(tiny, photos), atol=0.01)


def test_a_saved_model_takes_pixels_of_any_size_and_number(signatures, tiny, few_paths):
    tf = runtime.tensorflow()
    pixels = np.asarray(Image.open(few_paths[0]))
    found = signatures["serving_default"](pixels=tf.constant(pixels[None]))
    expected = given(tiny, few_paths[:1])
    np.testing.assert_allclose(found["probabilities"], expected, atol=0.01)
    many = tf.zeros((3, 20, 70, 3), tf.uint8)
    assert signatures["serving_default"](pixels=many)["probabilities"].shape == (3, 3)


@pytest.mark.slow
def test_a_saved_models_signatures_share_its_weights(tmp_path):
    model = model_of(drawn(), augment="flip")
    saved_model.write(Source(model), tmp_path / "out")
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*"))
    assert size < 1.5 * model.backbones[0].weights_vector().nbytes


def test_keras_cant_hold_a_function_of_somebodys_own(source, tmp_path):
    with pytest.raises(ExportError, match="Python function"):
        keras.write(source, tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_keras_loads_its_file_in_safe_mode(few_paths, tmp_path):
    model = model_of(drawn(), augment="flip")
    keras.write(Source(model), tmp_path / "model.keras")
    loaded = runtime.keras().saving.load_model(tmp_path / "model.keras", safe_mode=True)
    pixels = np.stack([np.asarray(Image.open(path)) for path in few_paths])
    found = loaded.predict_on_batch(pixels)
    np.testing.assert_allclose(found, given(model, few_paths), atol=1e-5)


def interpreter(path):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path))


def kinds(path):
    """The types of the numbers in a TFLite file, with how many tensors have each."""
    opened = interpreter(path)
    opened.allocate_tensors()
    types = [each["dtype"].__name__ for each in opened.get_tensor_details()]
    return {name: types.count(name) for name in set(types)}


def test_tflite_takes_one_photo_by_the_name_of_its_square(source, tiny, tmp_path):
    tflite.write(source, tmp_path / "m.tflite")
    signature = interpreter(tmp_path / "m.tflite").get_signature_runner()
    (details,) = signature.get_input_details().items()
    assert details[0] == "pixels"
    assert details[1]["shape"].tolist() == [1, 32, 32, 3]
    assert details[1]["dtype"] is np.uint8
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    found = signature(pixels=pixels[None])["probabilities"]
    np.testing.assert_allclose(found, given(tiny, pixels), atol=1e-5)


def test_int8_computes_in_whole_numbers_where_photos_were_handed_in(
    source, few_paths, tmp_path
):
    contents = [Path(path).read_bytes() for path in few_paths]
    tflite.write_int8(Source(source.model, contents), tmp_path / "whole.tflite")
    tflite.write_int8(source, tmp_path / "weights.tflite")
    assert kinds(tmp_path / "whole.tflite").get("int8", 0) > 5
    assert kinds(tmp_path / "weights.tflite").get("int8", 0) < 5


def test_squares_of_two_kinds_have_names_that_tell_them_apart():
    inputs = Source(KINDS["two interpolations"]()).inputs
    assert inputs == {
        "pixels_32_bilinear": (32, "bilinear"),
        "pixels_32_bicubic": (32, "bicubic"),
    }
    assert Source(model_of(small())).inputs == {"pixels": (32, "bilinear")}
