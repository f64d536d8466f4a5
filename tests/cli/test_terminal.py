"""What the commands share: errors in words, outputs checked early, photos by name."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from carlib.cli import terminal
from carlib.errors import DataError, OptionError


@click.group(cls=terminal.Commands)
def failing() -> None:
    """Fail in every way there is."""


@failing.command()
@click.argument("kind")
@click.option("--workspace", default="work")
def fail(kind: str, workspace: str) -> None:
    """Raise an error of a kind."""
    raise {
        "data": DataError("Two rows are bad.", ["row 3", "row 7"], "Mend them."),
        "bug": ZeroDivisionError("division by zero"),
        "disk": OSError(28, "No space left on device", "m.zip"),
        "ctrl-c": KeyboardInterrupt(),
        "usage": click.UsageError("no such thing"),
    }[kind]


def run(*arguments: str, **env: str):
    return CliRunner().invoke(failing, ["fail", *arguments], env=env)


def test_an_error_of_carlib_is_its_message_on_stderr_and_exit_code_1():
    result = run("data")
    assert result.exit_code == 1
    expected = "Error: Two rows are bad.\n  - row 3\n  - row 7\nMend them.\n"
    assert (result.stdout, result.stderr) == ("", expected)


def test_an_unexpected_error_is_named_and_says_how_to_see_more():
    result = run("bug")
    assert result.exit_code == 1
    assert "Error: ZeroDivisionError: division by zero" in result.stderr
    assert "CARLIB_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_named_with_its_file():
    assert "No space left on device: 'm.zip'" in run("disk").stderr


@pytest.mark.parametrize("kind", ["data", "bug"])
def test_the_error_itself_comes_through_for_those_who_ask(kind):
    result = run(kind, CARLIB_DEBUG="1")
    assert isinstance(result.exception, DataError | ZeroDivisionError)


def test_ctrl_c_says_what_is_kept_and_how_to_go_on():
    result = run("ctrl-c", "--workspace", "elsewhere")
    assert result.exit_code == 130
    assert result.stderr == (
        "\nStopped. What was computed is kept in elsewhere; "
        "run the same command to go on.\n"
    )


def test_ctrl_c_promises_nothing_where_nothing_is_kept():
    assert terminal.explain(KeyboardInterrupt()) == "\nStopped."


def test_a_wrong_way_to_call_it_stays_clicks_business():
    assert run("usage").exit_code == 2


def test_a_new_file_in_a_new_folder_is_a_good_output(tmp_path):
    terminal.check_output(tmp_path / "new" / "folders" / "m.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(OptionError, match="is a folder"):
        terminal.check_output(tmp_path)


def test_a_file_is_no_folder_for_the_output(tmp_path):
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(OptionError, match="file is a file"):
        terminal.check_output(tmp_path / "file" / "m.zip")


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="may write everywhere, as root does"
)
def test_a_read_only_folder_is_refused_before_the_work(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(OptionError, match="can't be written to"):
        terminal.check_output(tmp_path / "m.zip")


def test_names_that_the_terminal_lacks_are_shown_by_escapes():
    program = (
        "from carlib.cli import terminal; terminal.show_any_name();"
        "print('Stra\\u00dfe \\udce9.jpg')"
    )
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, env=env)
    assert run.stdout.split() == [b"Stra\\xdfe", b"\\udce9.jpg"]
