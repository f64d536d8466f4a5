"""Engines: execute a backbone's network as fast as the machine can.

On a CPU OpenVINO executes what Keras defines, 2 to 3 times as fast; on a GPU, and where
OpenVINO has no wheel, TensorFlow's frozen graph. Every batch has the same shape, a last
one is filled up: a photo's features are the same to the bit, whatever is beside it.
"""

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from carlib import cores, runtime

HINTS = {"bfloat16": "bf16", "float16": "f16", "float32": "f32", "int8": "f32"}
Done = Iterator[tuple[Any, np.ndarray]]  # a batch's tag, and its features


class Engine(Protocol):
    """What executes a network. It may be used from several threads at once.

    Attributes:
        batch_size: The most photos a batch.
        at_once: How many batches are best under way at the same time.
    """

    batch_size: int
    at_once: int

    def start(self, pixels: np.ndarray) -> Any:
        """Begin with a batch of pixels, uint8 (n, size, size, 3); return what runs."""

    def wait(self, running: Any) -> np.ndarray:
        """Return the features, float32 (n, n_features), of what `start` returned."""


class Network(Protocol):
    """What is asked of a backbone by those who only want its features.

    Attributes:
        arch, weights_name, precision: What to call it in a workspace.
        fingerprint: 64 hex digits that change with anything that changes a feature.
        input_size, interpolation: The pixels that it takes; see `images.resize`.
        n_features: How many features a photo becomes.
    """

    arch: str
    weights_name: str
    precision: str
    input_size: int
    interpolation: str
    n_features: int

    @property
    def fingerprint(self) -> str: ...

    def keep_in(self, folder: Path) -> None:
        """Take a folder in which what it's converted to may be kept."""

    def engine(self) -> Engine:
        """Return what executes it."""


class Pipeline:
    """Hand batches to an engine, some ahead, and take their features in order.

    It may be left half-way: what runs then ends by itself.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._running: deque[tuple[Any, Any]] = deque()

    def put(self, tag: Any, pixels: np.ndarray) -> Done:
        """Begin with a batch; yield what has to be done before."""
        if len(self._running) == self._engine.at_once:
            yield self._finish()
        self._running.append((tag, self._engine.start(pixels)))

    def drain(self) -> Done:
        """Yield all that is under way."""
        while self._running:
            yield self._finish()

    def _finish(self) -> tuple[Any, np.ndarray]:
        tag, running = self._running.popleft()
        return tag, self._engine.wait(running)


def executor() -> str:
    """Return what executes backbones here: "openvino", or "tensorflow" on a GPU."""
    on_cpu = runtime.gpu() is None and runtime.openvino() is not None
    return "openvino" if on_cpu else "tensorflow"


def can_compute() -> bool:
    """Tell whether anything executes backbones here; in a browser nothing does."""
    return runtime.openvino() is not None or runtime.has_tensorflow()


class OpenVINOEngine:
    """Computes features on all cores of a CPU: a photo a core, and one that waits.

    OpenVINO compiles the network in a thread, and who makes several engines has all of
    them compiled at once.

    Args:
        model: OpenVINO's, uint8 pixels (n, size, size, 3) to features (n, d).
        precision: A name in `HINTS`.
    """

    # With another in line for each core it's as fast as batches of 4, and faster than
    # larger ones, which a core's own cache doesn't hold. One alone is not filled up.
    batch_size = 1

    def __init__(self, model: Any, precision: str):
        model.reshape([self.batch_size, *list(model.input().partial_shape)[1:]])
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": HINTS[precision],
        }
        if count := cores.threads_to_set():
            # Bound to cores, as they are by default, all processes' are bound to the
            # same ones.
            options |= {"INFERENCE_NUM_THREADS": count, "ENABLE_CPU_PINNING": False}
        pool = ThreadPoolExecutor(1, "compiles")
        self._compiling = pool.submit(
            runtime.core().compile_model, model, "CPU", options
        )
        pool.shutdown(wait=False)  # its thread ends with its one task
        self._free: deque[Any] = deque()

    @functools.cached_property
    def at_once(self) -> int:
        """How many batches are best under way at the same time."""
        compiled = self._compiling.result()
        return 2 * compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

    def start(self, pixels: np.ndarray) -> tuple[Any, int]:
        """Begin with a batch on a core that is free."""
        try:
            request = self._free.pop()
        except IndexError:
            request = self._compiling.result().create_infer_request()
        request.get_input_tensor().data[: len(pixels)] = pixels
        request.start_async()
        return request, len(pixels)

    def wait(self, running: tuple[Any, int]) -> np.ndarray:
        """Return a batch's features."""
        request, count = running
        request.wait()
        features = request.get_output_tensor().data[:count].copy()
        self._free.append(request)
        return features


class TensorFlowEngine:
    """Computes features by TensorFlow's frozen graph.

    Args:
        frozen: The function, uint8 pixels (n, size, size, 3) to features (n, d).
        precision: "float32", or what `precisions.supported` names beside it.
    """

    at_once = 2

    def __init__(self, frozen: Callable, precision: str):
        self._frozen = frozen
        self._option = {
            "bfloat16": "auto_mixed_precision_onednn_bfloat16",
            "float16": "auto_mixed_precision",
        }.get(precision)
        self.batch_size = 32 if runtime.gpu() is None else 128

    def start(self, pixels: np.ndarray) -> tuple[Any, int]:
        """Begin with a batch: a GPU computes it while the next is made ready."""
        tf = runtime.tensorflow()
        full = np.zeros((self.batch_size, *pixels.shape[1:]), np.uint8)
        full[: len(pixels)] = pixels
        with _grappler(self._option):
            return self._frozen(tf.constant(full))[0], len(pixels)

    def wait(self, running: tuple[Any, int]) -> np.ndarray:
        """Return a batch's features."""
        features, count = running
        return features.numpy()[:count]


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
    pipeline, parts = Pipeline(engine), [np.empty((0, n_features), np.float32)]
    for start in range(0, len(pixels), engine.batch_size):
        batch = pixels[start : start + engine.batch_size]
        parts += [part for _, part in pipeline.put(start, batch)]
    parts += [part for _, part in pipeline.drain()]
    return np.concatenate(parts)
