"""What a check says of a learner's answer: not answered, not yet, or right, and why.

The checks are in `check_01` and so on, a module a notebook. A check is named after what
is asked. Its first argument is the learner's answer, `...` where there is none yet;
whatever else it needs, the notebook has at hand.
"""

import functools
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from carlib.errors import printable

_COLORS = {"right": "#0072b2", "not yet": "#d55e00", "open": "#888888"}


@dataclass(frozen=True)
class Verdict:
    """Say how an answer fares; a notebook shows it.

    Attributes:
        state: "right", "not yet", or "open": there is no answer so far.
        why: In a sentence or two.
    """

    state: str
    why: str

    def __repr__(self) -> str:
        start = {"right": "✓ Right: ", "not yet": "✗ Not yet: ", "open": "… "}
        return start[self.state] + self.why

    def _repr_html_(self) -> str:
        border = f"border-left:4px solid {_COLORS[self.state]}"
        style = f"{border};padding:0.3em 0.8em;max-width:50em"
        return f'<div role="status" style="{style}">{html.escape(repr(self))}</div>'


OPEN = Verdict(
    "open", "Not answered yet. Put your answer in the place of the three dots."
)


def right(why: str) -> Verdict:
    """Return the verdict that an answer is right; `why` is a sentence."""
    return Verdict("right", why)


def not_yet(why: str) -> Verdict:
    """Return the verdict that an answer isn't right yet; `why` helps on."""
    return Verdict("not yet", why)


def exercise(
    expected: str,
) -> Callable[[Callable[..., Verdict]], Callable[..., Verdict]]:
    """Make a check of a function that judges a learner's answer, its first argument.

    `...` is no answer yet. Whatever else comes, the learner gets a sentence: an answer
    of a kind that the function can't deal with is not what was expected.

    Args:
        expected: What an answer should be, after "Expected".

    Example:
        >>> @exercise("a number")
        ... def two_and_two(answer):
        ...     return right("2 + 2 = 4.") if answer == 4 else not_yet("Count again.")
        >>> two_and_two(4)
        ✓ Right: 2 + 2 = 4.
    """

    def made(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
        @functools.wraps(judge)
        def check(answer: Any, *given: Any) -> Verdict:
            if answer is ...:
                return OPEN
            try:
                return judge(answer, *given)
            except Exception:  # an answer may be anything
                kind = type(answer).__name__
                received = printable(repr(answer))[:80]
                return not_yet(f"Expected {expected}. Received: {kind} {received}")

        return check

    return made


def choice(best: str, **why: str) -> Callable[[Any], Verdict]:
    """Make the check of a multiple-choice question.

    Args:
        best: The right one's letter.
        why: What there is to say to each letter.

    Example:
        >>> choice("b", a="That is twice as many.", b="224 × 224 × 3.")("b")
        ✓ Right: 224 × 224 × 3.
    """
    letters = ", ".join(f'"{letter}"' for letter in why)

    @exercise(f"one of {letters}")
    def check(answer: Any) -> Verdict:
        letter = answer.strip().lower()
        return (right if letter == best else not_yet)(why[letter])

    return check
