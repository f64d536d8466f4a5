"""Engines: execute a backbone's network as fast as the machine can.

On a CPU OpenVINO executes what Keras defines, 2 to 3 times as fast; on a GPU, and where
OpenVINO has no wheel, TensorFlow's frozen graph. Every batch has the same shape, a last
one is filled up: a photo's features are the same to the bit, whatever is beside it.
"""

import contextlib
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones.kept import NETWORK, PARTS, is_whole, keep

HINTS = {"bfloat16": "bf16", "float16": "f16", "float32": "f32", "int8": "f32"}

Batches = Iterable[tuple[Any, np.ndarray]]
Results = Generator[tuple[Any, np.ndarray], None, None]


class OpenVINOEngine:
    """Computes features on all cores of a CPU: one small batch a core.

    Args:
        model: OpenVINO's, uint8 pixels (n, size, size, 3) to features (n, d).
        precision: A name in `HINTS`.
    """

    # Small enough for a core's own cache: on 2 cores 8 % faster than batches of 32.
    batch_size = 4

    def __init__(self, model: Any, precision: str):
        model.reshape([self.batch_size, *list(model.input().partial_shape)[1:]])
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": HINTS[precision],
        }
        self._compiled = runtime.core().compile_model(model, "CPU", options)
        self._at_once = self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

    def stream(self, batches: Batches) -> Results:
        """Yield (tag, features) for each (tag, pixels), in order, some ahead.

        Pixels are uint8 (n, size, size, 3), with n of 1 to `batch_size`.
        """
        free: list[Any] = []
        running: deque[tuple[Any, int, Any]] = deque()
        try:
            for tag, pixels in batches:
                if len(running) == self._at_once:
                    yield self._finish(running, free)
                request = free.pop() if free else self._compiled.create_infer_request()
                request.get_input_tensor().data[: len(pixels)] = pixels
                request.start_async()
                running.append((tag, len(pixels), request))
            while running:
                yield self._finish(running, free)
        finally:  # what runs writes into memory that is about to go
            for _, _, request in running:
                request.wait()

    def _finish(self, running: deque, free: list) -> tuple[Any, np.ndarray]:
        tag, count, request = running.popleft()
        request.wait()
        features = request.get_output_tensor().data[:count].copy()
        free.append(request)
        return tag, features


class TensorFlowEngine:
    """Computes features by TensorFlow's frozen graph.

    Args:
        frozen: The function, uint8 pixels (n, size, size, 3) to features (n, d).
        precision: "float32", or what `precisions.supported` names beside it.
    """

    def __init__(self, frozen: Callable, precision: str):
        self._frozen = frozen
        self._option = {
            "bfloat16": "auto_mixed_precision_onednn_bfloat16",
            "float16": "auto_mixed_precision",
        }.get(precision)
        self.batch_size = 32 if runtime.gpu() is None else 128

    def stream(self, batches: Batches) -> Results:
        """Yield (tag, features) for each (tag, pixels), in order, one ahead.

        A GPU computes a batch while the next is made ready.
        """
        tf = runtime.tensorflow()
        running: deque[tuple[Any, int, Any]] = deque()
        for tag, pixels in batches:
            full = np.zeros((self.batch_size, *pixels.shape[1:]), np.uint8)
            full[: len(pixels)] = pixels
            with _grappler(self._option):
                running.append((tag, len(pixels), self._frozen(tf.constant(full))[0]))
            if len(running) == 2:
                yield self._finish(running)
        while running:
            yield self._finish(running)

    def _finish(self, running: deque) -> tuple[Any, np.ndarray]:
        tag, count, features = running.popleft()
        return tag, features.numpy()[:count]


Engine = OpenVINOEngine | TensorFlowEngine
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _grappler(option: str | None) -> Iterator[None]:
    """Turn on one of TensorFlow's graph options; it is the whole process's."""
    if option is None:
        yield
        return
    optimizer = runtime.tensorflow().config.optimizer
    with _one_at_a_time:
        before = optimizer.get_experimental_options().get(option, False)
        optimizer.set_experimental_options({option: True})
        try:
            yield
        finally:
            optimizer.set_experimental_options({option: before})


def features(engine: Engine, pixels: np.ndarray, n_features: int) -> np.ndarray:
    """Compute the features, float32 (n, n_features), of pixels that are all there."""
    size = engine.batch_size
    batches = ((0, pixels[i : i + size]) for i in range(0, len(pixels), size))
    parts = [part for _, part in engine.stream(batches)]
    return np.concatenate([np.empty((0, n_features), np.float32), *parts])


def model_from(network: tuple[bytes, bytes]) -> Any:
    """Return the OpenVINO model of which `network_of` made these bytes."""
    return runtime.core().read_model(*network)


def network_of(model: Any) -> tuple[bytes, bytes]:
    """Return an OpenVINO model as the bytes of its two files."""
    with tempfile.TemporaryDirectory(prefix="carlib-") as folder:
        paths = [Path(folder) / part for part in PARTS[NETWORK]]
        runtime.openvino().save_model(model, paths[0], compress_to_fp16=False)
        return paths[0].read_bytes(), paths[1].read_bytes()


def kept_model(folder: Path | None) -> Any | None:
    """Return the converted network that lies in a backbone's folder, if it is whole."""
    if folder is None or not is_whole(folder, NETWORK):
        return None
    try:
        return runtime.core().read_model(folder / NETWORK / PARTS[NETWORK][0])
    except (OSError, RuntimeError):  # gone meanwhile, or made by a newer OpenVINO
        return None


def keep_model(folder: Path, model: Any) -> None:
    """Keep a converted network in a backbone's folder, where that can be written to."""

    def write(temporary: Path) -> None:
        path = temporary / PARTS[NETWORK][0]
        runtime.openvino().save_model(model, path, compress_to_fp16=False)

    keep(folder, NETWORK, write)
