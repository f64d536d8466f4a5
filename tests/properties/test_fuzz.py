"""The fuzzer: what it counts as a finding, and what it says."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carlib.errors import DataError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it is for Unix")
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "fuzz"))
    yield importlib.import_module("fuzz")
    sys.modules.pop("fuzz")


@pytest.fixture
def child(fuzz, tmp_path, monkeypatch):
    """The part that reads inputs, with a reader that does as its input says."""

    def read(data: bytes) -> None:
        if b"refuse" in data:
            raise DataError("refused")
        if b"raw" in data:
            raise DataError("a\x1bb") from None
        if b"break" in data:
            raise KeyError("broken")
        if b"network" in data:
            made.no_network()

    monkeypatch.setattr(DataError, "__str__", lambda error: error.message)
    room, found = tmp_path / "room", tmp_path / "found"
    room.mkdir()
    found.mkdir()
    (room / "board").write_bytes(bytes(fuzz.HEAD.size + fuzz.ROOM))
    monkeypatch.setattr(fuzz, "MEMORY", 1 << 60)  # the whole run is in this process
    made = fuzz.Child(
        fuzz.Job("index", 9, 1, 1, "own", str(found), 0, str(room)), (read, DataError)
    )
    return made


def found(child) -> list[str]:
    paths = Path(child.job.found).iterdir()
    return sorted(path.name for path in paths if path.suffix != ".txt")


def test_what_is_read_or_refused_as_documented_is_no_finding(child):
    assert child(b"a table") == "read" and child(b"refuse") == "refused"
    assert found(child) == [] and child.count == 2


def test_another_error_is_saved_once_and_cut_down_to_what_matters(child):
    child(b"some bytes, then break, and more")
    child(b"break again")
    (name,) = found(child)
    assert name.startswith("index-KeyError")
    assert Path(child.job.found, name).read_bytes() == b"break"
    assert "broken" in Path(child.job.found, f"{name}.txt").read_text("utf-8")


def test_what_reaches_the_terminal_raw_or_asks_the_network_is_a_finding(child):
    child(b"raw")
    with pytest.raises(OSError):
        child.no_network()
    assert child.answer(b"raw")[0] == "raw"
    assert child.answer(b"network")[0].startswith("OSError")
    assert [name.split("-")[1] for name in found(child)] == ["raw"]


def test_what_an_earlier_run_found_is_found_again(fuzz, child):
    child(b"break")
    assert len(fuzz._found(child.job)) == 1
    assert fuzz._found(child.job._replace(since=2**40)) == set()


def test_the_command_counts_its_inputs_and_tells_of_no_finding(tmp_path):
    command = [sys.executable, ROOT / "fuzz" / "fuzz.py", "index", "zip"]
    options = ["--runs", "40", "--engine", "own", "--found", tmp_path / "found"]
    run = subprocess.run([*command, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [
        ["index", "40", "inputs"],
        ["zip", "40", "inputs"],
    ]
    assert lines[-1] == "0 findings"


def test_a_reader_that_there_is_not_is_refused_with_those_there_are():
    command = [sys.executable, ROOT / "fuzz" / "fuzz.py", "photo"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and "checkpoint" in run.stderr
