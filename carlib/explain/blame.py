"""Blame: which training photos an answer comes from.

At the optimum of a loss with an l2 penalty, the kernel is a sum over the training
photos, and so is each logit but for its bias (the representer theorem; for networks
Yeh et al. 2018, "Representer point selection for explaining deep neural networks").
Nothing is guessed: the photos' contributions add up to the logit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from carlib.data.addresses import shown
from carlib.data.sources import as_sources
from carlib.errors import OptionError
from carlib.explain.representers import Blamed, Representers
from carlib.explain.views import check_count, features_of
from carlib.model.model import ImageClassificationModel

AT_ONCE = 64  # photos whose contributions are in memory


@dataclass(frozen=True, eq=False, repr=False)
class Blame:
    """Which training photos some photos' answers come from.

    Attributes:
        table: A row a photo and rank: row (the photo's place), rank, image_path and
            damage_class (the training photo's), contribution (what it gives to the
            answer's logit), share (of all that speaks for the answer).
        photos: A row a photo: image_path, predicted_label, logit, bias, speaks_for and
            speaks_against (the sums of the contributions above and below 0),
            unexplained (what the head, being off its optimum, has beside them), share
            (what the listed training photos give, of all that speaks for it), and where
            that was asked for, left_out (the logit foretold without those).
    """

    table: pd.DataFrame
    photos: pd.DataFrame

    def __repr__(self) -> str:
        return "\n".join(self.sentence(row) for row in range(min(5, len(self.photos))))

    def sentence(self, row: int) -> str:
        """Say how much of a photo's answer comes from the training photos listed."""
        photo, count = self.photos.iloc[row], int((self.table["row"] == row).sum())
        return (
            f"{100 * photo['share']:.0f} % of what speaks for "
            f"{photo['predicted_label']} in {shown(photo['image_path'])} comes from "
            f"{count} training photos."
        )


def blame(
    model: ImageClassificationModel,
    photos: Any,
    train: pd.DataFrame,
    n: int = 5,
    *,
    leave_out: bool = False,
    progress: bool = True,
) -> Blame:
    """Name the training photos that photos' answers come from, and how much of them.

    A training photo gives coefficient × (its features · the photo's features) to the
    answer's logit, its mirror image included. All contributions, the bias and what is
    unexplained add up to the logit. The share of a photo is what it gives, of the sum
    of all that training photos give for the answer: the shares of those that speak for
    it add up to 100 %. (Others speak against it; their sum is told.)

    They are what photos weigh now, not what happens without them: others would take
    over much of it. `leave_out` foretells that.

    Args:
        model: Trained with an l2 penalty, to the optimum or close.
        photos: As `predict` takes them.
        train: What it was trained on, with the columns image_path and damage_class.
        n: How many training photos to list for each photo.
        leave_out: Foretell the answer's logit if those n were left out and the head
            trained again with the same l2: one step of Newton's from here. It takes
            some 0.3 s a photo.
        progress: Show a bar where features must be computed.

    Raises:
        OptionError: The model has no l2; it is too far from its optimum, as after early
            stopping; or these aren't the photos that it was trained on.
        DataError: A label that the model doesn't know.

    Example:
        >>> blamed = carlib.blame(model, test.head(1), train)
        >>> print(blamed)    # 31 % of what speaks for door_dent in V/7.jpeg comes ...
    """
    check_count(n)
    if not (sources := as_sources(photos)):
        raise OptionError("Expected one photo or more. Received: none")
    ground = Representers.of(model, train, progress)
    features = features_of(model, sources, progress)
    listed, told = [], []
    for start in range(0, len(sources), AT_ONCE):
        rows = range(start, min(start + AT_ONCE, len(sources)))
        for row, photo in zip(rows, ground.blamed(features, rows), strict=True):
            top = photo.strongest(n)
            foretold = {}
            if leave_out:
                change = ground.change_without(photo, top)
                foretold["left_out"] = photo.logit + change
            name = sources[row].name
            told.append(_told(name, model.class_names, photo, top) | foretold)
            listed.append(_listed(row, photo, top, train, ground.learned.rows))
    return Blame(pd.concat(listed, ignore_index=True), pd.DataFrame(told))


def _told(
    name: str, class_names: Sequence[str], photo: Blamed, top: np.ndarray
) -> dict[str, Any]:
    """Return a photo's row."""
    return {
        "image_path": name,
        "predicted_label": class_names[photo.best],
        "logit": photo.logit,
        "bias": photo.bias,
        "speaks_for": photo.speaks_for,
        "speaks_against": photo.speaks_against,
        "unexplained": photo.unexplained,
        "share": photo.share(top).sum(),
    }


def _listed(
    row: int, photo: Blamed, top: np.ndarray, train: pd.DataFrame, rows: np.ndarray
) -> pd.DataFrame:
    """Return the rows of the training photos that speak most for a photo's answer."""
    blamed = train.iloc[rows[top]]
    return pd.DataFrame(
        {
            "row": row,
            "rank": np.arange(1, len(top) + 1),
            "image_path": blamed["image_path"].to_numpy(),
            "damage_class": blamed["damage_class"].to_numpy(),
            "contribution": photo.contributions[top],
            "share": photo.share(top),
        }
    )
