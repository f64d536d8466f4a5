"""The chart of a learning curve."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from carlib.errors import OptionError
from carlib.evaluation.learning_curve import ALL, LearningCurve
from carlib.evaluation.power_law import fit
from carlib.plots.learning_curve import plot_learning_curve, plot_learning_curves


@pytest.fixture
def curve():
    sizes, values = np.array([20.0, 40.0, 80.0]), np.array([0.5, 0.6, 0.66])
    names = (ALL, "dent $x$", "lamp")
    tables = [
        pd.DataFrame(
            {
                "what": name,
                "photos": sizes,
                "accuracy": values,
                "low": values - 0.05,
                "high": values + 0.07,
            }
        )
        for name in names
    ]
    law = fit(sizes, np.tile(values, (100, 1)))
    laws, photos = dict.fromkeys(names, law), dict.fromkeys(names, 100)
    return LearningCurve("A", photos, pd.concat(tables), laws, folds=5, repeats=3)


def test_it_shows_what_was_measured_and_what_is_foretold(curve):
    ax = plot_learning_curve(curve, of="lamp")
    line, *_ = ax.lines
    assert line.get_xdata()[[0, -1]] == pytest.approx([20, 300])
    assert line.get_ydata()[-1] == pytest.approx(curve.laws["lamp"].at(300)[0])
    measured = ax.containers[0].lines[0]
    assert measured.get_ydata().tolist() == [0.5, 0.6, 0.66]
    assert "lamp\n100 photos now" in ax.get_title(loc="left")
    assert ax.get_xlabel() == "training photos of it" and ax.get_ylabel() == "recall"


def test_all_are_drawn_side_by_side(curve):
    axes = plot_learning_curves(curve)
    assert len(axes) == 3
    assert [ax.get_title(loc="left").split("\n")[0] for ax in axes] == list(curve.laws)
    axes[0].figure.canvas.draw()


def test_axes_of_ones_own_are_drawn_into(curve):
    figure, ax = plt.subplots()
    assert plot_learning_curve(curve, ax=ax) is ax
    assert ax.get_ylabel() == "macro-accuracy"
    with pytest.raises(OptionError, match="Expected 3 Axes. Received: 1"):
        plot_learning_curves(curve, ax=[ax])
    with pytest.raises(OptionError, match="Expected one of"):
        plot_learning_curve(curve, of="nonsense")
    figure.canvas.draw()
