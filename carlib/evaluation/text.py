"""How the figures of an evaluation read: its tables as text, names within bounds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import printable

MOST_CLASSES = 30  # that print and pictures show one by one
MOST_PAIRS = 15  # of classes taken for one another, where those are too many
LONGEST = 60  # characters of a name in print


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text with an ellipsis for its end where it is longer than that."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def part_of(classes: int, most: str) -> str:
    """Say which of many classes are shown: those with the most of something."""
    return f"{MOST_CLASSES} of {classes:,} classes: those with the most {most}"


def worst(confusion: pd.DataFrame) -> np.ndarray:
    """Return the places of all classes, or of the 30 with the most mistakes first."""
    counts = confusion.to_numpy()
    mistakes = counts.sum(axis=1) - counts.diagonal()
    order = np.argsort(-mistakes, kind="stable")
    return order[:MOST_CLASSES] if len(order) > MOST_CLASSES else np.sort(order)


def _names(labels: pd.Index | pd.Series) -> list[str]:
    return [cut(printable(label)) for label in labels]


def number(value: float) -> str:
    """Write a figure with four digits; n/a where there is none."""
    return f"{value:.4f}" if math.isfinite(value) else "n/a"


def between(low: float, high: float, digits: int = 4) -> str:
    """Write an interval, as "0.5958 – 0.9821"; "to" where an end is negative."""
    if not math.isfinite(low):
        return ""
    word = "to" if low < 0 else "–"
    return f"{low:.{digits}f} {word} {high:.{digits}f}"


def p_text(p: float) -> str:
    """Write a probability with three digits; less than that as such."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def quoted(names: Sequence[str] | pd.Series, most: int = MOST_CLASSES) -> str:
    """Return names in quotes, and how many more there are."""
    some = [repr(cut(name)) for name in names[:most]]
    more = [f"and {len(names) - most:,} more"] if len(names) > most else []
    return ", ".join(some + more)


def figure_name(figure: str) -> str:
    """Return what a figure is called: "top_2_accuracy" is "Top-2 accuracy"."""
    words = figure.replace("o_accuracy", "o-accuracy").replace("log_", "log-")
    return words.replace("top_", "top-").replace("_", " ").capitalize()


def figures_text(figures: pd.DataFrame) -> str:
    """Return a line a figure: its value, its interval and its baselines."""
    header = (
        f"{'':20}{'score':>8}   {'95 % interval':17}{'baseline':>8}{'shuffled':>10}"
    )
    lines = [_figure_line(row) for row in figures.itertuples()]
    return "\n".join([header, *lines])


def _figure_line(row: Any) -> str:
    shares = f"{number(row.baseline):>8}{number(row.shuffled):>10}"
    name, interval = figure_name(row.Index), between(row.low, row.high)
    return f"{name:20}{number(row.value):>8}   {interval:17}{shares}"


def classes_text(per_class: pd.DataFrame, confusion: pd.DataFrame) -> str:
    """Return a line a class; n/a where there is nothing to divide by."""
    places = worst(confusion)
    answered = confusion.to_numpy().sum(axis=0)[places] > 0
    shown = per_class.iloc[places].assign(**{"class": lambda x: _names(x["class"])})
    width = max(5, *(len(name) for name in shown["class"]))
    columns = f"precision   {'95 %':9}  recall   {'95 %':9}"
    lines = [f"{'class':{width}}  {columns}  log-loss  photos"]
    if len(shown) < len(per_class):
        lines.insert(0, part_of(len(per_class), "mistakes"))
    rows = zip(shown.to_dict("records"), answered, strict=True)
    lines += [_class_line(row, width, any_answer) for row, any_answer in rows]
    return "\n".join(lines)


def _class_line(row: dict[str, Any], width: int, answered: bool) -> str:
    there = row["support"] > 0
    precision = _share_text(row, "precision", answered)
    recall = _share_text(row, "recall", there)
    loss = number(row["log_loss"] if there else math.nan)
    name = row["class"]
    return f"{name:{width}}  {precision}  {recall}  {loss:>8}  {row['support']:6,}"


def _share_text(row: dict[str, Any], name: str, there: bool) -> str:
    """Return a share and its interval, of which two digits say enough."""
    if not there:
        return f"{'n/a':>{len(name)}}{'':12}"
    low, high = (f"{row[name + end]:.2f}" for end in ("_low", "_high"))
    return f"{row[name]:>{len(name)}.4f}   {low}–{high}"


def confusion_text(confusion: pd.DataFrame) -> str:
    """Return the confusion table in ML.NET's layout, to the character.

    Names too long for a column's head give way to their numbers, which then also stand
    before the names of the rows.

    Args:
        confusion: Counts, actual (rows) × predicted (columns), labels as the index.
    """
    counts, names = confusion.to_numpy(), _names(confusion.index)
    width, bar = (8, "=" * 11) if len(names) == 2 else (5, "=" * 8)
    heads, sides = _numbered(names) if max(map(len, names)) > width else (names, names)
    left = max(9, *map(len, sides))
    rule = _row("", left, [bar] * len(names))
    lines = ["", "Confusion table", rule]
    head_cells = [f" {head:>{width}} |" for head in heads]
    lines.append(_row("PREDICTED", left, head_cells, " Recall"))
    lines.append(_row("TRUTH", left, [bar] * len(names)))
    for side, row, hits in zip(sides, counts, counts.diagonal(), strict=True):
        cells = [f" {count:>{width},} |" for count in row]
        lines.append(_row(f"{side:>{left}}", left, cells, f" {_share(hits, row):.4f}"))
    precision = [_share(column[i], column) for i, column in enumerate(counts.T)]
    cells = [f"{share:>{width + 1}.4f} |" for share in precision]
    return "\n".join([*lines, rule, _row("Precision", left, cells)])


def pairs_text(confusion: pd.DataFrame) -> str:
    """Return the pairs of classes most often confused, a line each."""
    counts = confusion.to_numpy() * ~np.eye(len(confusion), dtype=bool)
    rows, columns = counts.nonzero()
    order = np.argsort(-counts[rows, columns], kind="stable")[:MOST_PAIRS]
    if not len(order):
        return "\nNo class is taken for another."
    names = _names(confusion.index)
    cells = [("actual", "predicted", "photos")]
    for i, j in zip(rows[order], columns[order], strict=True):
        cells.append((names[i], names[j], f"{counts[i, j]:,}"))
    left, middle, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = ["", f"Most confused: {len(order)} of {len(rows):,} pairs of classes"]
    lines += [f"{actual:{left}}  {name:{middle}}  {n:>6}" for actual, name, n in cells]
    return "\n".join(lines)


def _numbered(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of the names, and the names with their numbers before them."""
    heads = [str(index) for index in range(len(names))]
    digits = len(heads[-1])
    width = max(map(len, names))
    sides = [f"{i:>{digits}}. {name:>{width}}" for i, name in enumerate(names)]
    return heads, sides


def _row(name: str, left: int, cells: list[str], end: str = "") -> str:
    return f"{name:{left}} ||{''.join(cells)}{end}"


def _share(hits: int, counts: np.ndarray) -> float:
    return hits / counts.sum() if counts.sum() else 0.0
