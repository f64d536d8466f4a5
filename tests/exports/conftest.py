"""What tests of exports share."""

import pytest

from tests.exports.made import CALIBRATED, model_of, small, sure


@pytest.fixture(scope="session")
def tiny():
    """A model that is exported within seconds, and refuses some answers."""
    model = model_of(small(), standardized=True, calibration=CALIBRATED)
    model.confidence = sure(model)
    return model


@pytest.fixture(scope="session")
def few_paths(few):
    return [str(path) for path in few.image_path[:6]]
