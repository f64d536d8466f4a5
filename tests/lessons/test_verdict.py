"""What a check says: open, not yet, right; whatever the answer, a sentence."""

import numpy as np
import pytest

from carlib.lessons import check_01
from carlib.lessons.verdict import OPEN, choice, exercise, not_yet, right


@exercise("a number")
def doubled(answer, number):
    return right("Twice.") if answer == 2 * number else not_yet(f"{answer + 0} isn't.")


def test_three_dots_are_no_answer_and_no_mistake():
    assert doubled(..., 2) is OPEN
    assert repr(OPEN).startswith("… Not answered yet")


def test_right_and_not_yet_say_why():
    assert repr(doubled(4, 2)) == "✓ Right: Twice."
    assert repr(doubled(5, 2)) == "✗ Not yet: 5 isn't."


@pytest.mark.parametrize("answer", [None, "four", [], {}, object, print])
def test_whatever_comes_is_answered_with_what_was_expected(answer):
    said = repr(doubled(answer, 2))
    assert said.startswith("✗ Not yet: Expected a number. Received:")
    assert "\n" not in said and len(said) < 200


def test_a_choice_says_why_of_each_letter_however_it_is_written():
    check = choice("b", a="Too many.", b="That's it.")
    assert repr(check(" B ")) == "✓ Right: That's it."
    assert repr(check("a")) == "✗ Not yet: Too many."
    assert 'Expected one of "a", "b"' in repr(check("c"))
    assert check(...) is OPEN


def test_a_notebook_shows_it_as_text_not_as_code():
    html = not_yet("<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html and "✗ Not yet" in html


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (lambda p: p[:, ::-1], "✓ Right"),
        (lambda p: p[::-1], "on its head"),
        (lambda p: p[:, :, ::-1], "red is blue"),
        (lambda p: p[:2], "missing"),
        (lambda p: p // 3, "another picture"),
        (lambda p: 7, "missing"),
    ],
)
def test_the_mirrored_photo(turn, said):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert said in repr(check_01.mirrored(turn(pixels), pixels))
