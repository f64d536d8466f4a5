"""OpenVINO's two files, `.xml` and `.bin`: for Intel's chips, and others; any batch.

They are put together from the networks that carlib runs itself: no TensorFlow is
needed, or imported, where the backbones are carlib's own.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from carlib import runtime

if TYPE_CHECKING:
    from carlib.backbones.backbone import Backbone
    from carlib.exports.source import Source


def write(source: "Source", path: Path) -> None:
    """Write a model: its squares of pixels, each uint8 (n, side, side, 3), go in."""
    runtime.save_openvino(_model(source), path)


def _model(source: "Source") -> Any:
    """Return an OpenVINO model: squares in the order of `inputs` to probabilities."""
    import numpy as np
    from openvino import Model, opset13

    from carlib.exports.source import scaled_kernel, shape_of

    head, squares = source.model.head, {}
    for name, (side, how) in source.inputs.items():
        square = opset13.parameter([-1, side, side, 3], np.uint8, name)
        square.output(0).set_names({name})
        squares[side, how] = square
    parts = [
        _features(backbone, squares[shape_of(backbone)], source.model.augment)
        for backbone in source.model.backbones
    ]
    features = opset13.concat(parts, axis=1)
    if head.standardizes:
        features = opset13.subtract(features, head.mean[None])
    logits = opset13.matmul(features, scaled_kernel(head), False, False)
    scores = opset13.softmax(opset13.add(logits, head.bias[None]), axis=1)
    scores.output(0).set_names({"probabilities"})
    return Model([opset13.result(scores)], [*squares.values()], "car_damage")


def _features(backbone: "Backbone", square: Any, augment: str | None) -> Any:
    """Return the features of photos, or their mean with those of mirror images."""
    import numpy as np
    from openvino import opset13

    if augment != "flip":
        return _behind(backbone, square)
    columns = list(range(backbone.input_size))[::-1]
    mirrored = opset13.gather(square, columns, 2)
    both = _behind(backbone, opset13.concat([square, mirrored], axis=0))
    halves = opset13.split(both, 0, 2)
    total = opset13.add(halves.output(0), halves.output(1))
    return opset13.multiply(total, np.float32(0.5))


def _behind(backbone: "Backbone", pixels: Any) -> Any:
    """Return a backbone's features as what comes behind pixels."""
    network = backbone.openvino_model().clone()
    for taker in network.input().get_target_inputs():
        taker.replace_source_output(pixels.output(0))
    return network.output().get_node().input_value(0)
