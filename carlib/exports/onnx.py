"""ONNX: one file for ONNX Runtime, on a desk, on a phone or in a page."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carlib import runtime
from carlib.files import write_bytes

if TYPE_CHECKING:
    from carlib.exports.source import Source

OPSET = 17  # of 2022: what runtimes of the last years take


def write(source: "Source", path: Path) -> None:
    """Write a model: its squares of pixels, each uint8 (n, side, side, 3), go in."""
    write_bytes(path, _onnx(source.frozen, [*source.inputs], ["probabilities"]))


def _onnx(frozen: Any, inputs: list[str], outputs: list[str]) -> bytes:
    """Convert a frozen TensorFlow function; its nodes have the names that are told."""
    with warnings.catch_warnings(), runtime.quiet_log("ERROR"):
        warnings.simplefilter("ignore")  # of NumPy, about the converter's own code
        import tf2onnx

        nodes = {f"{name}:0": name for name in (*inputs, *outputs)}
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[f"{name}:0" for name in inputs],
            output_names=[f"{name}:0" for name in outputs],
            opset=OPSET,
            tensors_to_rename=nodes,
        )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return model.SerializeToString(deterministic=True)
