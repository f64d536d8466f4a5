"""The picture of a learning rate."""

import pytest

import carlib
from carlib.errors import OptionError


def test_it_is_drawn_as_the_steps_that_it_takes():
    decay = carlib.ExponentialLRDecay(learning_rate=0.01, decay_rate=0.94)
    ax = carlib.plot_learning_rate(decay, epochs=6)
    (line,) = ax.lines
    assert line.get_drawstyle() == "steps-post"
    rates = [0.01, 0.01, 0.0094, 0.0094, 0.008836, 0.008836, 0.008836]
    assert line.get_ydata() == pytest.approx(rates)
    assert "0.01 at first, 0.0088 at last" in ax.get_title(loc="left")


@pytest.mark.parametrize("epochs", [0, 10_001, 1.5])
def test_epochs_are_counted(epochs):
    with pytest.raises(OptionError, match="epochs must be"):
        carlib.plot_learning_rate(carlib.ExponentialLRDecay(), epochs=epochs)
