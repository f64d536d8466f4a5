"""An error lists all that is wrong, prints what can be read, and says what to do."""

import copy

import pytest

import carlib
from carlib.errors import SHOWN, CarlibError, DataError, OptionError


def test_an_error_is_its_message_its_problems_and_its_hint_in_that_order():
    assert str(CarlibError("Wrong.")) == "Wrong."
    error = CarlibError("Wrong:", ["a", "b"], hint="Do this.")
    assert str(error) == "Wrong:\n  - a\n  - b\nDo this."


@pytest.mark.parametrize("more", [0, 1, 1234])
def test_the_first_problems_are_printed_and_all_are_kept(more):
    problems = [f"row {number}" for number in range(SHOWN + more)]
    error = CarlibError("Wrong:", iter(problems), hint="Do this.")
    assert error.problems == problems
    last = [f"  … and {more:,} more"] if more else [f"  - row {SHOWN - 1}"]
    assert str(error).splitlines()[-2:] == [*last, "Do this."]
    assert len(str(error).splitlines()) == 1 + SHOWN + bool(more) + 1


def test_an_error_comes_whole_from_another_process():
    error = copy.copy(DataError("Wrong:", ["a"], "Do this."))  # as pickle does
    assert (type(error), str(error)) == (DataError, "Wrong:\n  - a\nDo this.")


def test_every_public_error_is_caught_as_carlibs():
    names = [name for name in carlib.__all__ if name.endswith("Error")]
    assert len(names) >= 8
    assert all(issubclass(getattr(carlib, name), CarlibError) for name in names)
    assert issubclass(OptionError, ValueError)
