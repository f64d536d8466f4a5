"""A backbone as an ONNX graph without its weights: those stay in the model's file.

The page opens both. A weight is *external data* (ONNX, docs/ExternalData.md): so many
bytes from such a place in a file, which is what backbone.npy is after its header. So no
weight lies in two places, and what a page saves holds the very weights it was given.

The graph is OpenVINO's (see backbones.graphs), operation by operation; carlib's own
networks consist of the twenty that stand in `_TRANSLATORS`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from carlib.backbones import graphs
from carlib.errors import ExportError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET, IR_VERSION = 18, 9
INPUT, FEATURES, MAP = "pixels", "features", "map_"
_KINDS = {"u8": 2, "f32": 1, "i64": 7, "i32": 6}  # TensorProto.DataType


def onnx_graph(arch: str, weights: str) -> bytes:
    """Return the graph of one of carlib's networks.

    Its input is `pixels`, uint8 (n, size, size, 3); its outputs are `features`, float32
    (n, d), and `map_0` and so on, the maps whose means the features are, one after
    another, float32 (n, channels, height, width).

    Args:
        arch: Its name.
        weights: Where the weights lie, as the page calls it: float32, one after
            another in Keras's order, from the first byte on.

    Raises:
        ExportError: The package onnx is missing, or there is no such graph.

    Example:
        >>> onnx_graph("EfficientNetLite0", "backbone.npy")[:2]
        b'\\x08\\t'
    """
    if not graphs.is_ready(arch):
        raise ExportError(
            f"{arch} is a network of somebody's own, and a page can't hold it.",
            hint="The formats saved_model and onnx can.",
        )
    return _Translation(weights).of(graphs.opened(arch)).SerializeToString()


@dataclass
class _Translation:
    """What is known of a graph on the way from OpenVINO to ONNX.

    Attributes:
        weights: The file that they lie in.
        nodes, constants: What the graph consists of so far.
        names: What each of OpenVINO's outputs is called.
        place: Where the next weight begins.
    """

    weights: str
    nodes: list["NodeProto"] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    place: int = 0

    def of(self, model: Any) -> "ModelProto":
        """Return OpenVINO's model as ONNX has it."""
        helper = onnx().helper
        pixels, *weights = model.get_parameters()
        self.names[pixels.get_friendly_name()] = INPUT
        for weight in weights:
            self._add_weight(weight)
        for node in model.get_ordered_ops():
            self._add(node)
        outputs = [*self._outputs(model.get_results()[0])]
        used = {name for node in self.nodes for name in node.input}
        constants = [each for each in self.constants if each.name in used]
        graph = helper.make_graph(
            self.nodes, "backbone", [_value(INPUT, pixels)], outputs, constants
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="carlib",
        )
        made.ir_version = IR_VERSION
        return made

    def _add_weight(self, parameter: Any) -> None:
        name = parameter.get_friendly_name()
        shape = tuple(parameter.get_output_partial_shape(0).to_shape())
        size = 4 * math.prod(shape)
        tensor = onnx().TensorProto(
            name=name, data_type=_KINDS["f32"], dims=shape, data_location=1
        )
        where = {"location": self.weights, "offset": self.place, "length": size}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        self.constants.append(tensor)
        self.names[name], self.place = name, self.place + size

    def _add(self, node: Any) -> None:
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in ("Parameter", "Result"):
            return
        self.names[name] = f"n{len(self.names)}"
        if kind == "Constant":
            self.constant(self.names[name], node.get_data())
            return
        if kind not in _TRANSLATORS:
            raise ExportError(f"The network has a {kind}, which a page can't compute.")
        operation, options = _TRANSLATORS[kind]
        more = options(node, self)
        inputs = more.pop("inputs", None) or self.inputs(node)
        self.operation(operation, inputs, self.names[name], **more)

    def inputs(self, node: Any) -> list[str]:
        """Return what goes into a node."""
        nodes = [each.get_node() for each in node.input_values()]
        return [self.names[each.get_friendly_name()] for each in nodes]

    def constant(self, name: str, value: Any) -> str:
        """Add a constant; return its name."""
        array = np.ascontiguousarray(value)
        self.constants.append(onnx().numpy_helper.from_array(array, name))
        return name

    def operation(
        self, kind: str, inputs: Sequence[str], output: str, **options: Any
    ) -> str:
        """Add an operation; return what its output is called."""
        made = onnx().helper.make_node(kind, list(inputs), [output], **options)
        self.nodes.append(made)
        return output

    def _outputs(self, result: Any) -> Iterator[Any]:
        """Yield what comes out: the features, and the maps whose means they are."""
        last = result.input_value(0)
        named = [(FEATURES, last)]
        for number, tensor in enumerate(_before_means(last.get_node())):
            named.append((f"{MAP}{number}", tensor))
        for name, tensor in named:
            inner = self.names[tensor.get_node().get_friendly_name()]
            self.operation("Identity", [inner], name)
            yield _value(name, tensor)


def _before_means(node: Any) -> Iterator[Any]:
    """Yield the tensors whose means a node puts together, in their order."""
    kind = node.get_type_name()
    inputs = node.input_values()
    if kind == "ReduceMean":
        yield inputs[0]
    elif kind == "Concat":
        for each in inputs:
            yield from _before_means(each.get_node())
    elif kind in ("Squeeze", "Reshape"):
        yield from _before_means(inputs[0].get_node())


