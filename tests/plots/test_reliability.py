"""The chart of trust."""

import pytest
from matplotlib import pyplot as plt

from carlib.errors import DataError
from carlib.evaluation.reliability import reliability
from carlib.plots.reliability import plot_reliability
from tests.evaluation.test_reliability import drawn


def test_its_points_and_lines_are_those_of_the_table():
    ax, found = plot_reliability(drawn()), reliability(drawn())
    diagonal, points = ax.lines[:2]
    assert list(diagonal.get_xdata()) == [0, 1]
    assert list(points.get_xdata()) == list(found.table["score"])
    assert list(points.get_ydata()) == list(found.table["right"])
    reach = [part.vertices[:, 1] for part in ax.collections[0].get_paths()]
    assert [low for low, _ in reach] == pytest.approx(list(found.table["right_low"]))
    assert [high for _, high in reach] == pytest.approx(list(found.table["right_high"]))
    assert found.verdict in ax.get_title(loc="left")


def test_everything_lies_within_and_the_axes_are_alike():
    for table in (drawn(), drawn(power=8), drawn(3)):
        ax, found = plot_reliability(table), reliability(table).table
        assert ax.get_xlim() == ax.get_ylim()
        assert ax.get_ylim()[0] <= min(found["right_low"].min(), found["score"].min())
        ax.figure.canvas.draw()


def test_it_draws_into_axes_that_are_handed_in():
    figure, given = plt.subplots()
    assert plot_reliability(drawn(), ax=given) is given
    figure.canvas.draw()


def test_predictions_that_are_none_are_refused():
    with pytest.raises(DataError):
        plot_reliability(drawn().drop(columns="damage_class"))
