"""Feature maps: what a backbone sees where, before it takes the mean over the photo.

Most networks for photos end in a mean over space: a feature is the mean of one channel
over a grid of places. The map before that mean says which place gave how much, exactly
and without a gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.backbones.layers import Node, early_and_middle
from carlib.errors import OptionError

# What OpenVINO and TensorFlow call the mean, and what may come after it.
MEANS, JOINS = {"ReduceMean", "Mean"}, {"Concat", "ConcatV2"}
PASSES = {"Result", "Identity", "Reshape", "Squeeze"}


@dataclass(frozen=True)
class _Pooled:
    """A map before its mean: the tensor, its shape without the photos, its channels.

    `channels` is the axis, 1 or 3, on which they lie.
    """

    tensor: Any
    shape: tuple[int, int, int]
    channels: int

    @property
    def channels_last(self) -> list[int]:
        """The order of the axes in which the channels come last."""
        return [axis for axis in range(4) if axis != self.channels] + [self.channels]

    @property
    def grid(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = (self.shape[axis - 1] for axis in self._axes)
        return height, width, channels

    @property
    def _axes(self) -> list[int]:
        return self.channels_last[1:]


class MapNetwork:
    """A backbone cut off before its mean over space; it executes as the backbone does.

    Args:
        backbone: Whose features are means over space, of one map or of several.
        layers: Give instead the maps of an early layer, of one half-way and of the
            last, as far as the network has as many.

    Attributes:
        shapes: Height, width and channels of each map; the features are the means of
            the channels, one map after another.

    Raises:
        OptionError: The backbone ends otherwise.

    Example:
        >>> network = MapNetwork(Backbone("EfficientNetLite0"))
        >>> [each.shape for each in network.maps(pixels)]    # uint8 (32, 224, 224, 3)
        [(32, 7, 7, 1280)]
    """

    def __init__(self, backbone: Backbone, *, layers: bool = False):
        runtime.check_process()
        on_tensorflow = engines.executor() == "tensorflow"
        cut = _cut_tensorflow if on_tensorflow else _cut_openvino
        self._engine, self.shapes = cut(backbone, layers)

    def maps(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Turn pixels into maps.

        Args:
            pixels: uint8 (n, input_size, input_size, 3), RGB.

        Returns:
            Each map, float32 (n, height, width, channels).
        """
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        flat = engines.features(self._engine, pixels, sum(sizes))
        parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
        pairs = zip(parts, self.shapes, strict=True)
        return [part.reshape(-1, *shape) for part, shape in pairs]


def _cut_openvino(backbone: Backbone, layers: bool) -> tuple[engines.Engine, list]:
    """Return an engine whose output is all maps, flat, one after another."""
    from openvino import Model, opset13

    whole = backbone.openvino_model()
    found = _pooled(backbone, whole.output().get_node(), _read_openvino)
    if layers:
        found = _layers(found[-1], _nodes_openvino(whole))
    flat = [
        opset13.reshape(
            opset13.transpose(each.tensor, np.array(each.channels_last)),
            np.array([0, -1]),
            special_zero=True,
        )
        for each in found
    ]
    output = opset13.result(opset13.concat(flat, axis=1))
    model = Model([output], whole.get_parameters(), "maps")
    engine = engines.OpenVINOEngine(model, backbone.precision)
    return engine, [each.grid for each in found]


def _cut_tensorflow(backbone: Backbone, layers: bool) -> tuple[engines.Engine, list]:
    """Return an engine whose output is all maps, flat, one after another."""
    tf, (run, shapes) = runtime.tensorflow(), with_maps(backbone, layers=layers)

    def flat(pixels: Any) -> list[Any]:
        parts = [tf.reshape(each, (len(pixels), -1)) for each in run(pixels)[1:]]
        return [tf.concat(parts, axis=1)]

    return engines.TensorFlowEngine(flat, backbone.precision), shapes


