"""What tests of the commands share."""

from pathlib import Path

import pytest

from tests.cli.typed import typed


@pytest.fixture(scope="session")
def home(tmp_path_factory, sample) -> Path:
    """A folder in which a model was trained on the sample, by a typed command."""
    folder = tmp_path_factory.mktemp("cli")
    arguments = ("--arch", "EfficientNetLite0", "--epoch", "12", "--output", "m.zip")
    result = typed("train", sample, *arguments, "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    (folder / "train.json").write_text(result.stdout, "utf-8")
    (folder / "train.log").write_text(result.stderr, "utf-8")
    return folder


@pytest.fixture(scope="session")
def model(home) -> Path:
    return home / "m.zip"


@pytest.fixture(scope="session")
def three(sample) -> list[Path]:
    return sorted((sample / "image").iterdir())[:3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """Every test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
