"""What tests of pictures share."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def close_figures():
    """No figure of one test is another's."""
    yield
    plt.close("all")
