"""Charts of the data, the training and the evaluation, in one house style.

Each function draws with pyplot and returns its Axes or Figure without showing it, so
that a notebook shows it once: end the line with a semicolon there, to mute the value.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carlib.evaluation.text import MOST_CLASSES, part_of, worst
from carlib.plots.style import (
    FAINT,
    FIRST,
    INK,
    PALE,
    SECOND,
    THIRD,
    check_table,
    house_style,
    legible,
    room_for,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from carlib.evaluation.metrics import Metrics

SUBSETS = {"T": "Training set", "V": "Test set"}
DATASETS = {
    "Train": {"color": FIRST, "marker": "o", "linestyle": "-"},
    "Validation": {"color": SECOND, "marker": "s", "linestyle": "--"},
}


def plot_class_balance(photos: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draw how many photos each class has to learn from, and to be judged by.

    Of more than 30 classes, the 30 with the most photos.

    Args:
        photos: Columns damage_class and subset (T or V), as from `load_index`.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        DataError: There are no photos, or a column is missing.
    """
    check_table(photos, ("damage_class", "subset"))
    every = pd.crosstab(photos["damage_class"], photos["subset"])
    counts, title = every, "Photos of each class"
    if len(every) > MOST_CLASSES:
        sizes = every.sum(axis=1).sort_values(ascending=False, kind="stable")
        counts = every.loc[sizes.index[:MOST_CLASSES]]
        title += f"\n{part_of(len(every), 'photos')}"
    with house_style(ax) as plt:
        ax = plt.subplots(figsize=(8, 1 + 0.5 * len(counts)))[1] if ax is None else ax
        for place, subset in enumerate(counts.columns):
            total = every[subset].sum()
            _bars(ax, counts[subset], total, place, counts.shape[1])
        ax.set_yticks(range(len(counts)), [*map(legible, counts.index)])
        ax.set_xticks([])
        ax.invert_yaxis()
        ax.margins(x=0.08, y=0.5 / max(10, len(counts)))
        ax.tick_params(axis="y", length=0)
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.set_title(title, pad=28)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0.2)
    return ax


def _bars(ax: "Axes", counts: pd.Series, total: int, place: int, places: int) -> None:
    """Draw one subset's bars, each at its place within its class."""
    training, height = counts.name == "T", 0.76 / places
    bars = ax.barh(
        np.arange(len(counts)) + (place - (places - 1) / 2) * height,
        counts,
        height * 0.9,
        color=FIRST if training else "white",
        edgecolor=FIRST if training else THIRD,
        hatch=None if training else "/////",
        label=f"{legible(SUBSETS.get(counts.name, counts.name))}: {total:,}",
    )
    ax.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=10)


