"""The picture of nearest photos: what a model was shown that is most like a photo."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from carlib.data.addresses import file_name
from carlib.errors import DataError
from carlib.plots.photos import fill, picture
from carlib.plots.style import FIRST, SECOND, check_table, house_style, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS, MOST_NEAREST = 10, 5  # that are drawn
SIDE = 2.1  # inches of a picture: about 200 pixels on a page


def plot_nearest(nearest: pd.DataFrame, predictions: pd.DataFrame) -> "Figure":
    """Show photos, and beside each the training photos that are most like it.

    Over a training photo stand its class and how far it is. Where the class is the one
    that was answered, it's followed by "as answered". The paths are the Axes' labels:
    `ax.get_label()`. Of more than 10 photos the first 10, and 5 beside each.

    Args:
        nearest: What `carlib.nearest` returns.
        predictions: The photos that it was asked about, with the columns image_path,
            damage_class and predicted_label, as from `model.predict`.

    Raises:
        DataError: A column is missing, or the two aren't of the same photos.
        ImageError: A photo can't be read any more.

    Example:
        >>> near = carlib.nearest(model, predictions.head(3), train, n=3)
        >>> carlib.plot_nearest(near, predictions.head(3));
    """
    check_table(nearest, ("row", "rank", "image_path", "damage_class", "distance"))
    check_table(predictions, ("image_path", "damage_class", "predicted_label"))
    if nearest["row"].max() >= len(predictions):
        raise DataError(
            f"Expected the photos that nearest was asked about, "
            f"{nearest['row'].max() + 1:,} or more. Received: {len(predictions):,}"
        )
    some = nearest[(nearest["row"] < MOST_ROWS) & (nearest["rank"] <= MOST_NEAREST)]
    shown = [list(_panels(row, some, predictions)) for row in some["row"].unique()]
    pictures = [[picture(panel["path"]) for panel in row] for row in shown]
    with house_style() as plt:
        columns = max(map(len, shown))
        size = (SIDE * columns + 0.4, (SIDE + 0.7) * len(shown))
        figure, grid = plt.subplots(len(shown), columns, figsize=size, squeeze=False)
        for axes, row, drawn in zip(grid, shown, pictures, strict=True):
            fill(axes, drawn)
            for ax, panel in zip(axes, row, strict=False):
                _name(ax, panel)
        figure.suptitle(
            "Left the photo, then the training photos most like it", x=0.01, ha="left"
        )
    return figure


def _panels(
    row: int, nearest: pd.DataFrame, predictions: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Yield what stands in one line of pictures: the photo, then those like it."""
    asked = predictions.iloc[row]
    actual, answered = map(legible, (asked.damage_class, asked.predicted_label))
    title = f"{legible(file_name(asked.image_path))}\nactual: {actual}\n"
    yield {
        "path": asked.image_path,
        "title": f"{title}predicted: {answered}",
        "color": None,
    }
    for near in nearest[nearest["row"] == row].sort_values("rank").itertuples():
        same = near.damage_class == asked.predicted_label
        yield {
            "path": near.image_path,
            "title": f"{legible(near.damage_class)}\ndistance {near.distance:.2f}\n"
            + ("as answered" if same else ""),
            "color": SECOND if same else FIRST,
        }


def _name(ax: "Axes", panel: dict[str, Any]) -> None:
    ax.set_title(panel["title"], fontsize=10, pad=4)
    ax.set_label(panel["path"])
    if panel["color"]:
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color(panel["color"])
        ax.spines[:].set_linewidth(2)
