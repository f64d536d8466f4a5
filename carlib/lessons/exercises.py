"""The checks of the notebooks' exercises: is an answer right, and why.

A check is named after what is asked. Its first argument is the learner's answer, `...`
where there is none yet; whatever else it needs, the notebook has at hand.
"""

from typing import Any

import numpy as np

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right

# 01 · Check the installation


@exercise("an array of pixels, such as pixels[::-1]")
def mirrored(answer: Any, pixels: np.ndarray) -> Verdict:
    """Check a photo that was turned left to right."""
    if np.array_equal(answer, pixels[:, ::-1]):
        return right(
            "The second index counts columns, and ::-1 goes through them backwards."
        )
    if np.array_equal(answer, pixels[::-1]):
        return not_yet("That one stands on its head: you turned the rows.")
    if np.array_equal(answer, pixels[:, :, ::-1]):
        return not_yet("Now red is blue: you turned the colours. Columns come second.")
    if np.shape(answer) != pixels.shape:
        return not_yet(
            "Some pixels are missing: all three sides must stay as they are."
        )
    return not_yet("That's another picture. Only the order of the columns may change.")


numbers_in_a_photo = choice(
    "c",
    a="That counts the pixels; each of them has three numbers.",
    b="That's one row of pixels.",
    c="Height × width × 3: more than a hundred thousand numbers for one small photo.",
)