def plot_history(model_or_history: Any, ax: "Sequence[Axes] | None" = None) -> "Figure":
    """Draw accuracy and cross-entropy by epoch, and mark the best epoch.

    Args:
        model_or_history: A model, whose `best_epoch` is the one it kept; or a history
            alone, where the best is the first with the highest accuracy.
        ax: Two Axes, for accuracy and cross-entropy. Defaults to a figure of its own.

    Raises:
        DataError: The history is empty, or a column is missing.
    """
    history = getattr(model_or_history, "history", model_or_history)
    check_table(history, ("epoch", "dataset", "accuracy", "cross_entropy"))
    judge = "Validation" if "Validation" in set(history["dataset"]) else "Train"
    judged = history[history["dataset"] == judge].set_index("epoch")
    best = getattr(model_or_history, "best_epoch", None)
    best = judged["accuracy"].idxmax() if best is None else best
    with house_style(ax) as plt:
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            ax = plt.subplots(2, 1, sharex=True, figsize=(8, 5.4))[1]
        panels = [
            (ax[0], "accuracy", "Accuracy"),
            (ax[1], "cross_entropy", "Cross-entropy"),
        ]
        for panel, column, title in panels:
            _curves(panel, history, column)
            _mark(panel, best, judged[column].get(best), f"{judge.lower()} {{:.3f}}")
            panel.set_title(title)
        ax[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, borderpad=0)
        ax[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        ax[1].set_xlabel("Epoch")
        ax[1].set_ylim(bottom=0)
    return ax[0].figure


def _curves(ax: "Axes", history: pd.DataFrame, column: str) -> None:
    every = max(1, history["epoch"].nunique() // 15)
    for dataset, rows in history.groupby("dataset", sort=False):
        look = DATASETS.get(dataset, {"color": FAINT})
        x, y = rows["epoch"], rows[column]
        ax.plot(x, y, label=legible(dataset), markevery=every, **look)
    ax.grid(axis="y")


def _mark(ax: "Axes", best: int, value: float | None, text: str) -> None:
    """Mark the best epoch with a line, a star and its figure."""
    ax.axvline(best, color=FAINT, linewidth=1, linestyle=":", zorder=1)
    label = f"best epoch {best}"
    if value is not None:
        ax.plot(best, value, "*", color=INK, ms=11, zorder=4)
        label += ": " + text.format(value)
    ax.set_title(label, loc="right", fontsize=10)


def plot_confusion(metrics: "Metrics", ax: "Axes | None" = None) -> "Axes":
    """Draw the confusion matrix: counts, shaded by the share of the actual class.

    The diagonal also shows each class's recall. The title gives the accuracies with
    their 95 % intervals, and what always answering the most frequent class would score.
    Of more than 30 classes, the 30 with the most mistakes.

    Args:
        metrics: What `evaluate` returns.
        ax: Where to draw. Defaults to a figure of its own.
    """
    every, places = metrics.confusion_matrix, worst(metrics.confusion_matrix)
    counts = every.to_numpy()[np.ix_(places, places)]
    support = every.to_numpy().sum(axis=1)[places]
    share = counts / np.maximum(support, 1)[:, None]
    with house_style(ax) as plt:
        names = [legible(name) for name in every.index[places]]
        if ax is None:
            side, more = max(4.5, 1.6 + 0.62 * len(names)), room_for(names, 16)
            size = (max(6.4, side + 1) + more, side + 0.6 * more)
            ax = plt.subplots(figsize=size)[1]
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            _cell(ax, row, column, count, share[row, column])
        ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
        ax.set_yticks(
            range(len(names)),
            [f"{name} ({n:,})" for name, n in zip(names, support, strict=True)],
        )
        ax.set_xlabel("Predicted class")
        ax.set_ylabel("Actual class (photos)")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title(_accuracies(metrics) + _part(every, counts), fontsize=10)
    return ax


def _cell(ax: "Axes", row: int, column: int, count: int, share: float) -> None:
    text = f"{count:,}"
    if row == column and count:
        text += f"\n{share:.0%}"
    color = "white" if share > 0.65 else INK if count else PALE
    weight = "bold" if row == column else "normal"
    place = {"ha": "center", "va": "center"}
    ax.text(column, row, text, color=color, weight=weight, size=10, **place)


def _accuracies(metrics: "Metrics") -> str:
    baselines = metrics.majority_micro_accuracy, metrics.majority_macro_accuracy
    figures = [
        ("Micro", metrics.micro_accuracy, *metrics.micro_interval, baselines[0]),
        ("Macro", metrics.macro_accuracy, *metrics.macro_interval, baselines[1]),
    ]
    line = "{}-accuracy {:.2f} (95 %: {:.2f} – {:.2f}), baseline {:.2f}"
    lines = [line.format(*figure) for figure in figures]
    return "\n".join([*lines, f"Baseline: always “{legible(metrics.majority_class)}”"])


def _part(every: pd.DataFrame, counts: np.ndarray) -> str:
    """Say of which classes, and of how many of the mistakes, these counts are."""
    if len(every) == len(counts):
        return ""
    mistakes = [int(n.sum() - n.trace()) for n in (counts, every.to_numpy())]
    between = "{:,} of {:,} mistakes are between them".format(*mistakes)
    return f"\n{part_of(len(every), 'mistakes')}; {between}"
