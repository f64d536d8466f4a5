"""Decide by money: the answer that costs least, or a person where that is cheaper."""

import dataclasses
import difflib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from carlib.data.spreadsheet import read_csv
from carlib.errors import DataError, OptionError
from carlib.evaluation.coverage import scores_of
from carlib.evaluation.evaluate import class_names_of, usable_rows
from carlib.evaluation.intervals import wilson_interval
from carlib.evaluation.resampling import interval, resampled_means
from carlib.training import ranges

CostMatrix = pd.DataFrame | str | os.PathLike
WAYS = {
    "with_review": "the model, and a person where that is cheaper",
    "model_alone": "the model alone, by its cheapest answer",
    "person_alone": "a person for each photo",
}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Costs:
    """Hold what it costs to let a model answer; print it to read it.

    Attributes:
        n: Photos that count.
        n_dropped: Rows left out: an error, no label, or a score that isn't finite.
        automatic: The share of photos that need no person, automatic_interval its 95 %
            Wilson interval.
        wrong: The share of those that is answered wrong; nan if there are none.
            wrong_interval is its 95 % Wilson interval.
        table: What a photo costs, a row a way of working. cost: the mean of what the
            answers cost, cost_low and cost_high its 95 % bootstrap interval. foretold:
            the mean that the probabilities promise; far from cost where they are off.
        thresholds: The probability from which on each answer is cheaper than a person,
            whatever else the photo may show; nan: never, by its probability alone.
    """

    n: int
    n_dropped: int
    automatic: float
    automatic_interval: tuple[float, float]
    wrong: float
    wrong_interval: tuple[float, float]
    table: pd.DataFrame
    thresholds: pd.Series

    def __str__(self) -> str:
        wrong = f"{self.wrong:.0%} of them wrong" if self.automatic else "none answered"
        lines = [
            f"{self.automatic:.0%} of {self.n:,} photos need nobody, {wrong}.",
            f"95 % intervals: {_share(self.automatic_interval)} need nobody, "
            f"{_share(self.wrong_interval)} wrong.",
            "",
            f"{'a photo costs':46}{'cost':>9}   95 % interval      foretold",
        ]
        for row in self.table.itertuples(index=False):
            between = f"{row.cost_low:,.2f} – {row.cost_high:,.2f}"
            figures = f"{row.cost:>9,.2f}   {between:16}{row.foretold:>11,.2f}"
            lines.append(f"{WAYS[row.way]:46}{figures}")
        return "\n".join(lines)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, text, lists and dicts; nan as None."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        thresholds = self.thresholds.astype(object)
        return values | {
            "wrong": None if np.isnan(self.wrong) else self.wrong,
            "automatic_interval": list(self.automatic_interval),
            "wrong_interval": list(self.wrong_interval),
            "table": self.table.to_dict("records"),
            "thresholds": thresholds.where(thresholds.notna(), None).to_dict(),
        }


def costs(
    predictions: pd.DataFrame, cost_matrix: CostMatrix, cost_of_review: float
) -> Costs:
    """Count what a model's answers cost, and what a person's look would save.

    Args:
        predictions: What `evaluate` takes: of `model.predict`, with a column
            `damage_class`. Their probabilities decide: a calibrated model's are right.
        cost_matrix: See `decide`.
        cost_of_review: What it costs to let a person answer; that answer is right.

    Raises:
        DataError: See `evaluate` and `decide`; or a label that the model doesn't know.
        OptionError: See `decide`.

    Example:
        >>> costs = carlib.costs(model.predict(test), "costs.csv", 15.0)
        >>> print(costs)    # 61% of 302 photos need nobody, 2% of them wrong. ...
    """
    names = class_names_of(predictions)
    matrix = matrix_of(cost_matrix, names)
    check_cost(cost_of_review)
    labels, scores = usable_rows(predictions.rename(columns=str), names)
    actual = _indices(labels, names)
    foretold, answers, review = _decided(scores, matrix, cost_of_review)
    paid = matrix[actual, answers]
    n, n_automatic = len(actual), int((~review).sum())
    n_wrong = int(((answers != actual) & ~review).sum())
    person = np.full(n, float(cost_of_review))
    ways = [(np.where(review, person, each), each) for each in (paid, foretold)]
    (both, model), (both_foretold, model_foretold) = ways
    table = _table([both, model, person], [both_foretold, model_foretold, person])
    return Costs(
        n=n,
        n_dropped=len(predictions) - n,
        automatic=n_automatic / n,
        automatic_interval=wilson_interval(n_automatic, n),
        wrong=n_wrong / n_automatic if n_automatic else float("nan"),
        wrong_interval=wilson_interval(n_wrong, n_automatic)
        if n_automatic
        else (0.0, 1.0),
        table=table,
        thresholds=_thresholds(matrix, names, cost_of_review),
    )


