"""What tests of the cache share."""

import shutil
import time

import pytest

from carlib.bottlenecks import stat_index
from carlib.bottlenecks.extract import compute_bottlenecks
from tests.bottlenecks.damage import N_PHOTOS
from tests.tiny import Tiny, counts, draw_photos


@pytest.fixture
def folder(tmp_path, photos):
    """Copies of 40 photos, to change and to break."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in photos.image_path[:40]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def drawn(tmp_path):
    """Photos that all differ, small enough to be computed at once."""
    return draw_photos(tmp_path / "photos", N_PHOTOS)


@pytest.fixture
def right(drawn):
    """Their features."""
    return compute_bottlenecks(drawn, Tiny(), None, progress=False)


@pytest.fixture
def kept(tmp_path, drawn, monkeypatch):
    """A workspace with the features of all photos, and their status."""
    monkeypatch.setattr(stat_index, "RACY", 0)
    time.sleep(0.02)
    counts(drawn, Tiny(), tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def new(tmp_path):
    """Photos that no workspace knows."""
    return draw_photos(tmp_path / "new", 8, first=100)
