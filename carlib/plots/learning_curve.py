"""The chart of a learning curve: what was measured, and what more photos may give."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from carlib.errors import OptionError
from carlib.evaluation.learning_curve import ALL, FARTHEST, LearningCurve
from carlib.evaluation.text import MOST_CLASSES
from carlib.plots.style import FAINT, FIRST, INK, SECOND, house_style, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
STEPS = 60


def plot_learning_curve(
    curve: LearningCurve, of: str = ALL, ax: "Axes | None" = None
) -> "Axes":
    """Draw the accuracy over the number of training photos, and what is foretold.

    Points with their 95 % intervals are measured. The line and its band, in which the
    truth lies in 95 of 100 cases, go on to three times the photos there are.

    Args:
        curve: What `learning_curve` returns.
        of: A class; "all classes": the macro-accuracy.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        OptionError: There is no such class.

    Example:
        >>> carlib.plot_learning_curve(curve, of="bumper_scratch");
    """
    if of not in curve.laws:
        raise OptionError(f"Expected one of {', '.join(curve.laws)}. Received: {of!r}")
    with house_style(ax) as plt:
        ax = plt.subplots(figsize=(8, 4.2))[1] if ax is None else ax
        _draw(ax, curve, of)
        figure = "macro-accuracy" if of == ALL else "recall"
        ax.set_ylabel(figure)
        ax.set_xlabel("training photos" if of == ALL else "training photos of it")
        ax.legend(loc="lower right")
    return ax


def plot_learning_curves(
    curve: LearningCurve, ax: "Sequence[Axes] | None" = None
) -> "Sequence[Axes]":
    """Draw the curve of all classes and each class's, side by side on one scale.

    Args:
        curve: What `learning_curve` returns.
        ax: An Axes for each. Defaults to a figure of its own; of more than 30, the
            first 30.

    Raises:
        OptionError: `ax` has another number of Axes.
    """
    names = list(curve.laws)[:MOST_CLASSES]
    if ax is not None and len(ax) != len(names):
        raise OptionError(f"Expected {len(names)} Axes. Received: {len(ax)}")
    with house_style(ax) as plt:
        if ax is None:
            rows = -(-len(names) // COLUMNS)
            size, grid = (9.5, 2.4 * rows), {"sharey": True, "squeeze": False}
            figure, grid = plt.subplots(rows, COLUMNS, figsize=size, **grid)
            ax = grid.ravel()[: len(names)]
            for spare in grid.ravel()[len(names) :]:
                spare.set_visible(False)
            figure.suptitle(_TITLE, x=0.01, ha="left")
        for panel, name in zip(ax, names, strict=True):
            _draw(panel, curve, name)
    return ax


_TITLE = """\
Macro-accuracy, and each class's recall, over training photos (of that class)
Points: measured. Band: where more photos lead in 95 of 100 cases. Dotted: now."""


def _draw(ax: "Axes", curve: LearningCurve, what: str) -> None:
    """Draw what was measured, the law with its band, and how many photos there are."""
    points = curve.points[curve.points["what"] == what]
    there, law = curve.photos[what], curve.laws[what]
    sizes = np.geomspace(points["photos"].min(), FARTHEST * there, STEPS)
    middle, low, high = np.transpose([law.at(size) for size in sizes])
    ax.fill_between(sizes, low, high, color=FIRST, alpha=0.18, linewidth=0)
    ax.plot(sizes, middle, color=FIRST, label="foretold, and its 95 % band")
    off = points[["low", "high"]].sub(points["accuracy"], axis=0).abs().T
    look = {"color": SECOND, "markersize": 5, "capsize": 2, "linewidth": 1}
    ax.errorbar(
        points["photos"], points["accuracy"], off, fmt="o", label="measured", **look
    )
    ax.axvline(there, color=FAINT, linewidth=1, linestyle=":")
    ax.set_xlim(0)
    ax.set_ylim(0, 1.02)
    ax.grid(axis="y")
    now, _, _ = law.at(there)
    title = f"{legible(what)}\n{there:,} photos now: {now:.2f}"
    ax.set_title(title, color=INK, fontsize=10)
