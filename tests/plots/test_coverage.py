"""The chart of refusal."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from carlib.errors import DataError
from carlib.evaluation.coverage import coverage
from carlib.plots.coverage import plot_coverage
from tests.evaluation.predicted import predictions


@pytest.fixture
def table():
    generator = np.random.default_rng(0)
    top = generator.uniform(0.5, 1, 400)
    actual = np.where(generator.random(400) < top**0.2, "a", "b")
    return predictions(actual, np.stack([top, 1 - top, 0 * top], axis=1))


def test_the_curve_is_the_table_of_coverage(table):
    ax, found = plot_coverage(table), coverage(table).table
    x, y = ax.lines[0].get_data()
    assert list(x) == list(found["coverage"]) and list(y) == list(found["error"])
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(found["error_high"].max())
    assert ax.get_xlim()[0] == 0 and ax.get_ylim()[0] == 0
    plt.close(ax.figure)


def test_thresholds_that_hold_an_error_rate_are_named_where_they_lie(table):
    ax, found = plot_coverage(table), coverage(table).table
    held = found[found["error"] <= 0.05].iloc[-1]
    texts = {text.xy: text.get_text() for text in ax.texts}
    said = texts[held["coverage"], held["error"]]
    assert said == f"{held['error']:.1%}, from {held['threshold']:.2f}"
    plt.close(ax.figure)


def test_it_draws_into_axes_that_are_handed_in(table):
    figure, given = plt.subplots()
    assert plot_coverage(table, ax=given) is given
    figure.canvas.draw()
    plt.close(figure)


def test_answers_that_are_all_right_can_be_drawn():
    ax = plot_coverage(predictions(["a"] * 5, [[1, 0, 0]] * 5))
    assert ax.get_ylim()[1] > 0.09
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_predictions_that_are_none_are_refused(table):
    with pytest.raises(DataError):
        plot_coverage(table.drop(columns="damage_class"))
