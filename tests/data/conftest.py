"""What tests of the data share."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with photos image/1.jpeg to image/9.jpeg, and no index yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "image").mkdir(parents=True)
    for number in range(1, 10):
        (tmp_path / f"photos/image/{number}.jpeg").write_bytes(bytes([number]))
    return Path("photos")