def with_maps(
    backbone: Backbone, *, layers: bool = False
) -> tuple[Callable[[Any], list[Any]], list]:
    """Return a backbone as a TensorFlow function that gives its maps, too.

    Args:
        backbone, layers: See `MapNetwork`.

    Returns:
        What takes pixels, uint8 (n, size, size, 3), and gives the features and then
        each map, float32 (n, height, width, channels); and the maps' shapes.

    Raises:
        OptionError: The features are no means over space.
    """
    tf, whole = runtime.tensorflow(), backbone.frozen()
    found = _pooled(backbone, whole.outputs[0].op, _read_tensorflow)
    if layers:
        found = _layers(found[-1], _nodes_tensorflow(whole))
    outputs = [whole.outputs[0], *(each.tensor for each in found)]
    pruned = whole.prune(whole.inputs, outputs)

    def run(pixels: Any) -> list[Any]:
        features, *maps = pruned(pixels)
        pairs = zip(maps, found, strict=True)
        return [features, *(tf.transpose(m, each.channels_last) for m, each in pairs)]

    return run, [each.grid for each in found]


# What is read of a node: its kind, what goes into it, each with its node and its shape,
# and, of a mean, over which axes it is.
Inputs = list[tuple[Any, Any, tuple[int | None, ...]]]
Reader = Callable[[Any], tuple[str, Inputs, Sequence[int]]]


def _pooled(backbone: Backbone, output: Any, read: Reader) -> list[_Pooled]:
    """Find the maps whose means the features are, in the features' order."""
    try:
        found = list(_behind(output, read))
    except ValueError:
        found = []
    if sum(each.grid[2] for each in found) != backbone.n_features:
        raise OptionError(
            "Expected a backbone whose features are means over the photo. Received: "
            f"{backbone.arch}, which ends otherwise: no place in a photo has a part of "
            "its own in a feature.",
            hint='A Keras network with pooling="avg" has such features.',
        )
    return found


def _layers(last: _Pooled, nodes: Iterator[Node]) -> list[_Pooled]:
    """Return an early layer's map, one's half-way, and the last one."""
    before = early_and_middle(nodes, last.grid[0])
    return [*(_Pooled(*each) for each in before), last]


def _nodes_openvino(whole: Any) -> Iterator[Node]:
    for node in whole.get_ordered_ops():
        for output in node.outputs():
            yield node.get_type_name(), output, _shape_of(output.get_partial_shape())


def _nodes_tensorflow(whole: Any) -> Iterator[Node]:
    for op in whole.graph.get_operations():
        for output in op.outputs:
            known = output.shape.rank is not None
            yield op.type, output, tuple(output.shape) if known else ()


def _behind(node: Any, read: Reader) -> Iterator[_Pooled]:
    """Yield the maps behind a node.

    Raises:
        ValueError: It isn't made of means over space.
    """
    kind, inputs, axes = read(node)
    if kind in MEANS:
        yield _before_the_mean(*inputs[0][1:], axes)
    elif kind in PASSES:
        yield from _behind(inputs[0][0], read)
    elif kind in JOINS:
        for node, _, shape in inputs:
            if shape:  # not the axis along which they are joined
                yield from _behind(node, read)
    else:
        raise ValueError(kind)


def _before_the_mean(
    tensor: Any, shape: tuple[int | None, ...], axes: Sequence[int]
) -> _Pooled:
    channels = {1, 2, 3} - set(axes)
    if len(shape) != 4 or None in shape[1:] or len(channels) != 1 or 0 in axes:
        raise ValueError("a mean, and not over space")
    return _Pooled(tensor, shape[1:], channels.pop())


def _read_openvino(node: Any) -> tuple[str, Inputs, Sequence[int]]:
    outputs = node.input_values()
    inputs = [
        (output.get_node(), output, _shape_of(output.get_partial_shape()))
        for output in outputs
    ]
    kind = node.get_type_name()
    axes = outputs[1].get_node().get_data() if kind in MEANS else ()
    return kind, inputs, [int(axis) for axis in np.ravel(axes)]


def _shape_of(shape: Any) -> tuple[int | None, ...]:
    if shape.rank.is_dynamic:
        return ()
    return tuple(side.get_length() if side.is_static else None for side in shape)


def _read_tensorflow(op: Any) -> tuple[str, Inputs, Sequence[int]]:
    inputs = [(tensor.op, tensor, tuple(tensor.shape)) for tensor in op.inputs]
    is_mean = op.type in MEANS
    axes = runtime.tensorflow().get_static_value(op.inputs[1]) if is_mean else ()
    return op.type, inputs, [int(axis) for axis in np.ravel(axes)]