def decide(
    predictions: pd.DataFrame, cost_matrix: CostMatrix, cost_of_review: float
) -> pd.DataFrame:
    """Choose for each photo the answer that costs least, or a person's look.

    An answer's expected cost is the mean of its column, weighted by the probabilities
    of what the photo shows. (Elkan, The Foundations of Cost-Sensitive Learning, IJCAI
    2001.)

    Args:
        predictions: What `model.predict` returns; labels aren't needed.
        cost_matrix: What it costs to answer a class (columns) where another is right
            (rows, the index): a DataFrame, or the path of a CSV whose first column
            names the rows. Each class has a row and a column.
        cost_of_review: What it costs to let a person answer.

    Returns:
        Columns answer, expected_cost and review (whether a person is cheaper), under
        the predictions' index. A photo without probabilities has no answer, and is for
        a person.

    Raises:
        DataError: The matrix can't be read, or isn't one of the predictions' classes.
        OptionError: The cost of a review is no cost.

    Example:
        >>> names = model.class_names
        >>> matrix = pd.DataFrame(100 * (1 - np.eye(len(names))), names, names)
        >>> carlib.decide(model.predict(photos), matrix, 15.0)
    """
    table = _table_of(cost_matrix)
    names = [str(name) for name in table.columns]
    matrix = matrix_of(table, names)
    check_cost(cost_of_review)
    scores = scores_of(predictions, names)
    good = np.isfinite(scores).all(axis=1)
    expected, answers, review = _decided(scores, matrix, cost_of_review)
    named = np.array([*names, None], dtype=object)
    columns = {
        "answer": named[np.where(good, answers, -1)],
        "expected_cost": expected,
        "review": review | ~good,
    }
    return pd.DataFrame(columns, index=predictions.index)


def check_cost(cost: float) -> None:
    """Refuse what is no cost.

    Raises:
        OptionError: It's no number, or less than 0.
    """
    if not ranges.is_number(cost) or cost < 0:
        raise OptionError(f"Expected a cost_of_review of 0 or more. Received: {cost!r}")


def _decided(
    scores: np.ndarray, matrix: np.ndarray, cost_of_review: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each photo's least expected cost, its answer, and whether to review."""
    expected = scores @ matrix
    least = expected.min(axis=1)
    return least, expected.argmin(axis=1), least > cost_of_review


def _table(paid: list[np.ndarray], foretold: list[np.ndarray]) -> pd.DataFrame:
    photos = np.arange(len(paid[0]))
    means = resampled_means(np.random.default_rng(0), photos, *paid)
    low, high = zip(*map(interval, means.T), strict=True)
    return pd.DataFrame(
        {
            "way": list(WAYS),
            "cost": [float(each.mean()) for each in paid],
            "cost_low": low,
            "cost_high": high,
            "foretold": [float(each.mean()) for each in foretold],
        }
    )


def _thresholds(matrix: np.ndarray, names: tuple[str, ...], cost: float) -> pd.Series:
    """Return from where on an answer costs less than a review, at the worst.

    If it has the probability p, it costs at most p · right + (1 - p) · worst.
    """
    right, worst = matrix.diagonal(), matrix.max(axis=0)
    bound = np.where(worst > cost, np.inf, 0.0)  # where all that is right costs alike
    np.divide(worst - cost, worst - right, out=bound, where=worst > right)
    bound = np.where(bound <= 1, bound.clip(0), np.nan)
    return pd.Series(bound, list(names), name="threshold")


def _table_of(cost_matrix: CostMatrix) -> pd.DataFrame:
    if isinstance(cost_matrix, pd.DataFrame):
        return cost_matrix
    if not isinstance(cost_matrix, str | os.PathLike):
        kind = type(cost_matrix).__name__
        raise DataError(
            f"Expected a cost matrix: a DataFrame, or a CSV. Received: {kind}"
        )
    table = read_csv(cost_matrix)
    return table.set_index(table.columns[0])


def matrix_of(cost_matrix: CostMatrix, names: Any) -> np.ndarray:
    """Return costs, float64 (actual, answered), in the order of the classes.

    Raises:
        DataError: With each class and cell that is wrong.
    """
    table = _table_of(cost_matrix).rename(index=str, columns=str)
    problems = [*_name_problems("row", table.index.tolist(), list(names))]
    problems += _name_problems("column", table.columns.tolist(), list(names))
    if problems:
        raise _no_matrix(problems)
    table = table.loc[list(names), list(names)]
    costs = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    odd = zip(*np.nonzero(~np.isfinite(costs) | (costs < 0)), strict=True)
    problems = [
        f"row {names[i]!r}, column {names[j]!r}: {table.iat[i, j]!r}" for i, j in odd
    ]
    if problems:
        raise _no_matrix(problems)
    return costs


def _name_problems(what: str, given: list[str], names: list[str]) -> Iterator[str]:
    """Yield a line for each class that isn't there once, and each that is none."""
    for name in names:
        if given.count(name) != 1:
            yield f"{what} {name!r}: {given.count(name)} of them, and not 1"
    for name in dict.fromkeys(given):
        if name not in names:
            meant = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {meant[0]!r}?" if meant else ""
            yield f"{what} {name!r}: there is no such class{hint}"


def _no_matrix(problems: list[str]) -> DataError:
    return DataError(
        "Expected a cost matrix: for each class a row (it is right) and a column (it "
        "is answered), with costs of 0 or more. Received: a table where this is wrong",
        problems,
    )


def _indices(labels: list[str], names: tuple[str, ...]) -> np.ndarray:
    unknown = sorted(set(labels) - set(names))
    if unknown:
        raise DataError(
            "There are photos of classes that the model, and the cost matrix, don't "
            "know.",
            unknown,
            "Leave them out: what it costs to miss them can't be told.",
        )
    return pd.Index(names).get_indexer(pd.Index(labels))


def _share(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.0%} to {bounds[1]:.0%}"
