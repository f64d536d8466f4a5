"""How far a probability can be trusted, and what refusing to answer is worth."""

from typing import Any

import numpy as np
import pandas as pd

from carlib.evaluation.coverage import Coverage, coverage
from carlib.evaluation.intervals import wilson_interval
from carlib.pages import geometry
from carlib.pages.answers import Answers
from carlib.pages.words import counted, percent, to

LEAST, MOST_BINS = 15, 8  # photos a bin, bins
SHOWN = (0.25, 0.5, 0.75, 0.9, 1.0)  # coverages that are told in figures


def sure(found: Answers, predictions: pd.DataFrame) -> dict:
    """Return the facts of calibration and coverage: sentences and charts."""
    bins = _bins(found)
    covered = coverage(predictions)
    return {
        "sentences": [*_about_bins(bins), *_about_refused(found)],
        "charts": [_reliability(bins), _coverage(covered)],
    }


def _bins(found: Answers) -> pd.DataFrame:
    """Return answers in bins of as many each, by how sure they are.

    Columns score (their mean), right (the share), low, high (its 95 % interval), n.
    """
    scores, right = found.table["score"].to_numpy(), found.right
    count = max(1, min(MOST_BINS, len(scores) // LEAST))
    rows = []
    for part in np.array_split(np.argsort(scores, kind="stable"), count):
        hits, n = int(right[part].sum()), len(part)
        low, high = wilson_interval(hits, n)
        share = {"right": hits / n, "low": low, "high": high, "n": n}
        rows.append({"score": scores[part].mean()} | share)
    return pd.DataFrame(rows)


def _about_bins(bins: pd.DataFrame) -> list[str]:
    """Say how far off the probabilities are, beside what chance alone would make.

    The latter is the mean of |x| for x normal: √(2/π) of its standard deviation.
    """
    gap = float(np.average((bins["score"] - bins["right"]).abs(), weights=bins["n"]))
    spread = np.sqrt(bins["score"] * (1 - bins["score"]) / bins["n"])
    chance = float(np.average(spread, weights=bins["n"])) * np.sqrt(2 / np.pi)
    told = float(np.average(bins["score"], weights=bins["n"]))
    right = float(np.average(bins["right"], weights=bins["n"]))
    side = "surer than it should be" if told > right else "less sure than it may be"
    return [
        f"On average it is {percent(told)} sure, and {percent(right)} of its answers "
        f"are right: it is {side}. Its probabilities are off by {100 * gap:.0f} points "
        f"on average; were they right, it would be {100 * chance:.0f} by chance alone."
    ]


def _about_refused(found: Answers) -> list[str]:
    """Return how often a model that can say "not sure" does, and how it fares else."""
    if "why" not in found.table:
        return []
    refused = (found.table["why"] != "").to_numpy()
    told = f"It says that it isn't sure of {counted(int(refused.sum()), 'photo')}"
    if not refused.any() or refused.all():
        return [f"{told}."]
    kept = percent(float(found.right[~refused].mean()))
    share = percent(float(refused.mean()))
    return [f"{told}, {share}. Of its other answers {kept} are right."]


def _reliability(bins: pd.DataFrame) -> dict[str, Any]:
    made = geometry.chart(
        "Is it as often right as it says?", ("Said, by its probability", "Right")
    )
    geometry.line(made, [(0, 0), (1, 1)], "faint")
    rows = []
    for each in bins.itertuples():
        interval = each.low, each.high
        words = f"said {percent(each.score)}, right {percent(each.right)}"
        geometry.dot(made, (each.score, each.right), interval, words)
        shares = percent(each.score), percent(each.right)
        rows.append([*shares, f"{to(interval)} %", f"{each.n:,}"])
    table = {
        "title": "How often answers are right, by their probability",
        "words": False,
        "head": ["Said", "Right", "95 %", "Photos"],
        "rows": rows,
    }
    text = (
        "Each dot is some answers of like probability, its line their 95 % interval; "
        "on the dashed line they would be as often right as they say."
    )
    return made | {"text": text, "table": table}


def _coverage(covered: Coverage) -> dict[str, Any]:
    table = covered.table
    top = min(1.0, max(0.1, np.ceil(20 * 1.5 * covered.error) / 20))
    made = geometry.chart(
        "What if only sure answers count?", ("Photos answered", "Wrong"), (1.0, top)
    )
    low = list(zip(table["coverage"], table["error_low"], strict=True))
    high = list(zip(table["coverage"], table["error_high"], strict=True))
    geometry.line(made, low + high[::-1], "band")
    pairs = list(zip(table["coverage"], table["error"], strict=True))
    geometry.line(made, pairs, "first")
    text = (
        "From left to right answers are taken in order, the surest first: the line is "
        "the share of them that is wrong, the band its 95 % interval."
    )
    return made | {"text": text, "table": _coverage_table(table)}


def _coverage_table(table: pd.DataFrame) -> dict[str, Any]:
    places = np.searchsorted(table["coverage"].to_numpy(), np.array(SHOWN) - 1e-9)
    rows = [
        [
            percent(each.coverage),
            percent(each.error),
            f"{to((each.error_low, each.error_high))} %",
            percent(each.threshold),
        ]
        for each in table.iloc[np.unique(places)].itertuples()
    ]
    return {
        "title": "How many photos are answered, and how often wrongly",
        "words": False,
        "head": ["Answered", "Wrong", "95 %", "From a probability of"],
        "rows": rows,
    }
