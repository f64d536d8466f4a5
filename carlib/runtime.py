"""Bring in Keras on TensorFlow, and OpenVINO: late, quietly, as carlib counts on."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carlib.errors import CarlibError


@functools.cache
def keras() -> Any:
    """Import Keras with its TensorFlow backend and return the module.

    Raises:
        CarlibError: Keras runs on another backend in this process, or not at all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _native_stderr_muted():
            import keras
    except ImportError as error:  # mostly of another backend, which isn't installed
        raise _not_on_tensorflow(str(error)) from error
    if keras.config.backend() != "tensorflow":
        raise _not_on_tensorflow(f"Keras on {keras.config.backend()}")
    return keras


def _not_on_tensorflow(found: str) -> CarlibError:
    return CarlibError(
        f"Expected Keras on TensorFlow. Received: {found}",
        hint="Set KERAS_BACKEND to tensorflow, or unset it, and start again.",
    )


def tensorflow() -> Any:
    """Import TensorFlow, as Keras's backend, and return the module."""
    keras()
    import tensorflow

    return tensorflow


@functools.cache
def openvino() -> Any:
    """Import OpenVINO and return the module; None where it isn't installed."""
    with no_telemetry(), contextlib.suppress(ImportError, OSError):
        import openvino

        return openvino
    return None


@functools.cache
def core() -> Any:
    """Return OpenVINO's core, the process's only one, for as long as it lives.

    Each sets a stack for signal handlers and, when it goes, sets back the one it found:
    of several that come and go in turn, the last leaves one that is gone, and the next
    Ctrl-C kills the process.
    """
    return openvino().Core()


def save_openvino(model: Any, path: Path) -> None:
    """Write an OpenVINO model into its two files, no number rounded."""
    openvino().save_model(model, path, compress_to_fp16=False)


def freeze(function: Any, *signature: Any) -> Any:
    """Trace a function and turn its variables into constants: faster, and one file."""
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    traced = tf.function(function, input_signature=signature, autograph=False)
    return convert_variables_to_constants_v2(traced.get_concrete_function())


@contextlib.contextmanager
def no_telemetry() -> Iterator[None]:
    """Keep OpenVINO and NNCF from reporting each import to their makers' server.

    They ask nobody first, and leave files in the home folder; without this module they
    make do with a stub.
    """
    name = "openvino_telemetry"
    hidden = sys.modules.setdefault(name, None) is None
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


@functools.cache
def gpu() -> dict[str, Any] | None:
    """Return TensorFlow's details of the first GPU; None, at no cost, without a driver.

    TensorFlow computes on NVIDIA's only, and on Linux only (WSL 2 is one).
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    drivers = (Path("/proc/driver/nvidia/version"), Path("/dev/dxg"))
    if hidden or not any(path.exists() for path in drivers):
        return None
    tf = tensorflow()
    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0]) if found else None


@contextlib.contextmanager
def plain_float32() -> Iterator[None]:
    """Build layers in float32 and channels last, whatever the process prefers."""
    config = keras().config
    policy, layout = config.dtype_policy(), config.image_data_format()
    config.set_dtype_policy("float32")
    config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        config.set_dtype_policy(policy)
        config.set_image_data_format(layout)


@contextlib.contextmanager
def quiet_log(level: str = "WARNING") -> Iterator[None]:
    """Keep TensorFlow's log from telling of every file that it writes."""
    log = tensorflow().get_logger()
    before = log.level
    log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)


@contextlib.contextmanager
def _native_stderr_muted() -> Iterator[None]:
    """Mute what native code prints on loading: it heeds no log level so early."""
    try:
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no stderr at all, as in a windowed program
        yield
        return
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
