"""Run one measurement in a process of its own, and get back what it found."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

# Quiet: what TensorFlow tells of a chip is none of a benchmark's business.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def in_process(script: Path, job: dict, **environment: str) -> dict:
    """Run a script that ends in `answer`, in a fresh process; return its result.

    Args:
        script: Beside this file.
        job: Plain values. `started` is added: when the process was started, so that
            the script can tell how long ago that is.
        environment: Variables that the process has besides its parent's.

    Raises:
        click.ClickException: It failed; the message ends as its output did.
    """
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        result = Path(folder) / "result.json"
        job = job | {"result": str(result), "started": time.time()}
        run = subprocess.run(
            [sys.executable, str(script), json.dumps(job)],
            env=QUIET | os.environ | environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if run.returncode or not result.exists():
            tail = "\n".join((run.stdout + run.stderr).splitlines()[-12:])
            raise click.ClickException(f"{job} failed:\n{tail}")
        return json.loads(result.read_text("utf-8"))


def answer(run: Callable[[dict], dict]) -> None:
    """Do the job that this process was started for, and write what came of it."""
    job = json.loads(sys.argv[1])
    Path(job["result"]).write_text(json.dumps(run(job)), "utf-8")
