"""What a converted network may consist of: OpenVINO executes it, so it's a program.

A network that lies in a workspace or in a saved model may be a stranger's. It computes:
nothing in it loops, branches, keeps a state or touches a file. What those compute stays
theirs to decide (see SECURITY.md).
"""

import re
import xml.etree.ElementTree as ElementTree

from carlib.errors import ArchiveError

MAX_XML = 4 * 2**20  # bytes; ResNet101V2's has 0.7 million
# What carlib's own networks have, float and int8; then what others of Keras's may.
_OWN = frozenset(
    {
        *("Add", "AvgPool", "Clamp", "Concat", "Const", "Convert", "Convolution"),
        *("FakeQuantize", "GroupConvolution", "MatMul", "MaxPool", "Multiply"),
        *("Pad", "Parameter", "ReduceMean", "ReLU", "Reshape", "Result"),
        *("Subtract", "Transpose"),
    }
)
_OTHERS = frozenset(
    {
        *("Abs", "BatchNormInference", "BatchToSpace", "Broadcast"),
        *("ConvolutionBackpropData", "DepthToSpace", "Divide", "Einsum", "Elu"),
        *("Equal", "Erf", "Exp", "Floor", "Gather", "GatherND", "Gelu", "Greater"),
        *("GreaterEqual", "GroupConvolutionBackpropData", "GroupNormalization"),
        *("HardSigmoid", "HSigmoid", "HSwish", "Interpolate", "Less", "LessEqual"),
        *("Log", "LogicalAnd", "LogicalNot", "LogicalOr", "Maximum", "Minimum"),
        *("Mish", "MVN", "Negative", "NormalizeL2", "NotEqual", "PReLU", "Power"),
        *("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Round"),
        *("ScaledDotProductAttention", "Select", "Selu", "ShapeOf", "Sigmoid"),
        *("Sign", "Slice", "SoftMax", "Softmax", "SoftPlus", "SoftSign"),
        *("SpaceToBatch", "SpaceToDepth", "Split", "Sqrt", "SquaredDifference"),
        *("Squeeze", "StridedSlice", "Swish", "Tanh", "Tile", "TopK", "Unsqueeze"),
        "VariadicSplit",
    }
)


def check_operations(xml: bytes) -> None:
    """Refuse a network, as OpenVINO writes it, that does anything but compute.

    Raises:
        ArchiveError: It isn't such a file, or holds operations that aren't accepted.
    """
    if len(xml) > MAX_XML:
        raise ArchiveError(f"The network is described in more than {MAX_XML:,} bytes.")
    try:
        text = xml.decode("utf-8")
        if re.search(r"<!(?!--)", text):  # entities, which can expand without end
            raise ValueError("it declares a type")
        layers = list(ElementTree.fromstring(text).iter("layer"))
    except (ValueError, ElementTree.ParseError, RecursionError) as error:
        raise ArchiveError(f"The network is damaged: {error}.") from error
    kinds = {(layer.get("type", ""), layer.get("version", "")) for layer in layers}
    wrong = sorted(
        f"{kind} ({version})"
        for kind, version in kinds
        if kind not in _OWN | _OTHERS or not re.fullmatch(r"opset\d+", version)
    )
    if wrong or not kinds:
        raise ArchiveError("The network does more than compute.", wrong)
