"""Bring in Keras on TensorFlow, and OpenVINO: late, quietly, as carlib counts on."""

import contextlib
import functools
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carlib import cores
from carlib.errors import CarlibError

# pip holds to this as well, but not every environment is pip's.
LEAST_KERAS = (3, 15, 1)
_PIP = "Run: pip install tensorflow keras"
_IN_A_BROWSER = (
    "A browser has no network to look through: there only photos have features whose "
    'features were brought along, and heads are trained by optimizer="lbfgs". Install '
    "the workshop on a computer for the rest."
)


class _Process:
    is_fork_of_a_busy_one = False


def _note_fork() -> None:
    busy = core.cache_info().currsize or _keras.cache_info().currsize
    _Process.is_fork_of_a_busy_one = bool(busy)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def check_process() -> None:
    """Refuse to go on where it could only hang: the threads stayed in the parent.

    Raises:
        CarlibError: This process was forked when a network or Keras had been in use.
    """
    if _Process.is_fork_of_a_busy_one:
        raise CarlibError(
            "Expected a process of its own. Received: a fork of one in which networks "
            "have already run, where the next would wait for ever.",
            hint="Start processes by multiprocessing.get_context('spawn'), or by joblib"
            ", or fork before anything is predicted.",
        )


def keras() -> Any:
    """Import Keras with its TensorFlow backend and return the module.

    Raises:
        CarlibError: Keras runs on another backend in this process, or not at all; or
            the process can't use it (see `check_process`).
    """
    check_process()
    return _keras()


@functools.cache
def _keras() -> Any:
    check_tensorflow()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _native_stderr_muted():
            import keras
    except Exception as error:  # a backend that isn't installed, a keras.json damaged
        raise _not_on_tensorflow(f"{type(error).__name__}: {error}") from error
    if _numbers(keras.__version__) < LEAST_KERAS:
        least = ".".join(map(str, LEAST_KERAS))
        raise CarlibError(
            f"Expected Keras {least} or newer. Received: {keras.__version__}",
            hint="Older ones can be made to run what a file says. Upgrade: pip install "
            f'"keras>={least}"',
        )
    if keras.config.backend() != "tensorflow":
        raise _not_on_tensorflow(f"Keras on {keras.config.backend()}")
    return keras


def has_tensorflow() -> bool:
    """Tell whether TensorFlow and Keras are installed, without importing them."""
    return all(map(importlib.util.find_spec, ("tensorflow", "keras")))


def check_tensorflow() -> None:
    """Refuse to go on where TensorFlow and Keras aren't installed.

    Raises:
        CarlibError: They aren't.
    """
    if not has_tensorflow():
        raise CarlibError(
            "Expected TensorFlow and Keras, which this needs. Received: an "
            "installation without them, as it is for predicting",
            hint=_IN_A_BROWSER if sys.platform == "emscripten" else _PIP,
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _not_on_tensorflow(found: str) -> CarlibError:
    return CarlibError(
        f"Expected Keras on TensorFlow. Received: {found}",
        hint="Set KERAS_BACKEND to tensorflow, or unset it; look into the keras.json "
        "in KERAS_HOME, or ~/.keras; and start again.",
    )


def tensorflow() -> Any:
    """Import TensorFlow, as Keras's backend, and return the module.

    Raises:
        CarlibError: As from `keras`, or its eager execution is off.
    """
    keras()
    import tensorflow

    _limit_tensorflow()
    if not tensorflow.compat.v1.executing_eagerly_outside_functions():
        raise CarlibError(
            "Expected TensorFlow 2's eager execution. Received: it's switched off",
            hint="Leave out tf.compat.v1.disable_eager_execution(), and start again.",
        )
    return tensorflow


@functools.cache
def _limit_tensorflow() -> None:
    """Hold TensorFlow to as many threads as are allowed; once it computes it can't."""
    import tensorflow as tf

    if count := cores.threads_to_set():
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(count)
            tf.config.threading.set_inter_op_parallelism_threads(min(count, 2))


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


def convert(graph: Any) -> Any:
    """Return a TensorFlow graph as an OpenVINO model.

    Its converter reads its own options out of its docstring, which `python -OO` drops.
    """
    function = openvino().convert_model
    if function.__doc__ is None:
        names = inspect.signature(function).parameters
        function.__doc__ = "\n".join(f":param {name}: " for name in names) + "Returns:"
    return function(graph)


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


def may_have_gpu() -> bool:
    """Tell whether TensorFlow could find a GPU, as far as is known without it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    drivers = (Path("/proc/driver/nvidia/version"), Path("/dev/dxg"))
    there = any(path.exists() for path in drivers)
    return there and not hidden and has_tensorflow()


@functools.cache
def gpu() -> dict[str, Any] | None:
    """Return TensorFlow's details of the first GPU; None, at no cost, without a driver.

    TensorFlow computes on NVIDIA's only, and on Linux only (WSL 2 is one).
    """
    if not may_have_gpu():
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
def gradients_forgotten() -> Iterator[None]:
    """Let TensorFlow forget the custom gradients that are registered in the block.

    Its registry keeps each for ever, with the graph around it: for a head that is
    trained a megabyte (https://github.com/tensorflow/tensorflow/issues/97697). Once a
    function is traced, nobody asks for them any more.
    """
    tensorflow()
    from tensorflow.python.framework import ops

    registry = getattr(ops.gradient_registry, "_registry", {})
    before = set(registry)
    try:
        yield
    finally:
        for name in set(registry) - before:
            del registry[name]


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
