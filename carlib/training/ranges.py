"""What options may be: the words and the tests, once for all that is checked."""

import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from carlib.errors import OptionError

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlong = 60
Expected = tuple[str, Callable[[Any], bool]]


def is_number(value: Any) -> bool:
    """Tell whether it is a finite number; True and False are none."""
    try:
        real = isinstance(value, Real) and not isinstance(value, bool)
        return real and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _is_whole(value: Any, least: int, most: int) -> bool:
    return is_number(value) and isinstance(value, Integral) and least <= value <= most


def is_one_of(value: Any, *words: str | None) -> bool:
    """Tell whether it is one of some words; nothing else compares as equal to one."""
    return (value is None or isinstance(value, str)) and value in words


POSITIVE = ("a positive number", lambda value: is_number(value) and value > 0)
NOT_NEGATIVE = ("0 or more", lambda value: is_number(value) and value >= 0)
BELOW_1 = (
    "from 0 up to, but not, 1",
    lambda value: is_number(value) and 0 <= value < 1,
)
COUNT = ("a whole number from 1 to 10⁹", lambda value: _is_whole(value, 1, 10**9))
SEED = (
    "a whole number from 0 to 2³² - 1",
    lambda value: _is_whole(value, 0, 2**32 - 1),
)
FLAG = ("True or False", lambda value: isinstance(value, bool | np.bool_))

FILE_PREFIX = (
    "how a file's name begins, without a folder",
    lambda value: (
        isinstance(value, str) and not re.search(r'[/\\:*?"<>|\0-\x1f]', value)
    ),
)


def one_of(*words: str) -> Expected:
    """Expect one of these words."""
    text = " or ".join(f'"{word}"' for word in words)
    return text, lambda value: is_one_of(value, *words)


def or_none(expected: Expected) -> Expected:
    """Expect that, or None."""
    text, passes = expected
    return f"{text} or None", lambda value: value is None or passes(value)


def list_of(text: str, passes: Callable[[Any], bool]) -> Expected:
    """Expect a list of what passes."""
    return (
        f"a list of {text}",
        lambda value: isinstance(value, list | tuple) and all(map(passes, value)),
    )


def problems(thing: Any, expected: Mapping[str, Expected]) -> Iterator[str]:
    """Yield a line for each of a thing's options that isn't what is expected."""
    for name, (text, passes) in expected.items():
        value = getattr(thing, name)
        if not passes(value):
            yield f"{name} must be {text}. Received: {_SHORT.repr(value)}"


def check(thing: Any, **expected: Expected) -> None:
    """Refuse a thing whose options are not what's expected.

    Raises:
        OptionError: With all that is wrong.
    """
    wrong = list(problems(thing, expected))
    if wrong:
        kind = type(thing).__name__
        raise OptionError(f"These options of {kind} are out of their range.", wrong)
