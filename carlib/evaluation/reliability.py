"""Whether answers are as often right as their probability says."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from carlib.evaluation.evaluate import class_names_of, usable_rows
from carlib.evaluation.intervals import wilson_interval

MOST_BINS, LEAST_PHOTOS = 10, 15  # of which each bin has as many
DRAWS = 1_000
_AT_ONCE = 1 << 22  # answers that are drawn at once


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reliability:
    """Hold how often answers of like probability are right; print it to read them.

    Attributes:
        n: Photos that count.
        n_dropped: Rows left out: an error, no label, or a score that isn't finite.
        table: A row a bin, from unsure to sure, each of as many photos. photos: how
            many. score: the mean probability of the answers. right: the share that is
            right, right_low and right_high its 95 % Wilson interval.
        error: The expected calibration error: how far the two are apart, on average
            over the photos (Naeini, Cooper and Hauskrecht, AAAI 2015).
        error_by_chance: What it would be on average if all probabilities were true, for
            there are only so many photos. error_by_chance_high: What it would be in 5
            of 100 such sets of photos, or more.
    """

    n: int
    n_dropped: int
    table: pd.DataFrame
    error: float
    error_by_chance: float
    error_by_chance_high: float

    @property
    def verdict(self) -> str:
        """Whether the probabilities are off, in words."""
        told = np.average(self.table["score"], weights=self.table["photos"])
        right = np.average(self.table["right"], weights=self.table["photos"])
        points = f"{100 * self.error:.1f} points"
        if self.error <= self.error_by_chance_high:
            return f"Off by {points}: no more than chance may make it."
        side = "Too sure" if told > right else "Not sure enough"
        return f"{side}: off by {points}, more than chance would make it."

    def __str__(self) -> str:
        lines = [f"{'said':>7}{'right':>8}   95 % interval     photos"]
        for row in self.table.itertuples(index=False):
            between = f"{row.right_low:.1%} – {row.right_high:.1%}"
            shares = f"{row.score:>7.1%}{row.right:>8.1%}"
            lines.append(f"{shares}   {between:17}{row.photos:>7,}")
        chance = f"{self.error_by_chance:.3f}, in 5 of 100 sets of photos "
        chance += f"{self.error_by_chance_high:.3f} or more"
        end = f"Calibration error: {self.error:.3f}. By chance alone: {chance}."
        return "\n".join([*lines, end, self.verdict])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, lists and dicts."""
        figures = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        return figures | {"table": self.table.to_dict("records")}


def reliability(predictions: pd.DataFrame, seed: int = 0) -> Reliability:
    """Tell whether answers are as often right as their probability says.

    Args:
        predictions: What `evaluate` takes: of `model.predict`, with a column
            `damage_class`.
        seed: Draws what chance alone would make.

    Raises:
        DataError: See `evaluate`.

    Example:
        >>> print(carlib.reliability(model.predict(test)))
    """
    names = class_names_of(predictions)
    actual, scores = usable_rows(predictions.rename(columns=str), names)
    right, tops = np.array(names)[scores.argmax(axis=1)] == actual, scores.max(axis=1)
    order = np.argsort(tops, kind="stable")
    right, tops = right[order], tops[order]
    count = max(1, min(MOST_BINS, len(tops) // LEAST_PHOTOS))
    starts = np.linspace(0, len(tops), count, endpoint=False).astype(int)
    chance = _by_chance(tops, starts, np.random.default_rng(seed))
    return Reliability(
        n=len(tops),
        n_dropped=len(predictions) - len(tops),
        table=_table(tops, right, starts),
        error=float(_errors(tops, right[np.newaxis], starts)[0]),
        error_by_chance=float(chance.mean()),
        error_by_chance_high=float(np.quantile(chance, 0.95)),
    )


def _table(tops: np.ndarray, right: np.ndarray, starts: np.ndarray) -> pd.DataFrame:
    rows = []
    for said, hit in zip(
        np.split(tops, starts[1:]), np.split(right, starts[1:]), strict=True
    ):
        low, high = wilson_interval(int(hit.sum()), len(hit))
        share = {"right": hit.mean(), "right_low": low, "right_high": high}
        rows.append({"photos": len(hit), "score": said.mean(), **share})
    return pd.DataFrame(rows)


def _errors(tops: np.ndarray, right: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the calibration error of each row of answers, (m,).

    Args:
        right: Whether each answer is right, (m, n).
    """
    gaps = np.add.reduceat(right - tops, starts, axis=1)
    return np.abs(gaps).sum(axis=1) / len(tops)


def _by_chance(
    tops: np.ndarray, starts: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Return errors of answers that are as often right as they say, drawn by lot."""
    at_once, parts = max(1, _AT_ONCE // len(tops)), []
    for start in range(0, DRAWS, at_once):
        shape = min(at_once, DRAWS - start), len(tops)
        parts.append(_errors(tops, generator.random(shape) < tops, starts))
    return np.concatenate(parts)
