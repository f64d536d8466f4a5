"""The Makefile: what it refuses, what it passes on, what `make clean` leaves alone."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not here")


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout as far as make is concerned, in a folder with a space in its name."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_make_alone_explains_itself_and_does_nothing(checkout):
    run = make(checkout)
    assert run.returncode == 0
    assert "make workshop" in run.stdout and "make clean" in run.stdout
    assert not (checkout / ".venv").exists()


def test_a_misspelt_option_is_refused_with_those_there_are(checkout):
    run = make(checkout, "workshop", "epoch=20")
    assert run.returncode == 2
    assert "Unknown: epoch. Known: arch data weights epochs workspace" in run.stderr


def test_options_reach_the_runner_with_their_spaces(checkout):
    run = make(checkout, "-n", "workshop", "data=my photos.zip", "epochs=20")
    words = shlex.split(run.stdout.splitlines()[-1])
    assert words[2:] == ["--data", "my photos.zip", "--epochs", "20"]


def test_what_the_environment_calls_arch_is_not_an_option(checkout, monkeypatch):
    monkeypatch.setenv("arch", "x86_64")
    assert "--arch" not in make(checkout, "-n", "workshop").stdout


def test_arguments_reach_pytest_as_they_are(checkout):
    arguments = "-k 'cli or data' --durations=5 -m \"slow or not slow\""
    run = make(checkout, "-n", "test", f"args={arguments}")
    assert run.stdout.splitlines()[-1].endswith(f'-m "not slow" {arguments}')


def test_without_a_python_that_suits_it_says_what_is_needed(checkout):
    run = make(checkout, "test", "PYTHON=/nowhere/python3.12")
    assert run.returncode == 2
    assert "Of Python 3.11, 3.12 and 3.13, none was found" in run.stdout
    assert not (checkout / ".venv").exists()


def test_an_installation_that_was_cut_off_is_begun_anew(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installing").touch()
    (checkout / ".venv" / "half-a-package").touch()
    run = make(checkout, "test", "PYTHON=/nowhere/python3.12")
    assert "The last set-up was cut off" in run.stdout
    assert not (checkout / ".venv").exists()


def test_clean_removes_what_was_made_and_nothing_else(checkout):
    made = (".venv/bin/x", "notebooks/workspace/y", "carlib/__pycache__/z", "build/w")
    mine = ("data/car_damage/p", "notebooks/mine.ipynb", "workspace/m", "m.zip")
    for name in (*made, *mine):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    run = make(checkout, "clean")
    assert run.returncode == 0
    assert (
        "Removing .venv" in run.stdout and "Removing notebooks/workspace" in run.stdout
    )
    assert [name for name in made if (checkout / name).exists()] == []
    assert [name for name in mine if not (checkout / name).exists()] == []
    assert make(checkout, "clean").returncode == 0
