"""Commands as somebody types them, in this process or in their own."""

import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from carlib.cli import main

PROGRAM = [
    sys.executable,
    "-c",
    "from carlib.cli.main import main; main(prog_name='carlib')",
]


def run(*arguments: str | Path, **options) -> Result:
    """A command in this process."""
    result = CliRunner().invoke(main.main, list(map(str, arguments)), **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def failure(*arguments: str | Path, **options) -> str:
    """What a command that fails says on stderr; on stdout, at most of the data."""
    result = run(*arguments, **options)
    lines = result.stdout.splitlines()
    said = [line for line in lines if not re.match(r"Data: |.*index\.csv: ", line)]
    assert (result.exit_code, said) == (1, [])
    assert "Traceback" not in result.stderr
    return result.stderr


def typed(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)
