"""How much can be answered, and how often wrongly: refusal's trade, and sets of labels.

A model that may refuse is judged by two figures: the share of photos that it answers,
its coverage, and the share of those answers that are wrong.
"""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import DataError, OptionError
from carlib.evaluation.evaluate import class_names_of, usable_rows
from carlib.evaluation.intervals import wilson_interval
from carlib.model.confidence import check_rate, lowest_held, selected
from carlib.model.model import ImageClassificationModel

MOST_ROWS = 100  # of a table; steps of 1 % of the photos
PRINTED = 10


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Coverage:
    """Hold how many answers are accepted at each threshold; print it to read them.

    Attributes:
        n: Photos that count.
        n_dropped: Rows left out: an error, no label, or a score that isn't finite.
        table: A row a threshold, of 100 at most, from strict to lax. threshold: the
            probability from which on answers are accepted. accepted and wrong: how many
            are, and how many of these are wrong. coverage: the share accepted. error:
            the share of those that is wrong, error_low and error_high its 95 % Wilson
            interval.
        area: The mean error over all coverages, 0 at best (the area under the
            risk–coverage curve: Geifman, Uziel and El-Yaniv, ICLR 2019).
    """

    n: int
    n_dropped: int
    table: pd.DataFrame
    area: float

    @property
    def error(self) -> float:
        """The share of wrong answers if none is refused."""
        return float(self.table["error"].iloc[-1])

    def threshold_for(self, error_rate: float) -> float | None:
        """Return the lowest threshold that holds an error rate; None: none does.

        It's what a model's confidence does by itself, on photos held out in training.
        Don't judge it on the photos it was found on.

        Raises:
            OptionError: The rate is none, or there are too few photos to hold it.
        """
        check_rate("error_rate", error_rate, self.n)
        columns = (self.table[name] for name in ("threshold", "accepted", "wrong"))
        return lowest_held(*(column.to_numpy() for column in columns), error_rate)

    def __str__(self) -> str:
        shown = self.table.iloc[_spread(self.table["coverage"].to_numpy(), PRINTED)]
        lines = [
            f"{self.n:,} photos, answered from a probability on; of those answers",
            f"{'from':>6}{'answered':>11}{'wrong':>9}   95 % interval",
        ]
        for row in shown.itertuples(index=False):
            between = f"{row.error_low:.1%} – {row.error_high:.1%}"
            shares = f"{row.coverage:>11.1%}{row.error:>9.1%}"
            lines.append(f"{row.threshold:>6.3f}{shares}   {between}")
        ordered = f"Mean error over all coverages: {self.area:.1%}"
        return "\n".join([*lines, f"{ordered}, by lot it were {self.error:.1%}."])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, lists and dicts."""
        figures = {"n": self.n, "n_dropped": self.n_dropped, "area": self.area}
        return figures | {"error": self.error, "table": self.table.to_dict("records")}


def coverage(predictions: pd.DataFrame) -> Coverage:
    """Tell how often answers are wrong, and how many there are, at each threshold.

    Args:
        predictions: What `evaluate` takes: of `model.predict`, with a column
            `damage_class`.

    Raises:
        DataError: See `evaluate`.

    Example:
        >>> print(carlib.coverage(model.predict(test)))
    """
    names = class_names_of(predictions)
    actual, scores = usable_rows(predictions.rename(columns=str), names)
    wrong = np.array(names)[scores.argmax(axis=1)] != actual
    tops, accepted, n_wrong = selected(scores.max(axis=1), wrong)
    n = len(actual)
    rows = _spread(accepted / n, MOST_ROWS)
    table = _table(tops[rows], accepted[rows], n_wrong[rows], n)
    area = np.diff(accepted, prepend=0) @ (n_wrong / accepted) / n
    return Coverage(n, len(predictions) - n, table, float(area))


def label_sets(
    model: ImageClassificationModel,
    predictions: pd.DataFrame,
    alpha: float = 0.1,
    per_class: bool = False,
) -> pd.DataFrame:
    """Name for each photo the classes that it may be of.

    The actual class is among them with a probability of 1 - alpha or more, as far as
    the photos are like those trained on (split conformal prediction, with the folds
    that the model was judged by). A set of one is a sure answer, one of many a photo
    for a person; an empty one is like no class.

    Args:
        model: One with `confidence`.
        predictions: What its `predict` returns.
        alpha: How often the actual class may be missing.
        per_class: Hold that for each class by itself: rare ones fare no worse.

    Returns:
        bool, a column a class, under the predictions' index; a photo without
        probabilities has none.

    Raises:
        OptionError: The model has no confidence, or too few photos for such an alpha;
            it says how many it takes.
        DataError: The predictions are another model's.

    Example:
        >>> sets = carlib.label_sets(model, predictions, alpha=0.05)
        >>> sets.sum(axis=1).mean()    # 1.8, say
    """
    check_confidence(model)
    names = list(model.class_names)
    scores = scores_of(predictions, names)
    sets = model.confidence.sets(scores, alpha, per_class)
    return pd.DataFrame(sets, columns=names, index=predictions.index)


def check_confidence(model: ImageClassificationModel) -> None:
    """Refuse a model that can't tell when it isn't sure.

    Raises:
        OptionError: It has no confidence.
    """
    if model.confidence is None:
        raise OptionError(
            "This model can't tell how sure it is.",
            hint="Train it with refuse=0.05.",
        )


def scores_of(predictions: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return the probabilities of classes, float64 (n, classes), whatever the labels.

    Raises:
        DataError: It's no table of predictions with these classes.
    """
    columns = list(predictions) if isinstance(predictions, pd.DataFrame) else []
    missing = [f"no column {name!r}" for name in names if name not in columns]
    if missing:
        raise DataError(
            "Expected predictions with a column of probabilities a class. Received: a "
            "table without",
            missing,
            "Pass on what model.predict(photos) returns.",
        )
    try:
        return predictions[names].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"The probabilities must be numbers: {error}.") from None


def _spread(coverage: np.ndarray, most: int) -> np.ndarray:
    """Choose rows that lie evenly over coverages from 0 to 1, the last among them."""
    steps = np.arange(1, most + 1) / most
    return np.unique(np.searchsorted(coverage, steps - 1e-9))


def _table(
    tops: np.ndarray, accepted: np.ndarray, wrong: np.ndarray, n: int
) -> pd.DataFrame:
    pairs = zip(wrong.tolist(), accepted.tolist(), strict=True)
    low, high = zip(*(wilson_interval(*pair) for pair in pairs), strict=True)
    return pd.DataFrame(
        {
            "threshold": tops,
            "accepted": accepted,
            "wrong": wrong,
            "coverage": accepted / n,
            "error": wrong / accepted,
            "error_low": low,
            "error_high": high,
        }
    )
