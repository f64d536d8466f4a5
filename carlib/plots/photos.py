"""Photos side by side: some of each class, and the worst mistakes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carlib.data.images import decode, read
from carlib.errors import DataError, OptionError
from carlib.plots.style import check_table, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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

    Example:
        >>> carlib.show_photos(photos, per_class=3);
    """
    check_table(photos, ("image_path", "damage_class"))
    _check_positive("per_class", per_class)
    classes = list(photos.groupby("damage_class"))
    # All photos are read before there is a figure, lest a bad one leaves half a figure.
    drawn = [_draw(members, per_class, seed) for _, members in classes]
    with house_style() as plt:
        shape = (len(classes), per_class)
        size = (1.5 + 1.4 * per_class, 1.45 * len(classes))
        figure, grid = plt.subplots(*shape, figsize=size, squeeze=False)
        for axes, (name, members), pictures in zip(grid, classes, drawn, strict=True):
            _fill(axes, pictures)
            label = f"{name}\n{len(members):,} photos"
            axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
    return figure


def show_mistakes(predictions: pd.DataFrame, n: int = 8) -> "Figure":
    """Show the photos that are named wrong with the highest score.

    Args:
        predictions: Columns image_path, damage_class (the actual class),
            predicted_label and score, as from `model.predict`. Rows that lack one of
            the last three are left out.
        n: Photos at most.

    Raises:
        DataError: A column is missing, or no row has them all.
        ImageError: A photo can't be read.
        OptionError: `n` is less than 1.

    Example:
        >>> carlib.show_mistakes(model.predict(validation));
    """
    _check_positive("n", n)
    scored = _scored(predictions)
    wrong = scored[scored["damage_class"] != scored["predicted_label"]]
    worst = wrong.sort_values("score", ascending=False, kind="stable").head(n)
    if worst.empty:
        return _sentence(f"No mistakes in {len(scored):,} photos.")
    heading = (
        f"{len(wrong):,} of {len(scored):,} photos are named wrong; "
        f"the {len(worst):,} with the highest score"
    )
    return _mistakes(worst, heading)


def _mistakes(worst: pd.DataFrame, heading: str) -> "Figure":
    pictures = [_picture(path) for path in worst["image_path"]]
    rows = -(-len(worst) // 4)
    with house_style() as plt:
        size = (8, 2.5 * rows + 0.35)
        figure, grid = plt.subplots(rows, 4, figsize=size, squeeze=False)
        _fill(grid.flat, pictures)
        for ax, row in zip(grid.flat, worst.itertuples(), strict=False):
            lines = [
                f"actual: {row.damage_class}",
                f"predicted: {row.predicted_label}",
                f"score: {row.score:.2f}",
            ]
            ax.set_title("\n".join(lines), fontsize=8.5, pad=5)
        figure.suptitle(heading, x=0.01, ha="left")
    return figure


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
    return [_picture(path) for path in drawn["image_path"]]


def _picture(path: str) -> np.ndarray:
    return decode(read(path), str(path))


def _fill(axes: Iterable["Axes"], pictures: list[np.ndarray]) -> None:
    """Show a picture in each Axes; no frames or ticks, and nothing in those left."""
    for index, ax in enumerate(axes):
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        if index < len(pictures):
            ax.imshow(pictures[index])


def _sentence(text: str) -> "Figure":
    with house_style() as plt:
        figure, ax = plt.subplots(figsize=(8, 1.2))
        ax.axis("off")
        ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
    return figure


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise OptionError(f"Expected {name} to be at least 1, got {value!r}.")
