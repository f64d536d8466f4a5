"""What carlib says is seen, each time, by whoever wants to see it."""

import contextlib
import io
import logging
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from carlib.errors import DataError
from carlib.messages import bar, say

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


def printed_in_a_notebook(code: str) -> str:
    notebook = new_notebook(cells=[new_code_cell(code)])
    made = NotebookClient(notebook, kernel_name="python3").execute()
    assert "widget" not in nbformat.writes(made)
    outputs = made.cells[0].outputs
    assert {output.name for output in outputs} == {"stdout"}
    return "".join(output.text for output in outputs)


def test_in_a_notebook_a_bar_is_text_that_is_gone_at_its_end():
    """A widget is an error tomorrow, when the notebook is opened without a kernel."""
    code = (
        "import time\nfrom carlib.messages import bar\n"
        "with bar(3, 'Bottlenecks', 'photo') as shown:\n"
        "    for _ in range(3):\n        time.sleep(0.6)\n        shown.update()\n"
        "print('done')"
    )
    text = printed_in_a_notebook(code)
    assert "Bottlenecks:  33%" in text and "photo/s" in text
    *shown, last = text.split("\r")
    assert max(map(len, shown)) <= 70 and last == "done\n"


def test_in_a_notebook_a_bar_within_another_does_not_tear_it():
    code = (
        "from carlib.messages import bar\n"
        "with bar(2, 'Outer', 'fit') as outer:\n"
        "    with bar(2, 'Inner', 'photo') as inner:\n        inner.update()\n"
        "with bar(2, 'Next', 'fit') as following:\n    following.update()"
    )
    text = printed_in_a_notebook(code)
    assert "Outer" in text and "Next" in text
    assert "Inner" not in text and "\n" not in text and "\x1b" not in text


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
