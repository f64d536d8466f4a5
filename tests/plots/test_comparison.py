"""The chart of a comparison."""

import dataclasses

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from carlib.errors import OptionError
from carlib.plots.comparison import plot_comparison, plot_differences

METRICS = ["micro_accuracy", "macro_accuracy", "log_loss"]


def test_the_chart_has_a_panel_a_metric_and_a_row_an_arch(comparison):
    figure = plot_comparison(comparison)
    assert len(figure.axes) == 3
    titles = ["Micro-accuracy", "Macro-accuracy", "Log-loss (lower is better)"]
    for panel, title, name in zip(figure.axes, titles, METRICS, strict=True):
        assert panel.get_title(loc="left") == title
        column = comparison.table[name]
        assert [t.get_text() for t in panel.texts] == [f"{v:.3f}" for v in column]
        reference, *drawn = panel.lines
        assert set(reference.get_xdata()) == {column[0]}
        intervals = comparison.table[[f"{name}_low", f"{name}_high"]].to_numpy()
        assert [list(line.get_xdata()) for line in drawn[::2]] == intervals.tolist()
        assert [line.get_xydata().tolist() for line in drawn[1::2]] == [
            [[value, row]] for row, value in enumerate(column)
        ]


def test_the_chart_says_what_a_row_costs_and_what_stands_in(comparison):
    figure = plot_comparison(comparison)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    row = comparison.table.iloc[2]
    assert labels[2] == (
        "EfficientNetLite0 +\nMobileNetV2-0.35\n"
        f"{row.photos_per_second:,.0f} photos/s, {row.megabytes:.1f} MB"
    )
    heading = figure.get_suptitle()
    assert "drawn sample" in heading and "are random" in heading
    assert figure.axes[0].yaxis_inverted()


def test_the_chart_leaves_out_a_speed_that_nobody_knows(comparison):
    table = comparison.table.assign(photos_per_second=float("nan"))
    figure = plot_comparison(dataclasses.replace(comparison, table=table))
    figure.canvas.draw()
    label = figure.axes[0].get_yticklabels()[0].get_text()
    assert label == f"EfficientNetLite0\n{table.megabytes[0]:.1f} MB"


def test_the_chart_may_be_drawn_into_axes_of_ones_own(comparison):
    figure, axes = plt.subplots(1, 3)
    assert plot_comparison(comparison, ax=axes) is figure
    assert figure.get_suptitle() == ""
    with pytest.raises(OptionError, match="three Axes. Received: 2"):
        plot_comparison(comparison, ax=axes[:2])


def test_of_many_archs_the_first_are_drawn_and_the_chart_says_so(comparison):
    table = pd.concat([comparison.table] * 11, ignore_index=True)
    table["arch"] = [f"own_{i} $a_$" for i in range(33)]
    figure = plot_comparison(dataclasses.replace(comparison, table=table))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 30 and labels[0].startswith("own_0 $a_$\n")
    assert figure.get_suptitle().endswith("The first 30 of 33 archs.")


# --- differences ---------------------------------------------------------------------


def test_differences_are_drawn_in_points_with_their_intervals(comparison):
    ax = plot_differences(comparison)
    zero, *drawn = ax.lines
    assert set(zero.get_xdata()) == {0}
    rows = [
        pair.table.loc[figure]
        for figure in ("micro_accuracy", "macro_accuracy")
        for pair in comparison.pairs
    ]
    for line, point, row in zip(drawn[::2], drawn[1::2], rows, strict=True):
        assert list(line.get_xdata()) == [100 * row.low, 100 * row.high]
        assert list(point.get_xdata()) == [100 * row.difference]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["MobileNetV2-0.35", "EfficientNetLite0 +\nMobileNetV2-0.35"]
    assert ax.get_title(loc="left") == "Points better than EfficientNetLite0"
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["Micro-accuracy", "Macro-accuracy"]


def test_one_pair_may_be_drawn_into_axes_of_ones_own(comparison):
    ax = plt.subplots()[1]
    assert plot_differences(comparison.pairs[0], ax=ax) is ax
    assert len(ax.lines) == 1 + 2 * 2 and len(ax.get_yticks()) == 1
