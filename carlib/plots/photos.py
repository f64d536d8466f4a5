"""Photos side by side: some of each class, and the worst mistakes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carlib.data.images import thumbnail
from carlib.data.opening import read
from carlib.errors import DataError, OptionError
from carlib.evaluation.text import MOST_CLASSES, part_of
from carlib.plots.style import check_table, house_style, legible, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PER_CLASS, MOST_MISTAKES = 20, 100
SIDE = 320  # pixels of a picture, twice what it is shown at, for sharp screens


def show_photos(photos: pd.DataFrame, per_class: int = 4, seed: int = 0) -> "Figure":
    """Show some photos of each class, drawn by chance, a row a class.

    Of more than 30 classes, the 30 with the most photos.

    Args:
        photos: Columns image_path and damage_class, as from `load_index`.
        per_class: Photos a class, 20 at most; a class that has fewer shows all.
        seed: The same seed draws the same photos.

    Raises:
        DataError: There are no photos, or a column is missing.
        ImageError: A drawn photo can't be read.
        OptionError: `per_class` isn't from 1 to 20.

    Example:
        >>> carlib.show_photos(photos, per_class=3);
    """
    check_table(photos, ("image_path", "damage_class"))
    check_count("per_class", per_class, MOST_PER_CLASS)
    sizes = photos.groupby("damage_class").size()
    largest = sizes.sort_values(ascending=False, kind="stable").index[:MOST_CLASSES]
    some = photos[photos["damage_class"].isin(largest)]
    classes = list(some.groupby("damage_class"))
    # All photos are read before there is a figure, lest a bad one leaves half a figure.
    drawn = [_draw(members, per_class, seed) for _, members in classes]
    with house_style() as plt:
        names = [legible(name) for name, _ in classes]
        shape = (len(classes), per_class)
        side = 1.95 if per_class <= 4 else 1.4  # inches: 180 pixels and more on a page
        width = 1.5 + side * per_class + room_for(names, 16)
        size = (width, (side + 0.05) * len(classes))
        figure, grid = plt.subplots(*shape, figsize=size, squeeze=False)
        for axes, (_, members), name, pictures in zip(
            grid, classes, names, drawn, strict=True
        ):
            fill(axes, pictures)
            label = f"{name}\n{len(members):,} photo{'s' * (len(members) != 1)}"
            axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
        if len(sizes) > MOST_CLASSES:
            figure.suptitle(part_of(len(sizes), "photos"), x=0.01, ha="left")
    return figure


def show_mistakes(predictions: pd.DataFrame, n: int = 8) -> "Figure":
    """Show the photos that are named wrong with the highest score.

    Args:
        predictions: Columns image_path, damage_class (the actual class),
            predicted_label and score, as from `model.predict`. Rows that lack one of
            the last three are left out.
        n: Photos at most, 100 or less.

    Raises:
        DataError: A column is missing, or no row has them all.
        ImageError: A photo can't be read.
        OptionError: `n` isn't from 1 to 100.

    Example:
        >>> carlib.show_mistakes(model.predict(validation));
    """
    check_count("n", n, MOST_MISTAKES)
    scored = _scored(predictions)
    wrong = scored[scored["damage_class"] != scored["predicted_label"]]
    worst = wrong.sort_values("score", ascending=False, kind="stable").head(n)
    if worst.empty:
        return sentence(f"No mistakes in {len(scored):,} photos.")
    heading = (
        f"{len(wrong):,} of {len(scored):,} photos are named wrong; "
        f"the {len(worst):,} with the highest score"
    )
    return _mistakes(worst, heading)


def _mistakes(worst: pd.DataFrame, heading: str) -> "Figure":
    pictures = [picture(path) for path in worst["image_path"]]
    rows = -(-len(worst) // 4)
    with house_style() as plt:
        titles = [_title(row) for row in worst.itertuples()]
        lines = [line for title in titles for line in title.split("\n")]
        size = (8.4 + 3.2 * room_for(lines, 26), 2.75 * rows + 0.35)
        figure, grid = plt.subplots(rows, 4, figsize=size, squeeze=False)
        fill(grid.flat, pictures)
        for ax, title in zip(grid.flat, titles, strict=False):
            ax.set_title(title, fontsize=9.5, pad=5)
            ax.set_anchor("W")  # a narrow photo's title has its column's whole width
        figure.suptitle(heading, x=0.01, ha="left")
    return figure


def _title(row: Any) -> str:
    return (
        f"actual: {legible(row.damage_class)}\n"
        f"predicted: {legible(row.predicted_label)}\n"
        f"score: {row.score:.2f}"
    )


def _scored(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have an actual class, a prediction and a score."""
    needed = ["damage_class", "predicted_label", "score"]
    check_table(predictions, ("image_path", *needed))
    scores = pd.to_numeric(predictions["score"], errors="coerce")
    table = predictions.assign(score=scores)
    rows = table[(table[needed].notna() & (table[needed] != "")).all(axis=1)]
    if rows.empty:
        raise DataError(
            f"None of the {len(predictions):,} rows has an actual class, a prediction "
            "and a score."
        )
    return rows


def _draw(members: pd.DataFrame, count: int, seed: int) -> list[np.ndarray]:
    drawn = members.sample(min(count, len(members)), random_state=seed)
    return [picture(path) for path in drawn["image_path"]]


def picture(path: str) -> np.ndarray:
    """Return a photo as a picture shows it, uint8 (height, width, 3)."""
    return thumbnail(read(path), SIDE, str(path))


def fill(axes: Iterable["Axes"], pictures: list[np.ndarray]) -> None:
    """Show a picture in each Axes; no frames or ticks, and nothing in those left."""
    for index, ax in enumerate(axes):
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        if index < len(pictures):
            ax.imshow(pictures[index])


def sentence(text: str) -> "Figure":
    """Return a figure that says in words that there is nothing to show."""
    with house_style() as plt:
        figure, ax = plt.subplots(figsize=(8, 1.2))
        ax.axis("off")
        ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
    return figure


def check_count(name: str, value: int, most: int) -> None:
    """Raise an OptionError unless it's a whole number from 1 to the most."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (whole and 1 <= value <= most):
        raise OptionError(
            f"{name} must be a whole number from 1 to {most}. Received: {value!r}"
        )
