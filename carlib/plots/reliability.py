"""The chart of trust: how often answers are right, over what they say."""

from typing import TYPE_CHECKING

import pandas as pd

from carlib.evaluation.reliability import reliability
from carlib.plots.style import FAINT, FIRST, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_reliability(predictions: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draw how often answers of like probability are right.

    Each point stands for as many photos, its line for the 95 % interval of the share
    that is right; on the dashed line they are as often right as they say. The title
    tells how far they are off on average, and how far chance alone would put them.

    Args:
        predictions: See `reliability`.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        DataError: See `reliability`.

    Example:
        >>> carlib.plot_reliability(model.predict(test));
    """
    from matplotlib.ticker import PercentFormatter

    found = reliability(predictions)
    table = found.table
    with house_style(ax) as plt:
        ax = plt.subplots(figsize=(5.4, 5.4))[1] if ax is None else ax
        ax.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", zorder=1)
        up, down = "right_high", "right_low"
        reach = [table["right"] - table[down], table[up] - table["right"]]
        look = {"fmt": "o", "color": FIRST, "markersize": 6, "elinewidth": 1.2}
        ax.errorbar(table["score"], table["right"], yerr=reach, **look)
        low = max(0.0, min(table["score"].min(), table[down].min()) - 0.05)
        ax.set_xlim(low, 1.02)
        ax.set_ylim(low, 1.02)
        ax.set_aspect("equal")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1, 0, " %"))
        ax.set_xlabel(f"said: probability of the answer ({found.n:,} photos)")
        ax.set_ylabel("right, of those answers")
        ax.grid(axis="both")
        chance = f"chance alone: {found.error_by_chance:.3f}"
        ax.set_title(f"{found.verdict}\nCalibration error {found.error:.3f}; {chance}")
    return ax
