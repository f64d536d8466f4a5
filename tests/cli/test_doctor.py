"""The command `carlib doctor`: ten lines that give nothing of anybody's away."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest

from carlib.cli import doctor
from tests.cli.typed import run, typed


def test_ten_lines_say_what_is_here(workspace, backbone):
    result = run("doctor", "--workspace", workspace)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("carlib", "engine", "training", "libraries", "extras"),
        *("weights", "data", "cache", "machine", "settings"),
    ]
    assert f"numpy {importlib.metadata.version('numpy')}" in result.stdout
    assert "EfficientNetLite0" in lines[5] and backbone.precision in lines[1]


def test_json_has_the_same_as_values(tmp_path):
    found = json.loads(run("doctor", "--workspace", tmp_path, "--json").stdout)
    assert found["cache"] == {"backbones": 0, "photos": 0, "bytes": 0}
    assert found["weights"]["EfficientNetLite0"] is True
    assert found["versions"]["keras"] and found["disk_free"] > 0
    assert not list(tmp_path.iterdir())


def test_what_is_not_installed_is_named():
    found = doctor.findings("nowhere")
    gone = found["versions"] | {"keras": None, "nncf": None}
    text = doctor.doctor_text(found | {"versions": gone})
    assert "not installed: keras" in text and "not installed: nncf" in text


def test_neither_paths_nor_names_of_a_persons_are_in_it(tmp_path, sample):
    home = tmp_path / "janedoe"
    home.mkdir()
    settings = {"HOME": home, "USERPROFILE": home, "USER": "janedoe"}
    settings |= {"KERAS_HOME": home / "keras", "CARLIB_DATA": home / "photos"}
    settings |= {"HTTPS_PROXY": "http://janedoe:secret@proxy"}
    env = os.environ | {name: str(value) for name, value in settings.items()}
    for options in ((), ("--json",)):
        said = typed("doctor", "--workspace", home / "w", *options, cwd=home, env=env)
        assert said.returncode == 0, said.stderr
        assert "janedoe" not in said.stdout + said.stderr
        assert "secret" not in said.stdout and os.sep + "tmp" not in said.stdout
        assert "KERAS_HOME" in said.stdout and "CARLIB_DATA" in said.stdout


def test_it_imports_no_tensorflow_and_leaves_nothing_behind(tmp_path):
    code = (
        "import sys\n"
        "from carlib.cli.doctor import findings\n"
        "findings('workspace')\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.split() == ["False", "False"], run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", [None, 8_000_000_000])
def test_memory_is_told_where_the_system_tells_it(memory):
    text = doctor.doctor_text(doctor.findings("nowhere") | {"memory": memory})
    assert ("memory unknown" in text) == (memory is None)
