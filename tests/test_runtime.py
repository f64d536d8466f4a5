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
