"""What tests of the model share."""

import pytest


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "ImageModel.zip"
    return trained.save(path, metrics={"micro_accuracy": 0.5})
