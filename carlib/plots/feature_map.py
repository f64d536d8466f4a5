"""The picture of a map of photos: points a class, or the photos themselves."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carlib.plots.photos import check_count, picture
from carlib.plots.style import FAINT, check_table, house_style, legible, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, each with a marker of its own, dark and pale in turn.
LOOKS = (
    *(("#0072B2", "o"), ("#E69F00", "^"), ("#009E73", "s"), ("#D55E00", "X")),
    *(("#56B4E9", "D"), ("#333333", "P"), ("#CC79A7", "v"), ("#B8A800", "*")),
)
MOST_PICTURES = 100
ROOM = 0.08  # of the map's sides, which a picture takes


def plot_feature_map(
    places: pd.DataFrame, pictures: int = 0, ax: "Axes | None" = None
) -> "Axes":
    """Draw a map of photos: a point each, with a colour and marker a class.

    Of more than 8 classes the 8 with the most photos have their own; the others share
    one. The Axes' pictures have the photos' paths as labels: `image.get_label()`.

    Args:
        places: What `feature_map` returns: damage_class, x and y, and image_path where
            there are to be pictures.
        pictures: How many photos to show in place, 100 at most: where the map is
            crowded fewer of them, so that none covers another.
        ax: Where to draw. Defaults to a figure of its own.

    Raises:
        DataError: There are no rows, or a column is missing.
        ImageError: A photo can't be read any more.
        OptionError: `pictures` isn't from 0 to 100.

    Example:
        >>> carlib.plot_feature_map(carlib.feature_map(model, photos), pictures=60);
    """
    check_table(places, ("damage_class", "x", "y"))
    if pictures:
        check_table(places, ("image_path",))
        check_count("pictures", pictures, MOST_PICTURES)
    sizes = places["damage_class"].value_counts()
    own = list(sizes.index[: len(LOOKS)])
    shown = _apart(places, pictures)
    drawn = [picture(path) for path in shown.get("image_path", ())]
    with house_style(ax) as plt:
        if ax is None:
            more = room_for([legible(name) for name in sizes.index], 16)
            ax = plt.subplots(figsize=(9 + more, 6.6))[1]
        for name, look in zip(own, LOOKS, strict=False):
            _points(ax, places[places["damage_class"] == name], name, *look)
        rest = places[~places["damage_class"].isin(own)]
        if len(rest):
            _points(ax, rest, f"{len(sizes) - len(own):,} others", FAINT, ".")
        for photo, row in zip(drawn, shown.itertuples(), strict=True):
            look = dict(zip(own, LOOKS, strict=False)).get(row.damage_class, (FAINT,))
            _put(ax, photo, row, look[0])
        _finish(ax, len(places))
    return ax


def _points(ax: "Axes", rows: pd.DataFrame, name: str, color: str, marker: str) -> None:
    ax.scatter(
        rows["x"],
        rows["y"],
        s=60 if marker == "*" else 26,
        color=color,
        marker=marker,
        edgecolors="white",
        linewidths=0.4,
        label=f"{legible(name)} ({len(rows):,})",
    )


def _apart(places: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return some photos, as many as asked for or fewer, that don't cover each other.

    The first is that in the middle; each next one lies farthest from those before.
    """
    if not count:
        return places.head(0)
    where = places[["x", "y"]].to_numpy(np.float64)
    where = (where - where.min(axis=0)) / np.maximum(np.ptp(where, axis=0), 1e-9)
    chosen = [int(np.abs(where - 0.5).max(axis=1).argmin())]
    nearest = np.abs(where - where[chosen[0]]).max(axis=1)
    while len(chosen) < count and nearest.max() > ROOM:
        chosen.append(int(nearest.argmax()))
        latest = np.abs(where - where[chosen[-1]]).max(axis=1)
        nearest = np.minimum(nearest, latest)
    return places.iloc[chosen]


def _put(ax: "Axes", photo: np.ndarray, row: Any, color: str) -> None:
    """Put a photo in its place, in a frame of its class's colour."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    image = OffsetImage(photo, zoom=32 / max(photo.shape))
    image.set_label(row.image_path)
    frame = {"edgecolor": color, "linewidth": 1.6}
    box = AnnotationBbox(image, (row.x, row.y), pad=0.08, bboxprops=frame)
    ax.add_artist(box)


def _finish(ax: "Axes", n_photos: int) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_title(
        f"{n_photos:,} photos, laid out by t-SNE: neighbours look alike to a backbone"
        "\nOnly a shadow of all features: how far groups are apart means nothing."
    )
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.4)
