"""Which of a network's layers to look at: an early one, one half-way, and the last."""

import math
from collections.abc import Iterable
from typing import Any

# What layers end in, as OpenVINO and TensorFlow call it: from there on nothing that
# was found is below zero, or little of it.
ACTIVATIONS = {
    *("Relu", "Relu6", "Clamp", "Elu", "Selu", "LeakyRelu", "PRelu"),
    *("Swish", "HSwish", "Gelu", "Mish"),
}
LEAST = 2  # places a side; below, nothing can be seen

# A node's kind, the tensor that comes out of it, and the tensor's shape.
Node = tuple[str, Any, tuple[int | None, ...]]


def early_and_middle(nodes: Iterable[Node], last: int) -> list[tuple[Any, tuple, int]]:
    """Choose the first layer, and one half-way from there to the last.

    Half-way is by the size of the grid: with 112 × 112 places at first and 7 × 7 at
    last, it's the last layer with 28 × 28.

    Args:
        nodes: Of the network, in the order in which they are computed.
        last: How many places a side the last layer has.

    Returns:
        Of each its tensor, its shape without the photos, and the axis, 1 or 3, on which
        its channels lie. They may be one, or none: of a network with few layers.
    """
    found = [
        (tensor, shape[1:], channels, shape[2])
        for kind, tensor, shape in nodes
        if kind in ACTIVATIONS and (channels := _channels(shape))
    ]
    larger = [layer for layer in found if layer[3] > last]
    if not larger:
        return []
    half_way = math.sqrt(larger[0][3] * last)
    off = [abs(math.log(side / half_way)) for *_, side in larger]
    middle = max(n for n, each in enumerate(off) if each == min(off))
    return [larger[n][:3] for n in sorted({0, middle})]


def _channels(shape: tuple[int | None, ...]) -> int | None:
    """Return the axis of a square grid's channels; None if it's no such grid."""
    if len(shape) != 4 or None in shape[1:] or shape[2] < LEAST:
        return None
    axes = [axis for axis in (1, 3) if shape[4 - axis] == shape[2]]
    return axes[0] if len(axes) == 1 else None
