"""A Keras network as a TensorFlow graph, its weights apart: quick to keep and take up.

A graph takes `pixels` and its weights, `weight_0`, `weight_1` …, in Keras's order. It
is some hundred kilobytes, and all that is needed, with the weights, to be part of
another network: nothing in it is executed for that, and no Keras network is built.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones.kept import GRAPH, PARTS, is_whole, keep
from carlib.files import write_part


@dataclass(frozen=True)
class Graph:
    """A backbone's network: float32 pixels (n, size, size, 3) to `features`.

    `definition` is a GraphDef; `weights` all of them, float32, one after another.
    """

    definition: Any
    weights: np.ndarray


def trace(network: Any, output: str) -> Any:
    """Return a Keras model as a GraphDef whose weights are inputs.

    Args:
        network: From one tensor, which the graph calls `pixels`, to one.
        output: What the graph calls that.
    """
    tf, keras = runtime.tensorflow(), runtime.keras()
    pixels, weights = network.inputs[0], network.weights

    def call(given, values):
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            return tf.identity(network(given), name=output)

    signature = (
        tf.TensorSpec(pixels.shape, pixels.dtype, name="pixels"),
        [
            tf.TensorSpec(weight.shape, weight.dtype, name=f"weight_{number}")
            for number, weight in enumerate(weights)
        ],
    )
    traced = tf.function(call, input_signature=signature, autograph=False)
    return _without_captures(traced.get_concrete_function(), output)


def _without_captures(traced: Any, output: str) -> Any:
    """Return a function's graph; tensors it took from outside become constants."""
    first = len(traced.inputs) - len(traced.captured_inputs)
    names = [tensor.op.name for tensor in traced.inputs[first:]]
    captured = dict(zip(names, traced.captured_inputs, strict=True))
    util = runtime.tensorflow().compat.v1.graph_util
    with runtime.quiet_log("ERROR"):  # which calls it old; it has no successor
        graph = util.extract_sub_graph(traced.graph.as_graph_def(), [output])
    for node in graph.node:
        if node.name in captured:
            _hold(node, captured[node.name].numpy())
    return graph


def frozen(network: Any, output: str) -> Any:
    """Return a Keras model as a GraphDef whose weights are constants."""
    graph = trace(network, output)
    nodes = _weight_nodes(graph)
    for node, value in zip(nodes, network.get_weights(), strict=True):
        _hold(node, value)
    return graph


def _hold(node: Any, value: np.ndarray) -> None:
    """Make a constant of a node that took a value."""
    tensor = runtime.tensorflow().make_tensor_proto(value)
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)


def _weight_nodes(graph: Any) -> list[Any]:
    """Return the nodes by which a graph takes its weights, in their order."""
    numbered = {
        int(node.name.removeprefix("weight_")): node
        for node in graph.node
        if node.op == "Placeholder" and node.name.startswith("weight_")
    }
    return [numbered[number] for number in sorted(numbered)]


def keep_graph(folder: Path, graph: Graph) -> None:
    """Keep a graph in its backbone's folder, where that can be written to."""
    parts = (
        graph.definition.SerializeToString(deterministic=True),
        graph.weights.astype("<f4").tobytes(),
    )

    def write(temporary: Path) -> None:
        for name, data in zip(PARTS[GRAPH], parts, strict=True):
            write_part(temporary / name, [data])

    keep(folder, GRAPH, write)


def kept_graph(folder: Path | None) -> Graph | None:
    """Return the graph that lies in a backbone's folder, if it is whole."""
    weights = kept_weights(folder)
    if weights is None:
        return None
    tf = runtime.tensorflow()
    try:
        data = (folder / GRAPH / PARTS[GRAPH][0]).read_bytes()
    except OSError:  # gone meanwhile
        return None
    definition = tf.compat.v1.GraphDef.FromString(data)
    if definition.versions.producer > tf.version.GRAPH_DEF_VERSION:
        return None  # made by a newer TensorFlow
    return Graph(definition, weights)


def kept_weights(folder: Path | None) -> np.ndarray | None:
    """Return all weights of the graph in a backbone's folder, if it is whole."""
    if folder is None or not is_whole(folder, GRAPH):
        return None
    try:
        return np.fromfile(folder / GRAPH / PARTS[GRAPH][1], "<f4")
    except OSError:  # gone meanwhile
        return None


def as_layer(graph: Graph, name: str, n_features: int) -> Any:
    """Return a graph as a frozen Keras layer, to build a model on and to trace it."""
    tf, keras = runtime.tensorflow(), runtime.keras()

    class Imported(keras.layers.Layer):
        def __init__(self):
            super().__init__(name=name, trainable=False)
            parts = _parts(graph)
            self.all = [keras.Variable(part, trainable=False) for part in parts]

        def call(self, pixels):
            inputs = {f"weight_{i}": weight.value for i, weight in enumerate(self.all)}
            (features,) = tf.import_graph_def(
                graph.definition,
                {"pixels": pixels} | inputs,
                return_elements=["features:0"],
                name=self.name,
            )
            return features

        def compute_output_shape(self, input_shape):
            return (input_shape[0], n_features)

    with runtime.plain_float32():
        return Imported()


def _parts(graph: Graph) -> list[np.ndarray]:
    """Return the weights, each in its shape."""
    sizes = [node.attr["shape"].shape.dim for node in _weight_nodes(graph.definition)]
    shapes = [tuple(dim.size for dim in dims) for dims in sizes]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(graph.weights, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
