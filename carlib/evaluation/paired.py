"""Two models on the same photos: which is better, by how much, and is that luck?"""

import dataclasses
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib import display
from carlib.data.addresses import is_plain_file
from carlib.data.near import pictures
from carlib.data.sources import as_sources
from carlib.errors import DataError
from carlib.evaluation.intervals import NORMAL, mean_difference_interval
from carlib.evaluation.resampling import sign_test_p
from carlib.evaluation.text import cut, figure_name, p_text

SURE = 0.05  # the risk of calling luck a difference
POWER = 0.8416  # the normal's 80 % quantile: how surely a difference is to be found
MOST_NAMED = 5  # photos that are in one table only


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PairedComparison:
    """Hold what sets two models apart on the same photos; print it to read it.

    Attributes:
        names: What the two are called.
        n: Photos; copies are one, and so is a photo in several seeds' predictions.
        first_only: Of these, those that the first names right (more often) and the
            second doesn't.
        second_only: The other way round.
        p: How likely so uneven a part of those is by tosses of a coin: the exact
            McNemar test, two-sided.
        table: A row a figure, micro_accuracy, macro_accuracy and log_loss: first,
            second, difference (second less first), low and high (its 95 % interval).
        photos_needed: About so many photos would tell them apart, were the difference
            what it looks like; None where it is told already, or there is none.
    """

    names: tuple[str, str]
    n: int
    first_only: int
    second_only: int
    p: float
    table: pd.DataFrame
    photos_needed: int | None

    @property
    def is_told(self) -> bool:
        """Whether the micro-accuracies differ by more than luck would make them."""
        row = self.table.loc["micro_accuracy"]
        return self.p < SURE and bool(row.low > 0 or row.high < 0)

    @property
    def verdict(self) -> str:
        """What it comes to, in a sentence or two."""
        row = self.table.loc["micro_accuracy"]
        ahead = 1 if row.difference >= 0 else -1
        low, high = sorted((ahead * 100 * row.low, ahead * 100 * row.high))
        between = f"95 % between {_points(low)} and {_points(high)}"
        if row.difference == 0:
            text = f"Both name as many photos right, {between} points"
        else:
            better, points = self.names[ahead == 1], _points(100 * abs(row.difference))
            text = f"{better} is better by {points} points, {between}"
        return text + ("." if self.is_told else self._doubt())

    def _doubt(self) -> str:
        text = ": this set is too small to tell."
        if self.photos_needed is None:
            return text
        return f"{text} Some {self.photos_needed:,} photos would tell."

    def __str__(self) -> str:
        title, *rest = self._notes()
        lines = [textwrap.fill(line, 88) for line in rest]
        return "\n\n".join([title, self._table_text(), "\n".join(lines)])

    __repr__ = __str__

    def _table_text(self) -> str:
        heads = [cut(name, 14) for name in self.names]
        header = (
            f"{'':16}{heads[0]:>15}{heads[1]:>15}{'difference':>13}   95 % interval"
        )
        lines = [
            f"{name:16}{first:>15}{second:>15}{difference:>13}   {interval}"
            for name, first, second, difference, interval in self._cells()
        ]
        return "\n".join([header, *lines])

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                figure_name(row.Index),
                f"{row.first:.4f}",
                f"{row.second:.4f}",
                f"{row.difference:+.4f}",
                f"{row.low:+.4f} to {row.high:+.4f}",
            )
            for row in self.table.itertuples()
        ]

    def _notes(self) -> list[str]:
        """Return a title, what was counted, and what it comes to."""
        one, other = self.names
        test = f"exact McNemar test: p {p_text(self.p)}"
        return [
            f"Compared on the same {self.n:,} photos: {one}, {other}.",
            f"Named right by one only: {self.first_only:,} by {one}, "
            f"{self.second_only:,} by {other} ({test}).",
            self.verdict,
        ]

    def _repr_html_(self) -> str:
        title, *rest = self._notes()
        header = ["", *self.names, "difference", "95 % interval"]
        return display.grid(title, header, self._cells(), rest)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, text, lists and dicts."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return values | {
            "names": list(self.names),
            "table": self.table.to_dict("index"),
            "is_told": self.is_told,
            "verdict": self.verdict,
        }


