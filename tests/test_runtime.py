"""Keras and OpenVINO come in as carlib counts on, or an error says what is missing."""

import os
import subprocess
import sys

import pytest

from carlib import runtime


@pytest.mark.parametrize("backend", ["openvino", "torch"])  # here, and mostly not here
def test_keras_on_another_backend_is_refused_with_the_way_out(backend):
    program = "from carlib import runtime; runtime.keras()"
    env = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=env, capture_output=True, text=True)
    assert "CarlibError: Expected Keras on TensorFlow. Received: " in run.stderr
    assert "Set KERAS_BACKEND to tensorflow" in run.stderr


@pytest.mark.parametrize("there", [True, False])
def test_telemetry_is_kept_out_and_what_was_loaded_before_is_let_be(monkeypatch, there):
    name, module = "openvino_telemetry", object()
    monkeypatch.delitem(sys.modules, name, raising=False)
    if there:
        monkeypatch.setitem(sys.modules, name, module)
    with runtime.no_telemetry():
        assert sys.modules[name] is (module if there else None)
    assert (name in sys.modules) == there


@pytest.mark.slow
@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"backend": 5}', '"x"'])
def test_a_keras_json_that_is_broken_is_an_error_with_the_way_out(tmp_path, text):
    (tmp_path / "keras.json").write_text(text)
    program = "from carlib import runtime; runtime.keras(); print('went on')"
    env = {name: os.environ[name] for name in os.environ if name != "KERAS_BACKEND"}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=env | {"KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    is_told = "CarlibError: Expected Keras on TensorFlow. Received: " in run.stderr
    assert is_told or run.stdout == "went on\n", run.stderr  # Keras minds some only


@pytest.mark.slow
def test_eager_execution_that_is_off_is_an_error_with_the_way_out():
    program = """
import tensorflow as tf
tf.compat.v1.disable_eager_execution()
from carlib.runtime import tensorflow
tensorflow()"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True)
    assert "Expected TensorFlow 2's eager execution" in run.stderr


FORK = """
import multiprocessing, sys
import numpy as np
from carlib.backbones.backbone import Backbone
from carlib.errors import CarlibError

def features(backbone):
    try:
        return len(backbone.features(np.zeros((1, 224, 224, 3), np.uint8)))
    except CarlibError as error:
        return str(error)

backbone = Backbone("MobileNetV2-0.35", weights=None)
if __name__ == "__main__":
    if "busy" in sys.argv:
        features(backbone)
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(features, [backbone])[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("fork", "busy"), "a fork of one in which networks have already run"),
        (("spawn", "busy"), "1"),
    ],
)
def test_a_fork_after_a_prediction_says_what_to_do(tmp_path, arguments, printed):
    script = tmp_path / "program.py"
    script.write_text(FORK)
    command = [sys.executable, "-W", "ignore", str(script), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert printed in run.stdout, run.stderr
