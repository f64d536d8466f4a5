"""What options may be: NumPy's numbers are numbers, True is none, nan is none."""

from types import SimpleNamespace

import numpy as np
import pytest

from carlib.errors import OptionError
from carlib.training import ranges

NAN, INF = float("nan"), float("inf")
CASES = {
    "POSITIVE": ([1, 0.5, np.float32(2)], [0, -1, NAN, INF, "1", None, True, [1]]),
    "NOT_NEGATIVE": ([0, 3, np.int64(0)], [-0.1, NAN, INF, "0", None, False]),
    "BELOW_1": ([0, 0.99], [1, -0.1, NAN, "0", None]),
    "COUNT": ([1, np.int32(9)], [0, 1.0, -1, True, "1", None]),
    "SEED": ([0, 7], [-1, 0.0, True, None]),
    "FLAG": ([True, False, np.bool_(True)], [0, 1, "yes", None]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_value_passes_or_not(name):
    _, passes = getattr(ranges, name)
    good, bad = CASES[name]
    assert [passes(value) for value in good] == [True] * len(good)
    assert [bool(passes(value)) for value in bad] == [False] * len(bad)


def test_a_word_is_a_word_and_an_array_none():
    text, passes = ranges.one_of("flip", "turn")
    assert text == '"flip" or "turn"'
    assert passes("flip") and not passes("flop")
    assert not any(map(passes, [None, 0, np.array(["flip"]), ["flip"]]))
    assert ranges.or_none(ranges.one_of("flip"))[1](None)


def test_all_that_is_wrong_is_named_at_once():
    thing = SimpleNamespace(one=0, two="x", three=1)
    with pytest.raises(OptionError) as caught:
        ranges.check(thing, one=ranges.COUNT, two=ranges.FLAG, three=ranges.COUNT)
    assert caught.value.problems == [
        "one must be a whole number from 1 to 10⁹. Received: 0",
        "two must be True or False. Received: 'x'",
    ]
