"""The confusion matrix as a table whose cells lead to their photos."""

import numpy as np

from carlib.evaluation.text import cut, part_of, worst
from carlib.pages.answers import Answers
from carlib.pages.geometry import heat
from carlib.pages.words import counted, percent

LONGEST = 30  # characters of a class's name in a head


def matrix(found: Answers) -> dict:
    """Return the facts of the confusion matrix: heads, rows, cells and shares.

    Of more than 30 classes those with the most mistakes.
    """
    confusion = found.metrics.confusion_matrix
    counts, places = confusion.to_numpy(), worst(confusion)
    names = [cut(name, LONGEST) for name in found.names]
    known = [j for j in places if j < len(found.metrics.class_names)]
    precision = [_share(counts[j, j], counts[:, j].sum()) for j in known]
    return {
        "columns": [names[j] for j in known],
        "rows": [_row(i, known, counts, names) for i in places],
        "precision": precision,
        "note": part_of(len(counts), "mistakes") if len(places) < len(counts) else "",
    }


def _row(i: int, columns: list[int], counts: np.ndarray, names: list[str]) -> dict:
    support = int(counts[i].sum())
    return {
        "name": names[i],
        "cells": [_cell(i, j, int(counts[i, j]), support, names) for j in columns],
        "support": f"{support:,}",
        "recall": _share(counts[i, i], support),
    }


def _cell(i: int, j: int, count: int, support: int, names: list[str]) -> dict:
    photos = counted(count, "photo")
    return {
        "count": f"{count:,}",
        "gallery": f"cell-{i}-{j}" if count else "",
        "label": f"{photos} of {names[i]}, named {names[j]}: show them",
        "heat": heat(count, support),
        "right": i == j,
    }


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "–"
