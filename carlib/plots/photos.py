"""Photos side by side: some of each class, and the worst mistakes."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carlib.data.addresses import shown
from carlib.data.images import thumbnail
from carlib.data.photos import read_photo
from carlib.errors import DataError, OptionError
from carlib.evaluation.text import MOST_CLASSES, part_of
from carlib.plots.style import check_table, house_style, legible, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PER_CLASS, MOST_MISTAKES = 20, 100
COLUMNS, SHOWN = 4, 1.95  # photos a row, and the inches of each: 180 pixels on a page
SIDE = 320  # pixels of a picture, twice what it is shown at, for sharp screens


def show_photos(
    photos: pd.DataFrame,
    per_class: int = 4,
    seed: int = 0,
    *,
    classes: Sequence[str] | None = None,
) -> "Figure":
    """Show some photos of each class, drawn by chance, a row a class or several.

    No more than 4 stand in a row, so that each is wide enough to be looked at. Of more
    than 30 classes, the 30 with the most photos. The paths are the Axes' labels:
    `ax.get_label()`.

    Args:
        photos: Columns image_path and damage_class, as from `load_index`.
        per_class: Photos a class, 20 at most; a class that has fewer shows all.
        seed: The same seed draws the same photos.
        classes: Which, in this order, such as two to compare. Defaults to all.

    Raises:
        DataError: There are no photos, or a column is missing.
        ImageError: A drawn photo can't be read.
        OptionError: `per_class` isn't from 1 to 20; there are no photos of a class.

    Example:
        >>> carlib.show_photos(photos, 6, classes=["door_dent", "door_scratch"]);
    """
    check_table(photos, ("image_path", "damage_class"))
    check_count("per_class", per_class, MOST_PER_CLASS)
    sizes = photos.groupby("damage_class").size()
    names = [*sizes.index] if classes is None else _known(classes, sizes.index)
    largest = sizes[names].sort_values(ascending=False, kind="stable")
    shown = [name for name in names if name in largest.index[:MOST_CLASSES]]
    of_class = photos.groupby("damage_class")["image_path"]
    paths = [_draw(of_class.get_group(name), per_class, seed) for name in shown]
    labels = [_label(name, int(sizes[name])) for name in shown]
    heading = part_of(len(names), "photos") if len(names) > MOST_CLASSES else ""
    return _classes(labels, paths, per_class, heading)


def _label(name: str, count: int) -> str:
    return f"{legible(name)}\n{count:,} photo{'s' * (count != 1)}"


def _known(classes: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the classes asked for, each of which there must be photos of."""
    asked, known = [classes] if isinstance(classes, str) else [*classes], set(known)
    unknown = [repr(name) for name in asked if name not in known]
    if unknown or not asked or len(set(asked)) < len(asked):
        raise OptionError(
            "classes must be different names of classes that there are photos of. "
            f"Received: {', '.join(unknown) or asked}",
            hint=f"There are {', '.join(map(str, sorted(known)))}.",
        )
    return asked


def _classes(
    labels: list[str], paths: list[list[str]], per_class: int, heading: str
) -> "Figure":
    """Draw photos in rows, a class below the other, its label at the left."""
    # All photos are read before there is a figure, lest a bad one leaves half a figure.
    pictures = [[picture(path) for path in some] for some in paths]
    columns = -(-per_class // -(-per_class // COLUMNS))
    rows = [-(-len(some) // columns) for some in paths]
    width = 1.5 + SHOWN * columns + room_for("\n".join(labels).split("\n"), 16)
    with house_style() as plt:
        size = (width, (SHOWN + 0.05) * sum(rows))
        figure, grid = plt.subplots(sum(rows), columns, figsize=size, squeeze=False)
        parts = np.split(grid, np.cumsum(rows)[:-1])
        for part, label, some, drawn in zip(
            parts, labels, paths, pictures, strict=True
        ):
            fill(part.flat, drawn)
            for ax, path in zip(part.flat, some, strict=False):
                ax.set_label(path)
            look = {"rotation": 0, "ha": "right", "va": "center", "labelpad": 8}
            part[0, 0].set_ylabel(label, **look)
        if heading:
            figure.suptitle(heading, x=0.01, ha="left")
    return figure


def show_mistakes(predictions: pd.DataFrame, n: int = 8) -> "Figure":
    """Show the photos that are named wrong with the highest score.

    The paths are the Axes' labels: `ax.get_label()`.

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
        >>> carlib.show_mistakes(model.predict(test));
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
    rows = -(-len(worst) // COLUMNS)
    with house_style() as plt:
        titles = [_title(row) for row in worst.itertuples()]
        lines = [line for title in titles for line in title.split("\n")]
        size = (8.6 + 3.2 * room_for(lines, 26), 2.7 * rows + 0.35)
        figure, grid = plt.subplots(rows, COLUMNS, figsize=size, squeeze=False)
        fill(grid.flat, pictures)
        for ax, title, path in zip(
            grid.flat, titles, worst["image_path"], strict=False
        ):
            ax.set_title(title, fontsize=10, pad=5)
            ax.set_label(path)
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


def _draw(paths: pd.Series, count: int, seed: int) -> list[str]:
    return paths.sample(min(count, len(paths)), random_state=seed).tolist()


def picture(path: str) -> np.ndarray:
    """Return a photo as a picture shows it, uint8 (height, width, 3)."""
    return thumbnail(read_photo(path), SIDE, shown(path))


def pale(photo: np.ndarray) -> np.ndarray:
    """Return a photo in pale greys, on which no colour is the photo's own."""
    grey = photo.mean(axis=2, keepdims=True) * 0.7 + 60
    return np.repeat(grey, 3, axis=2).astype(np.uint8)


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
