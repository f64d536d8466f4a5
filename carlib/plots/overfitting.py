"""The picture of overfitting, and the same as it happens."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carlib.explain.overfitting import overfit
from carlib.plots.charts import DATASETS
from carlib.plots.style import FAINT, INK, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (("accuracy", "Accuracy"), ("cross_entropy", "Cross-entropy"))
FRAMES, EACH = 24, 200  # of the moving picture, and the milliseconds of each
HEADING = (
    "{:,} photos to learn from, {:,} for validation. Where the dashed line of "
    "cross-entropy\nturns up, a head learns its photos by heart: that is overfitting."
)


@dataclass(frozen=True, repr=False)
class Film:
    """A picture that moves, once; a notebook shows it, and keeps it when it is saved.

    Attributes:
        png: The file's bytes: an animated PNG, which every browser plays without a
            program. What can't play it shows the last of its pictures.
        sentence: What is to be seen, in words.
    """

    png: bytes
    sentence: str

    def __repr__(self) -> str:
        return self.sentence

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.png, {"alt": self.sentence}


def plot_overfitting(
    features: Any, labels: Any, per_class: int = 5, epochs: int = 100, seed: int = 0
) -> "Figure":
    """Draw how two heads learn few photos by heart: one of one layer, one of three.

    The star marks where validation's cross-entropy is lowest.

    Args:
        features: As from `compute_bottlenecks`, (n, d).
        labels: The photos' classes, n of them.
        per_class: How many photos of each class to learn from; all others judge.
        epochs: How often to go through them.
        seed: Draws the photos and the weights at the start.

    Raises:
        DataError: There is another number of labels, a number that isn't finite, fewer
            than two classes, or a class without a photo left for validation.
        OptionError: `per_class` or `epochs` isn't a whole number of 1 or more, or
            `seed` is no seed.

    Example:
        >>> carlib.plot_overfitting(features, train["damage_class"]);
    """
    return _drawn(overfit(features, labels, per_class, epochs, seed))


def watch_overfitting(
    features: Any, labels: Any, per_class: int = 5, epochs: int = 100, seed: int = 0
) -> Film:
    """Show how two heads learn few photos by heart, epoch by epoch, in five seconds.

    Args:
        features, labels, per_class, epochs, seed: See `plot_overfitting`.

    Raises:
        DataError, OptionError: See `plot_overfitting`.

    Example:
        >>> film = carlib.watch_overfitting(features, train["damage_class"])
    """
    history = overfit(features, labels, per_class, epochs, seed)
    figure = _drawn(history)
    try:
        frames = list(_frames(figure, history["epoch"].unique()))
    finally:
        _close(figure)
    return Film(_animated(frames), _sentence(history))


def _close(figure: "Figure") -> None:
    """Take a figure back, lest a notebook shows it beside the moving one."""
    import matplotlib.pyplot as plt

    plt.close(figure)


def _drawn(history: pd.DataFrame) -> "Figure":
    """Draw a column a head, its accuracy above its cross-entropy."""
    photos = history.groupby("dataset")["photos"].first()
    with house_style() as plt:
        figure, grid = plt.subplots(2, 2, sharex=True, sharey="row", figsize=(9, 5.6))
        heads = history.groupby("head", sort=False)
        for axes, (name, rows) in zip(grid.T, heads, strict=True):
            for ax, (column, title) in zip(axes, PANELS, strict=True):
                _curves(ax, rows, column)
                ax.set_title(title)
            _mark(axes, rows)
            weights = f"{rows['weights'].iloc[0]:,} weights"
            axes[0].set_title(f"A head of {name}, {weights}\nAccuracy")
            axes[1].set_xlabel("Epochs so far")
        grid[1, 0].set_ylim(bottom=0)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="upper right")
        figure.suptitle(HEADING.format(*photos[[*DATASETS]]), x=0.01, ha="left")
    return figure


def _curves(ax: "Axes", rows: pd.DataFrame, column: str) -> None:
    for dataset, some in rows.groupby("dataset", sort=False):
        x, look = some["epoch"] + 1, DATASETS[dataset] | {"markevery": 4}
        ax.plot(x, some[column], label=dataset.lower(), **look)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(axis="y")


def _mark(axes: np.ndarray, rows: pd.DataFrame) -> None:
    """Mark the epoch from which on validation's cross-entropy gets no better."""
    best, _ = _turn(rows)
    for ax in axes:
        ax.axvline(best["epoch"] + 1, color=FAINT, linewidth=1, linestyle=":", zorder=1)
    axes[1].plot(best["epoch"] + 1, best["cross_entropy"], "*", color=INK, ms=11)


def _turn(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return where validation's cross-entropy is lowest, and where it ends."""
    judged = rows[rows["dataset"] == "Validation"]
    return judged.loc[judged["cross_entropy"].idxmin()], judged.iloc[-1]


def _sentence(history: pd.DataFrame) -> str:
    """Say in words what there is to see."""
    parts = []
    for name, rows in history.groupby("head", sort=False):
        best, last = _turn(rows)
        parts.append(
            f"{name}: validation's cross-entropy is lowest in epoch {best['epoch']}, "
            f"{best['cross_entropy']:.2f}, and {last['cross_entropy']:.2f} in epoch "
            f"{last['epoch']}"
        )
    return f"Two heads learn few photos by heart. A head of {'; one of '.join(parts)}."


def _frames(figure: "Figure", epochs: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the picture up to one epoch after another, uint8 (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    lines = [line for ax in figure.axes for line in ax.lines]
    lines = sorted(lines, key=lambda line: line.get_zorder())
    for line in lines:
        line.set_visible(False)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    whole = [np.array(line.get_data(), float) for line in lines]
    for last in epochs[np.linspace(0, len(epochs) - 1, FRAMES).round().astype(int)] + 1:
        canvas.restore_region(ground)
        for line, data in zip(lines, whole, strict=True):
            line.set(data=data[:, data[0] <= last], visible=True)
            line.axes.draw_artist(line)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _animated(frames: list[np.ndarray]) -> bytes:
    """Return an animated PNG that plays once; its still picture is the last one."""
    from PIL import Image

    few = Image.fromarray(frames[-1]).quantize(128, Image.Quantize.FASTOCTREE)
    still, *moving = (
        Image.fromarray(each).quantize(palette=few, dither=Image.Dither.NONE)
        for each in [frames[-1], *frames]
    )
    file = io.BytesIO()
    still.save(
        file,
        "PNG",
        save_all=True,
        default_image=True,
        append_images=moving,
        duration=EACH,
        loop=1,
    )
    return file.getvalue()
