"""Checks of notebook 01's exercises: a photo is numbers, and weights multiply them."""

from typing import Any

import numpy as np

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right

numbers_in_a_photo = choice(
    "c",
    a="That counts the pixels; each of them has three numbers.",
    b="That's one row of pixels.",
    c="Height × width × 3: more than a hundred thousand numbers for one small photo.",
)


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


@exercise("pixels times three numbers, such as pixels * [1, 1, 1]")
def only_red(answer: Any, pixels: np.ndarray) -> Verdict:
    """Check a photo whose green and blue are switched off."""
    if np.array_equal(answer, pixels * [1, 0, 0]):
        return right("Three weights, and two of them are 0.")
    if np.shape(answer) != pixels.shape:
        return not_yet("It takes three weights, one a colour, in square brackets.")
    kept = [bool(np.any(np.asarray(answer)[:, :, colour])) for colour in range(3)]
    names = np.array(["red", "green", "blue"])
    if kept == [True, False, False]:
        return not_yet(
            "Green and blue are off, but red isn't as it was: its weight is 1."
        )
    return not_yet(
        f"Still there: {', '.join(names[kept]) or 'nothing'}. Keep only red."
    )
