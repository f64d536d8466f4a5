"""Every answer in a table: what a page says of the photos where no script runs."""

import pandas as pd

from carlib.pages.answers import Answers
from carlib.pages.words import counted, percent


def listing(found: Answers) -> dict:
    """Return all answers by actual class and answer; those are the links' places."""
    cells = found.table.groupby(["actual", "predicted"], sort=True)
    begun: set[int] = set()
    groups = []
    for (i, j), rows in cells:
        place = "" if i in begun else f"class-{i}-photos"
        begun.add(i)
        groups.append(_group(i, j, rows, place, found))
    return {"title": counted(len(found.table), "answer"), "groups": groups}


def _group(i: int, j: int, rows: pd.DataFrame, place: str, found: Answers) -> dict:
    surest = rows.sort_values("score", ascending=False, kind="stable")
    return {
        "id": f"cell-{i}-{j}",
        "class_id": place,
        "actual": found.names[i],
        "predicted": found.names[j],
        "rows": [
            {"name": found.store.name(row.image_path), "score": percent(row.score)}
            for row in surest.itertuples()
        ],
    }
