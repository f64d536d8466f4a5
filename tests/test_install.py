"""`scripts/install.py`: pip in a line, its words kept, its errors shown.

What is installed are wheels made here: no network is asked.
"""

import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "install.py"
OFFLINE = ("--no-index", "--no-deps")


def install(log: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), str(log), *OFFLINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


@pytest.fixture
def wheels(tmp_path) -> Path:
    """A folder with a wheel of two packages that nobody has."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("made_up_one", "made_up_two"):
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            wheel.writestr(f"{info}/METADATA", about)
            kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{info}/WHEEL", kind)
            wheel.writestr(f"{info}/RECORD", "")
    return folder


def pinned(folder: Path, *lines: str) -> Path:
    file = folder / "requirements.txt"
    file.write_text("# made\n" + "\n".join(lines) + "\n")
    return file


def test_packages_are_installed_and_pips_page_is_a_line(wheels, tmp_path):
    file = pinned(tmp_path, "made_up_one==1.0", "made_up_two==1.0")
    target = tmp_path / "site"
    log = tmp_path / "install.log"
    run = install(log, "--find-links", wheels, "--target", target, "-r", file)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "2 packages are there.\n" and run.stderr == ""
    assert (target / "made_up_two.py").exists()
    assert "Successfully installed made" in log.read_text("utf-8")


def test_what_is_there_already_is_counted_and_other_systems_pins_are_not(tmp_path):
    here, other = f"pytest=={version('pytest')}", "appnope==1.0; sys_platform == 'os2'"
    run = install(tmp_path / "install.log", "-r", pinned(tmp_path, here, other))
    assert (run.returncode, run.stdout) == (0, "1 packages are there.\n")


def test_when_pip_fails_its_errors_are_shown_and_the_log_is_named(tmp_path):
    log = tmp_path / "install.log"
    run = install(log, "-r", pinned(tmp_path, "made_up_three==1.0"))
    assert run.returncode == 1
    first, *_, last = run.stderr.splitlines()
    assert first.startswith("ERROR: Could not find a version") and "three" in first
    assert last == f"All that pip said: {log}"
    assert "made_up_three" in log.read_text("utf-8")


def test_the_line_tells_how_far_it_is(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent.parent)
    from scripts.install import State

    state = State(pins=4)
    for name in ("absl-py==2.5.1", "numpy==2.4 (from -r requirements.txt (line 9))"):
        state.hear(f"Collecting {name}\n")
    state.hear("Ignoring appnope: markers \"sys_platform == 'darwin'\" don't match\n")
    assert str(state) == "[#############.......] 2/3, 00:00 gone, fetching numpy"
    state.hear("Installing collected packages: absl-py, numpy\n")
    assert str(state).endswith("0/2, 00:00 gone, unpacking")


def test_a_log_that_cannot_be_written_is_told_in_words(tmp_path):
    run = install(tmp_path / "nowhere" / "install.log", "made_up_three==1.0")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "No such file or directory" in run.stderr


def test_without_a_log_it_says_how_it_is_called():
    run = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 1 and "python scripts/install.py LOG" in run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_when_the_disk_is_full_pip_is_not_waited_for_for_ever(monkeypatch):
    """It says more than a pipe holds: unheard, it would never end."""
    monkeypatch.syspath_prepend(SCRIPT.parent.parent)
    from scripts import install

    talk = "for _ in range(1000): print('x' * 1000, flush=True)"
    monkeypatch.setattr(install, "PIP", [sys.executable, "-c", talk])
    with pytest.raises(OSError, match="No space left"):
        install.main(Path("/dev/full"), [])
