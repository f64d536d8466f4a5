"""Pictures of the data, the training and the mistakes, in one house style.

Each function draws with pyplot and returns its Axes or Figure without showing it, so
that a notebook shows it once: end the line with a semicolon there, to mute the value.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carlib.errors import CarlibError, DataError, OptionError
from carlib.images import decode, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from carlib.metrics import Metrics

# Two colours that everybody can tell apart (Okabe and Ito), and greys; a marker, hatch
# or text always says the same as the colour.
FIRST, SECOND, INK, FAINT = "#0072B2", "#D55E00", "#333333", "#9A9A9A"
STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "text.color": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
}
SUBSETS = {"T": "Training", "V": "Validation"}
DATASETS = {
    "Train": {"color": FIRST, "marker": "o", "linestyle": "-"},
    "Validation": {"color": SECOND, "marker": "s", "linestyle": "--"},
}


def plot_class_balance(photos: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draw how many photos each class has, for training and for validation.

    Args:
        photos: Columns damage_class and subset (T or V), as from `load_index`.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        DataError: There are no photos, or a column is missing.
    """
    _check(photos, ("damage_class", "subset"))
    counts = pd.crosstab(photos["damage_class"], photos["subset"])
    with _style() as plt:
        ax = plt.subplots(figsize=(8, 1 + 0.5 * len(counts)))[1] if ax is None else ax
        for place, subset in enumerate(counts.columns):
            _bars(ax, counts[subset], place, counts.shape[1])
        ax.set_yticks(range(len(counts)), counts.index)
        ax.set_xticks([])
        ax.invert_yaxis()
        ax.margins(x=0.08)
        ax.tick_params(axis="y", length=0)
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.set_title("Photos of each class", pad=28)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0.2)
    return ax


def _bars(ax: "Axes", counts: pd.Series, place: int, places: int) -> None:
    """Draw one subset's bars, each at its place within its class."""
    training, height = counts.name == "T", 0.76 / places
    bars = ax.barh(
        np.arange(len(counts)) + (place - (places - 1) / 2) * height,
        counts,
        height * 0.9,
        color=FIRST if training else "white",
        edgecolor=FIRST if training else SECOND,
        hatch=None if training else "/////",
        label=f"{SUBSETS.get(counts.name, counts.name)}: {counts.sum():,}",
    )
    ax.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=9)


def show_photos(photos: pd.DataFrame, per_class: int = 4, seed: int = 0) -> "Figure":
    """Show some photos of each class, drawn by chance, a row a class.

    Args:
        photos: Columns image_path and damage_class, as from `load_index`.
        per_class: Photos a class; a class that has fewer shows all.
        seed: The same seed draws the same photos.

    Raises:
        DataError: There are no photos, or a column is missing.
        ImageError: A drawn photo can't be read.
        OptionError: `per_class` is less than 1.
    """
    _check(photos, ("image_path", "damage_class"))
    _check_positive("per_class", per_class)
    classes = list(photos.groupby("damage_class"))
    with _style() as plt:
        size = (1.5 + 1.4 * per_class, 1.45 * len(classes))
        figure, grid = plt.subplots(
            len(classes), per_class, figsize=size, squeeze=False
        )
        for axes, (name, members) in zip(grid, classes, strict=True):
            drawn = members.sample(min(per_class, len(members)), random_state=seed)
            for ax, path in _pairs(axes, drawn["image_path"]):
                _show(ax, path)
            label = f"{name}\n{len(members):,} photos"
            axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
    return figure


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
    _check(history, ("epoch", "dataset", "accuracy", "cross_entropy"))
    judge = "Validation" if "Validation" in set(history["dataset"]) else "Train"
    judged = history[history["dataset"] == judge].set_index("epoch")
    best = getattr(model_or_history, "best_epoch", judged["accuracy"].idxmax())
    with _style() as plt:
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
        ax[0].legend(loc="lower right")
        ax[1].set_xlabel("Epoch")
        ax[1].set_ylim(bottom=0)
    return ax[0].figure


