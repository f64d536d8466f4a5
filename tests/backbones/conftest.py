"""What tests of the backbones share."""

import pytest

from carlib.backbones import architectures
from carlib.backbones.backbone import Backbone


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty KERAS_HOME, and no network that answers."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(architectures, "KERAS_WEIGHTS", "http://127.0.0.1:9")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture(scope="module")
def exact():
    return Backbone("EfficientNetLite0", precision="float32")
