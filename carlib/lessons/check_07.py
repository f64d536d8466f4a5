"""Checks of notebook 07's exercises: how a client prepares, and reads, numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right


@exercise("an array of pixels in one piece, as np.ascontiguousarray makes it")
def blue_first(
    answer: Any, pixels: np.ndarray, session: Any, expected: np.ndarray
) -> Verdict:
    """Check pixels whose colours are in the order blue, green, red.

    Args:
        session: ONNX Runtime's, which is asked about them.
        expected: What it says of the pixels as they should be.
    """
    if np.array_equal(answer, pixels[..., ::-1]):
        found = session.run(["probabilities"], {"pixels": answer})[0][0]
        moved = float(np.abs(found - expected).max())
        return right(f"No error at all, and a probability moved by {moved:.2f}.")
    if np.shape(answer) != pixels.shape:
        return not_yet("Some pixels are missing: the shape must stay as it is.")
    return not_yet("The colours are the last side, the others stay as they are.")


@exercise("the name of a class")
def name_of_answer(answer: Any, given: np.ndarray, labels: Sequence[str]) -> Verdict:
    """Check the name of the most probable class."""
    if answer == labels[given.argmax()]:
        return right(f"{answer}, at {given.max():.2f}.")
    if answer == given.argmax():
        return not_yet("That's its place. Which name stands there in labels?")
    if answer in labels:
        return not_yet(f"{answer} has only {given[labels.index(answer)]:.2f}.")
    return not_yet(f"It must be one of {', '.join(labels)}.")


noise = choice(
    "b",
    a="It has no such answer: `unknown` is a class like others, learned from cars.",
    b="It must name a class, and nothing has taught it to be unsure of noise.",
    c="That would be honest. But noise has features, too, and they favour a class.",
)
