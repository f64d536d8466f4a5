"""The picture of class maps: which places speak for an answer, and which against it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from carlib.data.addresses import file_name
from carlib.errors import OptionError
from carlib.explain.class_maps import ClassMaps
from carlib.plots.photos import MOST_PER_CLASS, check_count, fill, pale, picture
from carlib.plots.style import FIRST, INK, SECOND, house_style, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DENSEST = 0.8  # how much of the photo the strongest colour covers
MARKED = 0.25  # of the scale's end, from which the strongest place gets a sign
LEGEND = (
    "Blue, +: speaks for the class. Orange, −: against it.\n"
    "The strongest colour: {limit:.2f} of a logit a place, in all photos."
)


def plot_class_maps(
    maps: ClassMaps, n: int = 6, ax: "Sequence[Axes] | None" = None
) -> "Figure":
    """Draw photos, a row each, and over them what each place gives to a class's logit.

    A column a class and backbone. The scale is the same for all; the place that speaks
    most for a class has a +, the one that speaks most against it a −. The paths are
    the Axes' labels: `ax.get_label()`.

    Args:
        maps: What `class_maps` returns.
        n: Photos at most, the first of them, 20 or less.
        ax: As many Axes as there are pictures, row by row. Defaults to a figure of its
            own.

    Raises:
        ImageError: A photo can't be read any more.
        OptionError: `n` isn't from 1 to 20; `ax` has another number of Axes.

    Example:
        >>> carlib.plot_class_maps(carlib.class_maps(model, test.head(6)));
    """
    check_count("n", n, MOST_PER_CLASS)
    paths = maps.image_paths[:n]
    shape = len(paths), 1 + maps.classes.shape[1] * len(maps.maps)
    if ax is not None and np.size(ax) != shape[0] * shape[1]:
        raise OptionError(
            f"Expected {shape[0] * shape[1]} Axes, one a picture. Received: "
            f"{np.size(ax)}"
        )
    pictures = [picture(path) for path in paths]
    with house_style(ax) as plt:
        if ax is None:
            size = (0.3 + 2.5 * shape[1], 0.7 + 2.7 * shape[0])
            figure, ax = plt.subplots(*shape, figsize=size, squeeze=False)
            figure.suptitle(LEGEND.format(limit=maps.limit), x=0.01, ha="left")
        grid = np.reshape(np.asarray(ax, dtype=object), shape)
        for row, axes in enumerate(grid):
            fill(axes, [pictures[row], *[pale(pictures[row])] * (shape[1] - 1)])
            axes[0].set_title(_name(maps, row), fontsize=10, pad=5)
            for panel, (title, values) in zip(axes[1:], _shown(maps, row), strict=True):
                _lay_over(panel, values, maps.limit, pictures[row].shape)
                panel.set_title(title, fontsize=10, pad=5)
            for panel in axes:
                panel.set_label(paths[row])
    return grid[0, 0].figure


def _name(maps: ClassMaps, row: int) -> str:
    return legible(file_name(maps.image_paths[row]))


def _shown(maps: ClassMaps, row: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a photo's maps with their titles: class by class, and each backbone's."""
    for place, label in enumerate(maps.labels(row)):
        logit = maps.shown_logits()[row, place]
        for arch, values in zip(maps.archs, maps.maps, strict=True):
            values = values[row, place]
            title = f"{legible(label)}: {_signed(logit)}"
            if len(maps.archs) > 1:
                title += f", of it {_signed(values.sum())}\nby {legible(arch)}"
            yield title, values


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _lay_over(
    ax: "Axes", values: np.ndarray, limit: float, shape: tuple[int, ...]
) -> None:
    """Lay a map over the photo in an Axes; mark the strongest places by a sign."""
    from matplotlib.patheffects import withStroke

    look = {"ha": "center", "va": "center", "weight": "bold", "size": 14}
    height, width = shape[:2]
    ax.imshow(_colours(values, limit, (width, height)))
    for sign, place in (("+", values.argmax()), ("−", values.argmin())):
        row, column = np.unravel_index(place, values.shape)
        value = values[row, column] * (1 if sign == "+" else -1)
        if value > MARKED * limit:
            y = (row + 0.5) * height / values.shape[0] - 0.5
            x = (column + 0.5) * width / values.shape[1] - 0.5
            text = ax.text(x, y, sign, color="white", **look)
            text.set_path_effects([withStroke(linewidth=2.5, foreground=INK)])


def _colours(values: np.ndarray, limit: float, size: tuple[int, int]) -> np.ndarray:
    """Return a map as colours, RGBA, clear where it says nothing."""
    from matplotlib.colors import to_rgb

    whole = Image.fromarray(values.astype(np.float32))
    # Evenly between the places' middles.
    wide = np.asarray(whole.resize(size, Image.Resampling.BILINEAR))[:, :, np.newaxis]
    colours = np.where(wide > 0, to_rgb(FIRST), to_rgb(SECOND))
    strength = np.clip(np.abs(wide) / (limit or 1.0), 0, 1)
    return np.concatenate([colours, strength * DENSEST], axis=2)
