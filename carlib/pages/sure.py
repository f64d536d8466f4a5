"""How far a probability can be trusted, and what refusing to answer is worth."""

from typing import Any

import numpy as np
import pandas as pd

from carlib.evaluation.coverage import Coverage, coverage
from carlib.evaluation.reliability import Reliability, reliability
from carlib.pages import geometry
from carlib.pages.answers import Answers
from carlib.pages.words import counted, percent, to

SHOWN = (0.25, 0.5, 0.75, 0.9, 1.0)  # coverages that are told in figures


def sure(found: Answers, predictions: pd.DataFrame) -> dict:
    """Return the facts of calibration and coverage: sentences and charts."""
    trusted, covered = reliability(predictions), coverage(predictions)
    return {
        "sentences": [_about(trusted), *_about_refused(found)],
        "charts": [_reliability(trusted.table), _coverage(covered)],
    }


def _about(found: Reliability) -> str:
    """Say how far off the probabilities are, beside what chance alone would make."""
    weights = found.table["photos"]
    told = float(np.average(found.table["score"], weights=weights))
    right = float(np.average(found.table["right"], weights=weights))
    side = "surer than it should be" if told > right else "less sure than it may be"
    gap, chance = 100 * found.error, 100 * found.error_by_chance
    return (
        f"On average it is {percent(told)} sure, and {percent(right)} of its answers "
        f"are right: it is {side}. Its probabilities are off by {gap:.0f} points "
        f"on average; were they right, it would be {chance:.0f} by chance alone."
    )


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


def _reliability(table: pd.DataFrame) -> dict[str, Any]:
    made = geometry.chart(
        "Is it as often right as it says?", ("Said, by its probability", "Right")
    )
    geometry.line(made, [(0, 0), (1, 1)], "faint")
    rows = []
    for each in table.itertuples():
        interval = each.right_low, each.right_high
        words = f"said {percent(each.score)}, right {percent(each.right)}"
        geometry.dot(made, (each.score, each.right), interval, words)
        shares = percent(each.score), percent(each.right)
        rows.append([*shares, f"{to(interval)} %", f"{each.photos:,}"])
    shown = {
        "title": "How often answers are right, by their probability",
        "words": False,
        "head": ["Said", "Right", "95 %", "Photos"],
        "rows": rows,
    }
    text = (
        "Each dot is some answers of like probability, its line their 95 % interval; "
        "on the dashed line they would be as often right as they say."
    )
    return made | {"text": text, "table": shown}


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
