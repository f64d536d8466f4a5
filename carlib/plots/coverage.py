"""The chart of refusal: how much is answered, and how often that is wrong."""

from typing import TYPE_CHECKING

import pandas as pd

from carlib.evaluation.coverage import coverage
from carlib.plots.style import FAINT, FIRST, INK, PALE, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKED = (0.02, 0.05, 0.1)  # error rates whose thresholds are written into the chart


def plot_coverage(predictions: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draw how often answers are wrong, over the share of photos that is answered.

    The photos with the highest probability are answered first. The band is the 95 %
    interval; where an error of 2, 5 and 10 % is held, a point names the threshold.

    Args:
        predictions: See `coverage`.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        DataError: See `coverage`.

    Example:
        >>> carlib.plot_coverage(model.predict(test));
    """
    from matplotlib.ticker import PercentFormatter

    found = coverage(predictions)
    table = found.table
    with house_style(ax) as plt:
        ax = plt.subplots(figsize=(8, 4.2))[1] if ax is None else ax
        band = (table["error_low"], table["error_high"])
        ax.fill_between(table["coverage"], *band, color=PALE, alpha=0.5, linewidth=0)
        ax.plot(table["coverage"], table["error"], color=FIRST)
        ax.axhline(found.error, color=FAINT, linewidth=1, linestyle=":")
        _mark(ax, table)
        ax.set_xlim(0, 1.02)
        ax.set_ylim(0, max(0.1, 1.4 * table["error"].max()))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1, 0, " %"))
        ax.set_xlabel(f"answered, of {found.n:,} photos")
        ax.set_ylabel("wrong, of those answered")
        ax.grid(axis="y")
        ax.set_title(
            "Answers in order of their probability\n"
            f"Dotted: {found.error:.1%} wrong if all are answered"
        )
    return ax


def _mark(ax: "Axes", table: pd.DataFrame) -> None:
    """Mark the most that can be answered at some error rates, once each."""
    places = {}
    for rate in MARKED:
        held = table[table["error"] <= rate]
        if len(held):
            places[held.index[-1]] = rate
    for place in places:
        row = table.loc[place]
        point = (row["coverage"], row["error"])
        ax.plot(*point, "o", color=FIRST, markersize=6)
        text = f"{row['error']:.1%}, from {row['threshold']:.2f}"
        above = {"xytext": (-4, 9), "textcoords": "offset points", "ha": "right"}
        ax.annotate(text, point, size=10, color=INK, **above)
