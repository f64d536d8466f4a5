"""How well one picture fits into another: what is left of a likeness after cropping."""

import numpy as np
from PIL import Image

SIDE = 64  # of the squares that are compared
SMALL = 24  # to which cut-outs are brought
SCALES = (1, 0.94, 0.88, 0.82, 0.76, 0.7)  # of the side
STEP = 2.5  # pixels between cut-outs, at most


def _boxes() -> list[tuple[float, float, float, float]]:
    """Return the cut-outs of a square: left, upper, right, lower; the first is all."""
    boxes = []
    for scale in SCALES:
        room = SIDE * (1 - scale)
        count = 1 if scale == 1 else max(2, round(room / STEP) + 1)
        places = np.linspace(0, room, count)
        width = SIDE * scale
        boxes += [(x, y, x + width, y + width) for x in places for y in places]
    return boxes


BOXES = _boxes()


def fit(one: np.ndarray, other: np.ndarray) -> float:
    """Return how well a picture fits a cut-out of another, or the other way round.

    The best correlation of grey values, of cut-outs of 70 % of a side and more.

    Args:
        one, other: uint8 (64, 64, 3), RGB.

    Returns:
        1 for the same picture, about 0 for pictures that have nothing in common.
    """
    first, second = _cut_outs(one), _cut_outs(other)
    return float(max((second @ first[0]).max(), (first @ second[0]).max()))


def _cut_outs(square: np.ndarray) -> np.ndarray:
    """Return a square's cut-outs, each of mean 0 and length 1, (boxes, 576)."""
    grey = Image.fromarray(square).convert("L")
    size, smooth = (SMALL, SMALL), Image.Resampling.BILINEAR
    small = [np.asarray(grey.resize(size, smooth, box)).ravel() for box in BOXES]
    values = np.array(small, np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
