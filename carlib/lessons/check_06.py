"""Checks of notebook 06's exercises: what a file holds, and what an export says."""

from collections.abc import Sequence
from typing import Any

from carlib.lessons.verdict import Verdict, choice, exercise, not_yet, right

not_in_the_file = choice(
    "b",
    a="They are in it: without them a photo becomes no features.",
    b="It holds what was learned from the photos, not the photos.",
    c="They are in it: the answers would have no names.",
    d="They are in it, from now on: that's why it was saved again.",
)


@exercise("a whole number")
def last_place(answer: Any, classes: Sequence[str]) -> Verdict:
    """Check at which place of an answer the last class stands."""
    if answer == len(classes) - 1:
        return right(
            f"{classes[-1]} is at place {len(classes) - 1}: the first is at 0."
        )
    if answer == -1:
        return not_yet("Python counts from the end, too; other programs don't.")
    if answer >= len(classes) or answer < 0:
        return not_yet("There is no such place: the first one has number 0.")
    return not_yet(f"That's {classes[int(answer)]}.")


digits = choice(
    "b",
    a="Sums of rounded numbers depend on their order: some last digits differ.",
    b="The last digits differ, the answer doesn't.",
    c="Then the export would have been refused: it's proven to agree.",
)
