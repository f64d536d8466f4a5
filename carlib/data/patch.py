"""Decisions about labels, applied to the photos to train on; no file is changed."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from carlib.data.contents import file_hash
from carlib.data.decisions import read_decisions, relabelled
from carlib.data.index import Row
from carlib.data.labels import alike
from carlib.errors import DataError

MOST_NAMED = 3


def patched(
    path_of: Callable[[str], str], rows: Sequence[Row], path: str | os.PathLike
) -> tuple[list[Row], list[str]]:
    """Return an index's rows as decisions about labels have them.

    Photos in T get their new label or are left out. Those in V stay as they are, for
    figures before and after to be got on the same. What is decided about pairs changes
    no label.

    Args:
        path_of: Tells how a row's image is read.
        rows: Of the index.
        path: The decisions; see `read_decisions`.

    Returns:
        The rows that are left, and what is to be said about the patch.

    Raises:
        DataError: The decisions can't be read or contradict each other, or they name
            classes that aren't there; all such are named.
    """
    decisions = read_decisions(path)
    _check_classes(decisions, {row.label for row in rows}, path)
    labels = decisions[decisions["kind"] == "label"]
    decided = dict(zip(labels["photo"], labels["decision"], strict=True))
    hashes = [file_hash(path_of(row.image)) for row in rows]
    found = [decided.get(content, "") for content in hashes]
    after = [_patched(*each) for each in zip(rows, found, strict=True)]
    notes = [*_on_rows(rows, after, found), *_on_strangers(decisions, set(hashes))]
    return [row for row in after if row], [f"{Path(path).name}: {x}" for x in notes]


def _patched(row: Row, decision: str) -> Row | None:
    """Return a row after a decision, or None where it's left out."""
    if row.subset != "T":
        return row
    return (
        None
        if decision == "drop"
        else row._replace(label=relabelled(decision) or row.label)
    )


def _check_classes(
    decisions: pd.DataFrame, known: set[str], path: str | os.PathLike
) -> None:
    looks = {alike(label): label for label in known}
    problems = []
    for line, decision in decisions["decision"].items():
        label = relabelled(decision)
        if label and label not in known:
            meant = looks.get(alike(label), "")
            hint = f"; did you mean {meant!r}?" if meant else ""
            problems.append(f"line {line}: there is no class {label!r}{hint}")
    if problems:
        raise DataError(
            f"{path} names classes that the data don't have.",
            problems,
            f"There are {', '.join(sorted(known))}.",
        )


def _on_rows(
    rows: Sequence[Row], after: Sequence[Row | None], found: Sequence[str]
) -> Iterator[str]:
    """Yield what the patch does to photos."""
    pairs = list(zip(rows, after, strict=True))
    relabel = sum(new is not None and new.label != old.label for old, new in pairs)
    drop = sum(new is None for new in after)
    yield f"{_photos(relabel)} in T with another label, {drop:,} left out."
    untouched = sum(
        what == "drop" or relabelled(what) not in ("", row.label)
        for row, what in zip(rows, found, strict=True)
        if row.subset != "T"
    )
    if untouched:
        yield (
            f"{_photos(untouched)} outside of T kept as before, whatever was decided, "
            "so that figures can be compared."
        )


def _on_strangers(decisions: pd.DataFrame, hashes: set[str]) -> Iterator[str]:
    """Yield the decisions that fit no photo."""
    known = decisions[["photo", "other"]].isin(hashes | {""}).all(axis=1)
    strangers = decisions[~known]
    if strangers.empty:
        return
    named = strangers["image"].where(strangers["image"] != "", "no name")
    shown = [f"line {line} ({name})" for line, name in named[:MOST_NAMED].items()]
    more = len(strangers) - len(shown)
    count = f"{len(strangers):,} decision" + "s" * (len(strangers) > 1)
    fit = "fits" if len(strangers) == 1 else "fit"
    rest = f" and {more:,} more" if more else ""
    yield f"{count} {fit} no photo here: {', '.join(shown)}{rest}."


def _photos(count: int) -> str:
    return f"{count:,} photo" + "s" * (count != 1)
