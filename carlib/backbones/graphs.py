"""Graphs of carlib's own networks, ready made: the weights are put in, and they run.

`networks/<arch>.zip` beside this file has what OpenVINO's converter makes of the Keras
network when its weights are left open, as inputs: network.xml, the graph, and
network.bin, the few numbers that are no weights. Joined with the weights it gives the
features that the whole network gives when it's converted, equal to the bit, in a
hundredth of the time and without TensorFlow. `scripts/write_graphs.py` makes them.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones.weights import Source, in_words

FOLDER = Path(__file__).with_name("networks")
PARTS = ("network.xml", "network.bin")


def is_ready(arch: str) -> bool:
    """Tell whether there is a graph of a network."""
    return (FOLDER / f"{arch}.zip").is_file()


def opened(arch: str) -> Any:
    """Return a network as OpenVINO has it, with its weights as further inputs."""
    with zipfile.ZipFile(FOLDER / f"{arch}.zip") as archive:
        return runtime.core().read_model(*map(archive.read, PARTS))


def joined(arch: str, vector: np.ndarray, source: Source = None) -> Any:
    """Return a network as OpenVINO has it: uint8 pixels (n, size, size, 3) to features.

    Args:
        vector: All weights, float32 (n,), in Keras's order.
        source: Where they come from, to be named in an error.

    Raises:
        WeightsError: They are another network's.
    """
    model = opened(arch)
    _, *weights = model.get_parameters()
    shapes = [tuple(weight.partial_shape.to_shape()) for weight in weights]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    with in_words(source, arch):
        if vector.shape != (ends[-1],):
            raise ValueError(
                f"expected {ends[-1]:,} float32 numbers. Received: {vector.shape}"
            )
    parts = np.split(vector, ends[:-1])
    for weight, shape, part in zip(weights, shapes, parts, strict=True):
        _fix(model, weight, part.reshape(shape))
    return model


def _fix(model: Any, parameter: Any, value: np.ndarray) -> None:
    """Make a constant of an input."""
    constant = runtime.openvino().op.Constant(value)
    for target in parameter.output(0).get_target_inputs():
        target.replace_source_output(constant.output(0))
    model.remove_parameter(parameter)


def open_graph(network: Any, input_size: int) -> Any:
    """Return a Keras network as OpenVINO has it, with its weights as further inputs."""
    tf = runtime.tensorflow()
    pixels = tf.TensorSpec((None, input_size, input_size, 3), tf.uint8)
    weights = [tf.TensorSpec(weight.shape, tf.float32) for weight in network.variables]

    def features(pixels: Any, *weights: Any) -> Any:
        return network.stateless_call([], weights, tf.cast(pixels, tf.float32))[0]

    signature = [pixels, *weights]
    traced = tf.function(features, input_signature=signature, autograph=False)
    return runtime.convert(traced.get_concrete_function())
