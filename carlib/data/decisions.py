"""What a person has decided of pairs and labels: kept beside the data, by content.

One format for all: an audit leaves out what was decided, `load_index` applies it as a
patch. A photo is known by the SHA-256 of its file, so that decisions hold wherever it
lies and whatever it's called; names stand beside it for people to read.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from carlib.data.labels import label_fault, normal_label
from carlib.data.spreadsheet import read_csv, write_csv
from carlib.errors import DataError

NAME = "labels.patch.csv"  # in the folder of the data, or wherever it's named
COLUMNS = ["kind", "photo", "other", "decision"]
NAMES = ["image", "other_image"]  # of a photo and the other one; may be missing
RELABEL = "relabel:"
DECISIONS = {"pair": ("copy", "different"), "label": ("keep", "drop")}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = (
    "Pairs are decided by copy or different, labels by keep, drop or relabel:CLASS, "
    "each once; photos are known by the SHA-256 of their files."
)


def read_decisions(path: str | os.PathLike) -> pd.DataFrame:
    """Read what was decided, and check all of it.

    Args:
        path: A CSV with the columns kind ("pair" or "label"), photo and other (SHA-256
            sums of files, 64 hex digits; of a label other is empty) and decision: of a
            pair "copy" or "different", of a label "keep", "drop" or "relabel:" and the
            class. The columns image and other_image, the photos' names, may be missing.

    Returns:
        A row a decision: kind, photo, other, decision, image, other_image; strings.
        The index counts the lines, from 2. Of a pair photo is the lesser of the sums.

    Raises:
        DataError: It can't be read, or rows are wrong or contradict each other; all of
            them are named.

    Example:
        >>> read_decisions("labels.patch.csv")
    """
    table = read_csv(path)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(COLUMNS)}. Received: "
            f"{', '.join(map(str, table.columns))}",
            hint="Take the file that a label clinic saves, parted by commas.",
        )
    return in_order(table, str(path))


def write_decisions(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write decisions, checked as `read_decisions` does it, atomically.

    Raises:
        DataError: Rows are wrong or contradict each other.
        OutputError: It can't be written there.
    """
    write_csv(in_order(table, "decisions"), path)


def in_order(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return decisions as `read_decisions` does, each pair in order and each row once.

    Args:
        name: What to call them in an error.

    Raises:
        DataError: Rows are wrong or contradict each other.
    """
    rows = table.reset_index(drop=True)
    rows = rows.reindex(columns=[*COLUMNS, *NAMES], fill_value="").astype("str")
    rows = rows.fillna("").apply(lambda column: column.str.strip())
    rows.index += 2
    rows = _sorted(
        rows.assign(photo=rows.photo.str.lower(), other=rows.other.str.lower())
    )
    faults = [
        f"line {row[0]}: {why}" for row in rows.itertuples() for why in _why(*row)
    ]
    if problems := faults + [*_contradictions(rows)]:
        count = f"{len(problems):,} problem" + "s" * (len(problems) > 1)
        raise DataError(f"{name}: {count}.", problems, _HINT)
    return rows.drop_duplicates(COLUMNS)


def relabelled(decision: str) -> str:
    """Return the class that a decision gives to a photo, or ""."""
    label = decision.removeprefix(RELABEL)
    return "" if label == decision else normal_label(label)


def settled(decisions: pd.DataFrame, kind: str, *decided: str) -> set[tuple[str, str]]:
    """Return the photos, and others, of which something was decided.

    Args:
        kind: "pair" or "label".
        decided: Which decisions; "relabel:" stands for all that begin so.
    """
    rows = decisions[decisions["kind"] == kind]
    chosen = rows[rows["decision"].str.startswith(decided)]
    return set(zip(chosen["photo"], chosen["other"], strict=True))


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return decisions in which the lesser of a pair's sums comes first."""
    are_pairs = (rows["kind"] == "pair") & (rows["other"] != "")
    turned = are_pairs & (rows["photo"] > rows["other"])
    for pair in (["photo", "other"], NAMES):
        rows.loc[turned, pair] = rows.loc[turned, pair[::-1]].to_numpy()
    return rows


def _why(
    line: int, kind: str, photo: str, other: str, decision: str, *names: str
) -> Iterator[str]:
    """Yield what is wrong with a row."""
    if kind not in DECISIONS:
        yield f"kind is pair or label, not {kind!r}"
        return
    if not _SHA256.fullmatch(photo):
        yield f"photo is a SHA-256, not {photo!r}"
    if kind == "pair" and not _SHA256.fullmatch(other):
        yield f"other is a SHA-256, not {other!r}"
    if kind == "label" and other:
        yield f"other is empty for a label, not {other!r}"
    if kind == "label" and decision.startswith(RELABEL):
        yield from filter(None, [label_fault(relabelled(decision))])
    elif decision not in DECISIONS[kind]:
        yield f"no {kind} is decided by {decision!r}"


def _contradictions(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the photos and pairs that are decided in several ways."""
    ways: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for line, kind, photo, other, decision, *_ in rows.itertuples():
        ways[kind, photo, other].setdefault(decision, line)
    for (kind, *_), lines in ways.items():
        if len(lines) > 1:
            each = ", ".join(f"{way} (line {line})" for way, line in lines.items())
            yield f"one {kind} is decided in several ways: {each}"
