"""A model's answers as a page needs them: who is who, and which photo stands where."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from carlib.data.labels import normal_label
from carlib.errors import printable
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.metrics import Metrics
from carlib.pages.thumbnails import PhotoStore
from carlib.pages.words import counted, percent


@dataclass(frozen=True, eq=False)
class Answers:
    """Hold predictions, their figures, and the photos that a page shows of them.

    Attributes:
        table: A row an answer that counts, rows counted from 0. image_path, actual,
            predicted (places in `labels`), score (of the predicted class), own (of the
            actual one; 0 where the model doesn't know it); of a model that can refuse
            also why, "" where it doesn't.
        labels: Classes, and after them labels that the model doesn't know.
        metrics: What `evaluate` says.
        bad: image_path and error of the photos that couldn't be read.
        store: The photos.
    """

    table: pd.DataFrame
    labels: Sequence[str]
    metrics: Metrics
    bad: pd.DataFrame
    store: PhotoStore

    @property
    def names(self) -> list[str]:
        """The labels as a page shows them."""
        return [printable(label) for label in self.labels]

    @property
    def right(self) -> np.ndarray:
        """Which answers are right, bool (n,)."""
        return (self.table["actual"] == self.table["predicted"]).to_numpy()

    def worst(self) -> pd.DataFrame:
        """Return the wrong answers, the surest first."""
        wrong = self.table[~self.right]
        return wrong.sort_values("score", ascending=False, kind="stable")

    def photo(self, row: int) -> int:
        """Return the number of an answer's photo in the store."""
        return self.store.number(self.table["image_path"][row], self.caption(row))

    def caption(self, row: int) -> str:
        """Return what an answer says of a photo, and what it is."""
        answer = self.table.loc[row]
        named = f"named {self.names[answer.predicted]} at {percent(answer.score)}"
        if answer.actual == answer.predicted:
            return f"{named}, which is right"
        return f"{named}, labelled {self.names[answer.actual]}"


def answers(predictions: pd.DataFrame, store: PhotoStore) -> Answers:
    """Return what `model.predict(..., on_error="skip")` made, in order.

    Raises:
        DataError: As from `evaluate`.
    """
    metrics = evaluate(predictions)
    labels = list(metrics.confusion_matrix.index)
    bad = predictions["error"] != ""
    label = predictions["damage_class"]
    good = predictions[~bad & label.notna() & (label != "")].reset_index(drop=True)
    scores = good[list(metrics.class_names)].to_numpy(np.float64)
    places = pd.Index(labels)
    actual = places.get_indexer([normal_label(str(x)) for x in good["damage_class"]])
    known = np.where(actual < scores.shape[1], actual, 0)
    own = scores[np.arange(len(good)), known] * (actual < scores.shape[1])
    table = pd.DataFrame(
        {
            "image_path": good["image_path"].astype(str),
            "actual": actual,
            "predicted": scores.argmax(axis=1),
            "score": scores.max(axis=1),
            "own": own,
        }
    )
    if "refused" in good:
        table["why"] = good["why"].astype(str)
    errors = predictions.loc[bad, ["image_path", "error"]].astype(str)
    return Answers(table, labels, metrics, errors, store)


def galleries(found: Answers) -> dict[str, dict]:
    """Return the photos of each cell of the confusion matrix, and of each class.

    Within one the wrong answers come first, the surest first.
    """
    table, names = found.table.assign(right=found.right), found.names
    order = table.sort_values(["right", "score"], ascending=[True, False])
    made = {}
    for (i, j), rows in order.groupby(["actual", "predicted"]):
        title = f"{counted(len(rows), 'photo')} of {names[i]}, named {names[j]}"
        made[f"cell-{i}-{j}"] = _gallery(title, rows, found)
    for i, rows in order.groupby("actual"):
        title = f"{counted(len(rows), 'photo')} of {names[i]}"
        made[f"class-{i}-photos"] = _gallery(title, rows, found)
    return made


def _gallery(title: str, rows: pd.DataFrame, found: Answers) -> dict:
    return {"title": title, "photos": [found.photo(row) for row in rows.index]}