def _curves(ax: "Axes", history: pd.DataFrame, column: str) -> None:
    every = max(1, history["epoch"].nunique() // 15)
    for dataset, rows in history.groupby("dataset", sort=False):
        look = DATASETS.get(dataset, {"color": FAINT})
        ax.plot(
            *(rows["epoch"], rows[column]), label=dataset, markevery=every, ms=4, **look
        )
    ax.grid(axis="y")


def _mark(ax: "Axes", best: int, value: float | None, text: str) -> None:
    """Mark the best epoch with a line, a star and its figure."""
    ax.axvline(best, color=FAINT, linewidth=1, linestyle=":", zorder=1)
    label = f"best epoch {best}"
    if value is not None:
        ax.plot(best, value, "*", color=INK, ms=11, zorder=4)
        label += ": " + text.format(value)
    ax.set_title(label, loc="right", fontsize=9.5)


def plot_confusion(metrics: "Metrics", ax: "Axes | None" = None) -> "Axes":
    """Draw the confusion matrix: counts, shaded by the share of the actual class.

    The diagonal also shows each class's recall. The title gives the accuracies with
    their 95 % intervals, and what always answering the most frequent class would score.

    Args:
        metrics: What `evaluate` returns.
        ax: Where to draw. Defaults to a figure of its own.
    """
    counts = metrics.confusion_matrix.to_numpy()
    support = counts.sum(axis=1)
    share = counts / np.maximum(support, 1)[:, None]
    names = list(metrics.confusion_matrix.index)
    with _style() as plt:
        side = max(4, 1.5 + 0.62 * len(names))
        ax = plt.subplots(figsize=(side + 1, side))[1] if ax is None else ax
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
        ax.set_title(_accuracies(metrics), fontsize=10)
    return ax


def _cell(ax: "Axes", row: int, column: int, count: int, share: float) -> None:
    text = f"{count:,}"
    if row == column and count:
        text += f"\n{share:.0%}"
    color = "white" if share > 0.5 else INK if count else "#C4C4C4"
    weight = "bold" if row == column else "normal"
    ax.text(
        *(column, row, text),
        ha="center",
        va="center",
        color=color,
        weight=weight,
        size=9,
    )


def _accuracies(metrics: "Metrics") -> str:
    low, high = metrics.micro_interval
    micro = f"Micro-accuracy {metrics.micro_accuracy:.2f} ({low:.2f} – {high:.2f})"
    low, high = metrics.macro_interval
    macro = f"macro-accuracy {metrics.macro_accuracy:.2f} ({low:.2f} – {high:.2f})"
    return (
        f"{micro}, {macro}\nAlways “{metrics.majority_class}”: "
        f"{metrics.majority_micro_accuracy:.2f} and {metrics.majority_macro_accuracy:.2f}"
    )


def show_mistakes(predictions: pd.DataFrame, n: int = 8) -> "Figure":
    """Show the photos that are named wrong with the highest score.

    Args:
        predictions: Columns image_path, damage_class (the actual class),
            predicted_label and score, as from `model.predict`.
        n: Photos at most.

    Raises:
        DataError: There are no predictions, or a column is missing.
        ImageError: A photo can't be read.
        OptionError: `n` is less than 1.
    """
    columns = ("image_path", "damage_class", "predicted_label", "score")
    _check(predictions, columns)
    _check_positive("n", n)
    scored = _scored(predictions)
    wrong = scored[scored["damage_class"] != scored["predicted_label"]]
    worst = wrong.sort_values("score", ascending=False, kind="stable").head(n)
    with _style() as plt:
        if worst.empty:
            return _say(plt, f"No mistakes in {len(scored):,} photos.")
        rows = -(-len(worst) // 4)
        figure, grid = plt.subplots(
            rows, 4, figsize=(8, 2.75 * rows + 0.4), squeeze=False
        )
        for ax, row in _pairs(grid.flat, worst.itertuples()):
            _show(ax, row.image_path)
            ax.set_title(
                f"actual: {row.damage_class}\npredicted: {row.predicted_label}\n"
                f"score: {row.score:.2f}",
                fontsize=8.5,
                pad=5,
            )
        figure.suptitle(
            f"{len(wrong):,} of {len(scored):,} photos are named wrong; "
            f"the {len(worst)} with the highest score",
            x=0.01,
            ha="left",
            fontsize=11,
        )
    return figure


def _scored(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have an actual class, a prediction and a score."""
    scores = pd.to_numeric(predictions["score"], errors="coerce")
    rows = predictions.assign(score=scores).dropna(
        subset=["damage_class", "predicted_label", "score"]
    )
    return rows[(rows["damage_class"] != "") & (rows["predicted_label"] != "")]


def _pairs(axes: Iterable["Axes"], items: Iterable[Any]) -> Iterator[tuple]:
    """Give each item an Axes; Axes left over, and every frame and tick, are hidden."""
    axes = list(axes)
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    return zip(axes, items, strict=False)


def _show(ax: "Axes", path: str) -> None:
    ax.imshow(decode(read(path), str(path)))


def _say(plt: Any, text: str) -> "Figure":
    figure, ax = plt.subplots(figsize=(8, 1.2))
    ax.axis("off")
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
    return figure


def _check(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing or table.empty:
        raise DataError(
            f"Expected rows with the columns {', '.join(columns)}; got {len(table):,} "
            f"rows with {', '.join(map(str, table.columns)) or 'none'}.",
            [f"no column {name!r}" for name in missing],
        )


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise OptionError(f"Expected {name} to be at least 1, got {value!r}.")


@contextlib.contextmanager
def _style() -> Iterator[Any]:
    """Yield pyplot, in the house style."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise CarlibError(
            f"Pictures need matplotlib, which can't be imported: {error}.",
            hint='Install it: pip install "carlib[notebooks]"',
        ) from None
    with plt.rc_context(STYLE):
        yield plt
