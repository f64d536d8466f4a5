"""The commands `carlib cache …`, on small caches, as they are typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import carlib
from carlib.bottlenecks import run as run_module
from carlib.cli import cache, main
from tests.tiny import Tiny, counts, draw_photos, shards

PROGRAM = [
    sys.executable,
    "-c",
    "from carlib.cli.main import main; main(prog_name='carlib')",
]
N = 8


def run(*arguments: str | Path) -> Result:
    """A command in this process; what went wrong is in its exit code."""
    result = CliRunner().invoke(main.main, ["cache", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def typed(*arguments: str, **options) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    command = [*PROGRAM, "cache", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    """Every test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def kept(monkeypatch) -> list[Path]:
    """Eight photos, whose features the workspace keeps in two files a backbone."""
    monkeypatch.setattr(run_module, "SECONDS_A_SHARD", -1)
    photos = draw_photos(Path("photos"), N)
    counts(photos, Tiny(), "workspace")
    counts(photos, Tiny(bias=1), "workspace")
    return photos


def damage(number: int) -> None:
    path = shards("workspace")[number]
    path.write_bytes(path.read_bytes()[:-1] + b"?")


# --- info ----------------------------------------------------------------------------


def test_info_says_what_is_kept(kept):
    result = run("info")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("Tiny float32 000000000000: 8 photos in 2 files, 0.0 MB")
    assert second.startswith("Tiny float32 111111111111: 8 photos in 2 files")


def test_infos_json_is_what_the_function_says(kept):
    result = run("info", "--workspace", "workspace", "--json")
    figures = json.loads(result.stdout)
    assert figures == {
        "workspace": "workspace",
        "caches": carlib.cache_info("workspace"),
    }


@pytest.mark.parametrize("command", ["info", "verify", "compact", "clear"])
def test_a_folder_without_bottlenecks_is_no_error_and_stays_empty(command):
    result = run(command, "--workspace", "empty")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "No bottlenecks are kept in empty.\n"
    figures = json.loads(run(command, "--json").stdout)
    assert figures == {
        "workspace": "workspace",
        "removed" if command == "clear" else "caches": [],
    }
    assert list(Path().iterdir()) == []


# --- verify --------------------------------------------------------------------------


def test_verify_says_that_all_is_whole(kept):
    result = run("verify")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    whole = "8 photos in 2 whole files; 0 files damaged and set aside"
    assert first == f"Tiny float32 000000000000: {whole}; no converted network"
    assert second.startswith("Tiny float32 111111111111: 8 photos")


def test_verify_fails_where_anything_is_damaged_and_says_which(kept):
    damage(0)
    with pytest.warns(UserWarning, match="set aside"):
        result = run("verify", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["caches"]
    assert (first["damaged"], first["photos"]) == (1, 4)
    assert (second["damaged"], second["photos"]) == (0, 8)


def test_verify_warns_in_words_on_stderr_not_in_lines_of_code(kept):
    damage(0)
    result = typed("verify")
    assert result.returncode == 1
    assert "4 photos in 1 whole file; 1 file damaged and set aside" in result.stdout
    (warning,) = result.stderr.splitlines()
    assert warning.startswith("Warning: The shard ")
    assert ".py" not in warning


def test_verify_fails_on_a_damaged_network_alone(kept):
    folder = shards("workspace")[0].parent / "network"
    folder.mkdir()
    (folder / "sha256.json").write_text("{}", "utf-8")
    result = run("verify")
    assert result.exit_code == 1
    assert "0 files damaged" in result.stdout
    assert "the converted network is damaged" in result.stdout


# --- compact -------------------------------------------------------------------------


def test_compact_says_how_many_files_there_were_and_are(kept):
    result = run("compact")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Tiny float32 000000000000: 2 files, now 1",
        "Tiny float32 111111111111: 2 files, now 1",
    ]
    assert len(shards("workspace")) == 2
    assert counts(kept, Tiny(), "workspace") == (N, 0)


def test_compacts_json_is_what_the_function_says(kept):
    entries = json.loads(run("compact", "--json").stdout)["caches"]
    assert [(entry["before"], entry["after"]) for entry in entries] == [(2, 1)] * 2


# --- clear ---------------------------------------------------------------------------


def test_clear_with_a_yes_removes_and_says_what(kept):
    result = run("clear", "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Removed Tiny float32 000000000000.",
        "Removed Tiny float32 111111111111.",
    ]
    assert shards("workspace") == []


def test_clears_json_lists_what_was_removed(kept):
    before = carlib.cache_info("workspace")
    figures = json.loads(run("clear", "--yes", "--json").stdout)
    assert figures == {"workspace": "workspace", "removed": before}


def test_clear_of_one_backbone_leaves_the_others(kept):
    result = run("clear", "--arch", "InceptionV3", "--yes")
    assert result.exit_code == 0
    assert result.stdout == "No bottlenecks of InceptionV3 are kept in workspace.\n"
    assert len(shards("workspace")) == 4
    assert run("clear", "--arch", "tiny", "--yes").exit_code == 0
    assert shards("workspace") == []


def test_clear_without_a_terminal_to_ask_at_refuses_and_removes_nothing(kept):
    result = typed("clear", stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no terminal to ask for a yes at" in result.stderr
    assert "--yes" in result.stderr
    assert len(shards("workspace")) == 4
    assert typed("clear", input="y\n").returncode == 1
    assert len(shards("workspace")) == 4


def at_a_terminal(keys: bytes, *arguments: str) -> subprocess.CompletedProcess:
    """The command with somebody at its keyboard."""
    import pty

    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, keys)
        return typed("clear", *arguments, stdin=terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)


on_a_terminal = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")


@on_a_terminal
def test_clear_shows_what_would_go_and_asks_first(kept):
    result = at_a_terminal(b"y\n")
    assert result.returncode == 0, result.stderr
    assert "Tiny float32 111111111111: 8 photos in 2 files" in result.stderr
    assert "Remove all this? [y/N]" in result.stderr
    assert result.stdout.count("Removed Tiny") == 2
    assert shards("workspace") == []


@on_a_terminal
@pytest.mark.parametrize("keys", [b"n\n", b"\n", b"\x04"], ids=["n", "enter", "end"])
def test_anything_but_a_yes_removes_nothing(kept, keys):
    before = sorted(Path("workspace").rglob("*"))
    result = at_a_terminal(keys)
    assert (result.returncode, result.stdout) == (1, "Nothing was removed.\n")
    assert "Traceback" not in result.stderr
    assert sorted(Path("workspace").rglob("*")) == before


@on_a_terminal
def test_a_question_does_not_get_into_the_json(kept):
    result = at_a_terminal(b"n\n", "--json")
    assert json.loads(result.stdout) == {"workspace": "workspace", "removed": []}
    assert result.returncode == 1


def test_ctrl_c_promises_nothing_of_what_is_being_removed(kept, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("carlib.bottlenecks.cache.clear_cache", interrupted)
    result = run("clear", "--yes")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "\nStopped.\n"


# --- words ---------------------------------------------------------------------------


def test_one_is_singular_and_thousands_are_told_apart():
    assert cache.count(1, "file") == "1 file"
    assert cache.count(0, "file") == "0 files"
    assert cache.count(1200, "photo") == "1,200 photos"


def test_a_backbone_is_told_in_a_line():
    entry = {"arch": "A", "fingerprint": "f" * 64, "photos": 1, "shards": 1}
    text = cache.info_text(entry | {"bytes": 2_500_000})
    assert text == "A ffffffffffff: 1 photo in 1 file, 2.5 MB"
