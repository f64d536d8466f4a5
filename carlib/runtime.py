"""Bring in Keras on TensorFlow: late, quietly, and in the state carlib counts on."""

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

from carlib.errors import CarlibError


@functools.cache
def keras() -> Any:
    """Import Keras with its TensorFlow backend and return the module.

    Raises:
        CarlibError: Keras runs on another backend in this process.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _native_stderr_muted():
        import keras
    if keras.config.backend() != "tensorflow":
        raise CarlibError(
            f"carlib needs Keras on TensorFlow, not on {keras.config.backend()}.",
            hint="Set KERAS_BACKEND to tensorflow, or unset it, and start again.",
        )
    return keras


def tensorflow() -> Any:
    """Import TensorFlow, as Keras's backend, and return the module."""
    keras()
    import tensorflow

    return tensorflow


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
def quiet_log() -> Iterator[None]:
    """Keep TensorFlow's log from telling of every file that it writes."""
    log = tensorflow().get_logger()
    level = log.level
    log.setLevel("WARNING")
    try:
        yield
    finally:
        log.setLevel(level)


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