def _points(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


def paired(
    names: tuple[str, str],
    labels: np.ndarray,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    distinct: np.ndarray,
) -> PairedComparison:
    """Compare two models' answers to the same photos.

    Args:
        names: What to call the two.
        labels: int (n,), the photos' classes.
        first: Hits and losses, each float (n,); where a photo was answered several
            times, as by heads of several seeds, their means.
        second: The same, of the other.
        distinct: int (n,), a number a photo, the same for copies.
    """
    one = np.zeros(len(labels), int)
    rows = {
        "micro_accuracy": _row(first[0], second[0], one, distinct, 1.0),
        "macro_accuracy": _row(first[0], second[0], labels, distinct, 1.0),
        "log_loss": _row(first[1], second[1], one, distinct, 0.0),
    }
    columns = ["first", "second", "difference", "low", "high"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float)
    _, unit = np.unique(distinct, return_inverse=True)
    by_photo = np.bincount(unit, second[0] - first[0]).round(9)  # 0 where it is 0
    found = PairedComparison(
        names=(str(names[0]), str(names[1])),
        n=len(by_photo),
        first_only=int((by_photo < 0).sum()),
        second_only=int((by_photo > 0).sum()),
        p=sign_test_p(by_photo),
        table=table.rename_axis("figure"),
        photos_needed=None,
    )
    needed = None if found.is_told else photos_needed(by_photo / np.bincount(unit))
    return dataclasses.replace(found, photos_needed=needed)


def _row(
    first: np.ndarray,
    second: np.ndarray,
    strata: np.ndarray,
    distinct: np.ndarray,
    least: float,
) -> tuple[float, ...]:
    """Return both means, over the classes' means, and their difference's interval."""
    _, place, support = np.unique(strata, return_inverse=True, return_counts=True)
    before, after = (
        float((np.bincount(place, values) / support).mean())
        for values in (first, second)
    )
    ends = mean_difference_interval(second - first, strata, distinct, least)
    return before, after, after - before, *ends


def photos_needed(differences: np.ndarray) -> int | None:
    """Return how many photos would tell two models apart that differ like this.

    So many that McNemar's test at 5 % finds the difference in 80 % of such sets
    (Connor 1987, Sample size for testing differences in proportions for the
    paired-sample design). Rounded to two digits; it's a guess built on a guess.

    Args:
        differences: float (n,), a photo's hit by the second less that by the first.
    """
    mean, square = float(differences.mean()), float((differences**2).mean())
    if mean == 0:
        return None
    reach = NORMAL * math.sqrt(square) + POWER * math.sqrt(square - mean**2)
    count = math.ceil((reach / mean) ** 2)
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return math.ceil(count / unit) * unit


def paired_photos(
    first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]
) -> PairedComparison:
    """Compare the outcomes of two evaluations, as `Metrics.outcomes` has them.

    Raises:
        DataError: They are of other photos, or of other labels.
    """
    one, other = (_by_photo(outcomes) for outcomes in (first, second))
    problems = [*_missing(one, other, names), *_relabelled(one, other, names)]
    if problems:
        raise DataError(
            "Expected two evaluations of the same photos with the same labels. "
            f"Received: {len(one):,} photos and {len(other):,}",
            problems,
            "Let both models predict the same table.",
        )
    other = other.loc[one.index]
    labels = np.unique(one["actual"].astype(str), return_inverse=True)[1]
    before, after = (
        (each["hit"].to_numpy(), each["loss"].to_numpy()) for each in (one, other)
    )
    return paired(names, labels, before, after, _distinct(list(one.index)))


def _by_photo(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return a row a photo; where it is there several times, what it has on average."""
    told = {"actual": "first", "hit": "mean", "loss": "mean"}
    return outcomes.groupby("photo").agg(told).astype({"hit": float})


def _missing(
    one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]
) -> Iterator[str]:
    for name, here, there in ((names[0], one, other), (names[1], other, one)):
        alone = here.index.difference(there.index)
        for photo in alone[:MOST_NAMED]:
            yield f"{cut(photo)}: only {name} has it"
        if len(alone) > MOST_NAMED:
            yield f"and {len(alone) - MOST_NAMED:,} more that only {name} has"


def _relabelled(
    one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]
) -> Iterator[str]:
    shared = one.index.intersection(other.index)
    before, after = one.loc[shared, "actual"], other.loc[shared, "actual"]
    changed = shared[(before != after).to_numpy()]
    for photo in changed[:MOST_NAMED]:
        labels = zip((before[photo], after[photo]), names, strict=True)
        yield f"{cut(photo)}: " + ", ".join(f"{a} for {b}" for a, b in labels)
    if len(changed) > MOST_NAMED:
        yield f"and {len(changed) - MOST_NAMED:,} more with another label"


def _distinct(photos: list[str]) -> np.ndarray:
    """Return a number a photo, the same for copies, if the files are there."""
    there = [p for p in photos if not is_plain_file(p) or Path(p).is_file()]
    found = dict(zip(there, pictures(as_sources(there)), strict=True)) if there else {}
    keys = [found.get(photo) or photo for photo in photos]
    numbers: dict[bytes | str, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])