def _value(name: str, tensor: Any) -> Any:
    shape = (
        tensor.get_output_partial_shape(0)
        if name == INPUT
        else (tensor.get_partial_shape())
    )
    sides = ["n", *(side.get_length() for side in list(shape)[1:])]
    kind = "u8" if name == INPUT else "f32"
    return onnx().helper.make_tensor_value_info(name, _KINDS[kind], sides)


def _constant_of(node: Any, number: int) -> np.ndarray:
    """Return what always goes into a node at some place."""
    return node.input_value(number).get_node().get_data()


def _plain(node: Any, made: _Translation) -> dict[str, Any]:
    return {}


def _convolution(node: Any, made: _Translation) -> dict[str, Any]:
    said = node.get_attributes()
    return {"strides": said["strides"], "dilations": said["dilations"], **_pads(said)}


def _group_convolution(node: Any, made: _Translation) -> dict[str, Any]:
    groups, out, *rest = node.get_input_shape(1)
    pixels, kernel = made.inputs(node)
    shape = made.constant(f"{kernel}_shape", np.array([groups * out, *rest], np.int64))
    flat = made.operation("Reshape", [kernel, shape], f"{kernel}_flat")
    return _convolution(node, made) | {"group": groups, "inputs": [pixels, flat]}


def _pool(node: Any, made: _Translation) -> dict[str, Any]:
    said = node.get_attributes()
    options = {"kernel_shape": said["kernel"], "strides": said["strides"]}
    if "exclude-pad" in said:
        options["count_include_pad"] = int(not said["exclude-pad"])
    return options | _pads(said)


def _pads(said: Mapping[str, Any]) -> dict[str, Any]:
    named = {"same_upper": "SAME_UPPER", "same_lower": "SAME_LOWER", "valid": "VALID"}
    if said["auto_pad"] in named:
        return {"auto_pad": named[said["auto_pad"]]}
    return {"pads": [*said["pads_begin"], *said["pads_end"]]}


def _clamp(node: Any, made: _Translation) -> dict[str, Any]:
    said, name = node.get_attributes(), f"c{len(made.constants)}"
    bounds = [
        made.constant(f"{name}_{side}", np.float32(said[side]))
        for side in ("min", "max")
    ]
    return {"inputs": [*made.inputs(node), *bounds]}


def _cast(node: Any, made: _Translation) -> dict[str, Any]:
    return {"to": _KINDS[node.get_attributes()["destination_type"]]}


def _transpose(node: Any, made: _Translation) -> dict[str, Any]:
    return {"perm": _constant_of(node, 1).tolist(), "inputs": made.inputs(node)[:1]}


def _mean(node: Any, made: _Translation) -> dict[str, Any]:
    axes = np.ravel(_constant_of(node, 1)).astype(np.int64)
    name = made.constant(f"c{len(made.constants)}_axes", axes)
    keeps = int(node.get_attributes()["keep_dims"])
    return {"keepdims": keeps, "inputs": [made.inputs(node)[0], name]}


def _shape(node: Any, made: _Translation) -> dict[str, Any]:
    """Give a list of sides or axes as ONNX has it: int64."""
    values = np.ravel(_constant_of(node, 1)).astype(np.int64)
    if not values.size:  # of axes: all that are 1, as ONNX has it without a list
        return {"inputs": made.inputs(node)[:1]}
    name = made.constant(f"c{len(made.constants)}_sides", values)
    return {"inputs": [made.inputs(node)[0], name]}


def _pad(node: Any, made: _Translation) -> dict[str, Any]:
    sides = [np.ravel(_constant_of(node, number)) for number in (1, 2)]
    pads = np.concatenate(sides).astype(np.int64)
    name = made.constant(f"c{len(made.constants)}_pads", pads)
    inputs = made.inputs(node)
    return {"inputs": [inputs[0], name, *inputs[3:]]}


def _concat(node: Any, made: _Translation) -> dict[str, Any]:
    return {"axis": node.get_attributes()["axis"]}


# What each of OpenVINO's operations is called by ONNX, and how it's told what to do.
_TRANSLATORS: dict[str, tuple[str, Callable[[Any, _Translation], dict[str, Any]]]] = {
    "Add": ("Add", _plain),
    "Multiply": ("Mul", _plain),
    "Subtract": ("Sub", _plain),
    "Power": ("Pow", _plain),
    "ReLU": ("Relu", _plain),
    "Relu": ("Relu", _plain),
    "Clamp": ("Clip", _clamp),
    "Convert": ("Cast", _cast),
    "Concat": ("Concat", _concat),
    "Convolution": ("Conv", _convolution),
    "GroupConvolution": ("Conv", _group_convolution),
    "AvgPool": ("AveragePool", _pool),
    "MaxPool": ("MaxPool", _pool),
    "Pad": ("Pad", _pad),
    "ReduceMean": ("ReduceMean", _mean),
    "Reshape": ("Reshape", _shape),
    "Squeeze": ("Squeeze", _shape),
    "Transpose": ("Transpose", _transpose),
    "Unsqueeze": ("Unsqueeze", _shape),
}


def onnx() -> Any:
    """Return the package onnx.

    Raises:
        ExportError: It isn't here.
    """
    try:
        import onnx
    except ImportError as error:
        raise ExportError(
            "The formats web and html need the package onnx.",
            hint="Run: pip install onnx",
        ) from error
    return onnx
