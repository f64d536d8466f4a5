"""A section a class: how often it's found, how far its name can be trusted."""

from typing import Any

import numpy as np

from carlib.evaluation.intervals import wilson_interval
from carlib.evaluation.text import part_of, worst
from carlib.pages.answers import Answers
from carlib.pages.geometry import strip
from carlib.pages.words import counted, percent, to

MOST_PHOTOS = 6
MOST_CONFUSED = 4  # classes a class is taken for


def classes(found: Answers) -> dict:
    """Return the facts of each class; of more than 30, those with most mistakes."""
    confusion = found.metrics.confusion_matrix
    counts, places = confusion.to_numpy(), worst(confusion)
    return {
        "classes": [_class(i, counts, found) for i in places],
        "note": part_of(len(counts), "mistakes") if len(places) < len(counts) else "",
    }


def _class(i: int, counts: np.ndarray, found: Answers) -> dict[str, Any]:
    support, named = int(counts[i].sum()), int(counts[:, i].sum())
    return {
        "id": f"class-{i}",
        "name": found.names[i],
        "gallery": f"class-{i}-photos" if support else "",
        "all": f"All {counted(support, 'photo')}" if support > 1 else "The photo",
        "figures": [
            _figure("Recall", "photos of it found", counts[i, i], support),
            _figure("Precision", "answers of its name right", counts[i, i], named),
        ],
        "taken_for": _confused(i, counts[i], found, f"cell-{i}-{{}}"),
        "taken_for_it": _confused(i, counts[:, i], found, f"cell-{{}}-{i}"),
        "photos": _some(i, found),
    }


def _figure(name: str, words: str, hits: int, whole: int) -> dict[str, Any]:
    """Return a share with its interval; of nothing it says so."""
    if not whole:
        return {"name": name, "value": "–", "words": "no photo to tell", "strip": None}
    interval = wilson_interval(int(hits), whole)
    return {
        "name": name,
        "value": percent(hits / whole),
        "words": f"{hits:,} of {whole:,} {words}; 95 %: {to(interval)}",
        "strip": strip(hits / whole, interval),
    }


def _confused(i: int, counts: np.ndarray, found: Answers, cell: str) -> list[dict]:
    """Return the classes that are confused with one, the most frequent first."""
    others = [j for j in np.argsort(-counts, kind="stable") if counts[j] and j != i]
    return [
        {"name": found.names[j], "count": int(counts[j]), "gallery": cell.format(j)}
        for j in others[:MOST_CONFUSED]
    ]


def _some(i: int, found: Answers) -> list[int]:
    """Return a few photos of a class, as many wrong as right ones where it can be."""
    of_class = (found.table["actual"] == i).to_numpy()
    order = found.table["score"].sort_values(ascending=False, kind="stable").index
    wrong = [row for row in order if of_class[row] and not found.right[row]]
    right = [row for row in order if of_class[row] and found.right[row]]
    half = max(MOST_PHOTOS // 2, MOST_PHOTOS - len(right))
    chosen = wrong[:half] + right[: MOST_PHOTOS - len(wrong[:half])]
    return [found.photo(row) for row in chosen]
