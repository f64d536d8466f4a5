"""What carlib says is seen, each time, by whoever wants to see it."""

import contextlib
import io
import logging
import subprocess
import sys

import pytest

from carlib.errors import DataError
from carlib.messages import bar, require, say

LOG = logging.getLogger("carlib")


@pytest.fixture
def level():
    """Set the level of carlib's logger, as a program would, until the test is over."""
    before = LOG.level
    yield LOG.setLevel
    LOG.setLevel(before)


def test_a_sentence_is_printed_bare_and_each_time(capsys):
    for text in ("100 % of them", "two", "two"):
        say(text)
    assert capsys.readouterr() == ("100 % of them\ntwo\ntwo\n", "")


def test_it_goes_to_where_print_would_at_that_moment():
    with contextlib.redirect_stdout(io.StringIO()) as first:
        say("one")
    with contextlib.redirect_stdout(io.StringIO()) as second:
        say("two")
    assert (first.getvalue(), second.getvalue()) == ("one\n", "two\n")


def test_a_program_can_ask_for_silence(level, capsys):
    level(logging.WARNING)
    say("nothing")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("before", "printed"),
    [
        ("logging.getLogger('carlib').setLevel(logging.WARNING)", ""),
        ("logging.getLogger('carlib').setLevel(logging.DEBUG)", "heard\n"),
        ("logging.basicConfig(stream=sys.stdout)", "heard\n"),
        ("import carlib", "heard\n"),
        ("import carlib; logging.getLogger('carlib').setLevel(logging.WARNING)", ""),
    ],
)
def test_what_a_program_sets_before_anything_is_said_holds(before, printed):
    program = f"import logging, sys; {before}"
    program += "\nfrom carlib.messages import say; say('heard')"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == (printed, "")


def test_a_handler_of_the_programs_own_hears_it_too(capsys):
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    LOG.addHandler(handler)
    try:
        say("both")
    finally:
        LOG.removeHandler(handler)
    assert heard.getvalue() == capsys.readouterr().out == "both\n"


def test_what_a_notebook_needs_is_returned_or_says_who_makes_it(tmp_path):
    path = tmp_path / "a.csv"
    path.touch()
    assert require(str(path), made_by="02_load_data") == path
    with pytest.raises(DataError) as caught:
        require("workspace/photos.csv", made_by="02_load_data")
    assert str(caught.value) == (
        "No photos.csv in workspace.\nRun 02_load_data.ipynb first: it makes it."
    )


def test_progress_in_a_log_is_lines_and_not_one_that_is_written_over(monkeypatch):
    log = io.StringIO()
    with contextlib.redirect_stderr(log), bar(5_000, "Bottlenecks", "photo") as shown:
        for _ in range(5_000):
            shown.update()
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue() and 1 <= len(lines) <= 3
    assert lines[-1].startswith("Bottlenecks: 100%")


def test_what_is_said_never_reaches_a_terminal_raw(capsys):
    say("a\x1b[31mb\nsecond \u202e line")
    assert capsys.readouterr().out == "a\\x1b[31mb\nsecond \\u202e line\n"
    error = DataError("in \x1b]0;x\x07", ["a\nb", "grün \udcfc"], "do\rthis")
    assert str(error).split("\n") == [
        r"in \x1b]0;x\x07",
        r"  - a\nb",
        r"  - grün \udcfc",
        r"do\rthis",
    ]
