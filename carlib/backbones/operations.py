"""What a converted network may consist of: OpenVINO executes it, so it's a program.

A network that lies in a workspace or in a saved model may be a stranger's. It computes:
nothing in it loops, branches, keeps a state or touches a file. What those compute stays
theirs to decide (see SECURITY.md).
"""

import re
from xml.parsers import expat

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
        *("Abs", "AdaptiveAvgPool", "AdaptiveMaxPool", "Atan", "BatchNormInference"),
        *("BatchToSpace", "Broadcast", "Ceiling", "ConvertLike"),
        *("ConvolutionBackpropData", "Cos", "Cosh", "CumSum", "DepthToSpace"),
        *("Divide", "Einsum", "Elu", "Equal", "Erf", "Exp", "ExtractImagePatches"),
        *("Floor", "FloorMod", "Gather", "GatherElements", "GatherND", "Gelu"),
        *("Greater", "GreaterEqual", "GroupConvolutionBackpropData"),
        *("GroupNormalization", "HardSigmoid", "HSigmoid", "HSwish", "Interpolate"),
        *("IsFinite", "IsInf", "IsNaN", "Less", "LessEqual", "Log", "LogicalAnd"),
        *("LogicalNot", "LogicalOr", "LogicalXor", "LogSoftmax", "LRN", "Maximum"),
        *("Minimum", "Mish", "Mod", "MVN", "Negative", "NormalizeL2", "NotEqual"),
        *("OneHot", "Power", "PReLU", "Range", "ReduceL1", "ReduceL2"),
        *("ReduceLogicalAnd", "ReduceLogicalOr", "ReduceMax", "ReduceMin"),
        *("ReduceProd", "ReduceSum", "ReverseSequence", "Roll", "Round"),
        *("ScaledDotProductAttention", "ScatterElementsUpdate", "ScatterNDUpdate"),
        *("ScatterUpdate", "Select", "Selu", "ShapeOf", "ShuffleChannels", "Sigmoid"),
        *("Sign", "Sin", "Sinh", "Slice", "SoftMax", "Softmax", "SoftPlus"),
        *("SoftSign", "SpaceToBatch", "SpaceToDepth", "Split", "Sqrt"),
        *("SquaredDifference", "Squeeze", "StridedSlice", "Swish", "Tan", "Tanh"),
        *("Tile", "TopK", "Unsqueeze", "VariadicSplit"),
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
        kinds = _kinds(xml)
    except (ValueError, expat.ExpatError) as error:
        raise ArchiveError(f"The network is damaged: {error}.") from error
    wrong = sorted(
        f"{kind} ({version})"
        for kind, version in kinds
        if kind not in _OWN | _OTHERS or not re.fullmatch(r"opset\d+", version)
    )
    if wrong or not kinds:
        raise ArchiveError("The network does more than compute.", wrong)


def _kinds(xml: bytes) -> set[tuple[str, str]]:
    """Return types and versions of all layers, wherever in the file they stand.

    It's read as OpenVINO does: as UTF-8, and without namespaces, behind which a layer
    would be another element's.
    """
    kinds = set()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "layer":
            kinds.add((attributes.get("type", ""), attributes.get("version", "")))

    def declared(*_: object) -> None:  # entities can expand without end
        raise ValueError("it declares a type")

    if b"\0" in xml:
        raise ValueError("it is not UTF-8")
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, declared
    parser.Parse(xml, True)
    return kinds
