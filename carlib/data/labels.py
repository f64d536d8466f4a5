"""The names of classes: one rule for an index, folders, tables, models and figures."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import DataError

# Columns of the tables that carlib makes: a class of that name could not be told apart.
RESERVED = frozenset(
    ("image_path", "damage_class", "subset", "error", "predicted_label", "score")
    + ("refused", "why", "distance", "model_id")
)
LONGEST = 200  # characters
_JOINED = re.compile(r"(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")
# Letters and signs that show nothing, beside those that Unicode counts as formats.
_BLANK = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]")


def normal_label(text: str) -> str:
    """Return a label as it is kept: in one Unicode form, without space around it."""
    return unicodedata.normalize("NFC", text).strip()


def label_fault(label: str) -> str:
    """Return why no class may have this label, or ""; it is `normal_label`'s.

    Joiners are let stand between letters of scripts that are written with them.
    """
    if label in RESERVED:
        return f"no class may be called {label}"
    if len(label) > LONGEST:
        return f"a class's name has more than {LONGEST} characters: {label[:20]!r}…"
    kinds = {unicodedata.category(each) for each in _JOINED.sub("", label)}
    if kinds & {"Cc", "Zl", "Zp"}:
        return f"{label!r} holds a control character or a line end"
    if "Cs" in kinds:
        return f"{label!r} is not UTF-8: rename it"
    if "Cf" in kinds:
        return f"{label!r} holds characters that can't be seen: {ascii(label)}"
    return "" if _BLANK.sub("", label) else "a class's name is empty"


def alike(label: str) -> str:
    """Return what labels have in common that look the same."""
    seen = (c for c in label if unicodedata.category(c) != "Cf" and not c.isspace())
    return _BLANK.sub("", normal_label("".join(seen))).casefold()


def similar(label: str) -> str:
    """Return what labels have in common that may be meant to be the same."""
    return re.sub(r"(?<=\w)[-_.]+(?=\w)", "", alike(label)).removesuffix("s")


def groups(labels: Iterable[str], form: Any) -> Iterator[list[str]]:
    """Yield the labels of which several are one in a form, sorted."""
    found: dict[str, set[str]] = {}
    for label in labels:
        found.setdefault(form(label), set()).add(label)
    yield from (sorted(each) for each in found.values() if len(each) > 1)


def labels_of(photos: pd.DataFrame, column: str = "damage_class") -> np.ndarray:
    """Return a table's labels by the rule, as texts, object (n,).

    Whole numbers and booleans become text, categories what they stand for.

    Raises:
        DataError: With all that is wrong: rows without a label, labels that are
            fractions, lists or other things, and names that no class may have.

    Example:
        >>> labels_of(pd.DataFrame({"damage_class": [0, 1, 0]}))
        array(['0', '1', '0'], dtype=object)
    """
    values = photos[column].tolist()
    texts = [_text(value) for value in values]
    missing = [i for i, text in enumerate(texts) if text == ""]
    others = {type(v).__name__ for v, t in zip(values, texts, strict=True) if t is None}
    problems = [_rows_text(photos.index, missing)] if missing else []
    problems += [f"{_a(kind)} is no name of a class" for kind in sorted(others)]
    names = sorted({text for text in texts if text})
    problems += [why for name in names if (why := label_fault(name))]
    problems += [
        f"one class or several? {' and '.join(map(ascii, same))}"
        for same in groups(names, alike)
    ]
    if problems:
        raise DataError(
            f"Each row of {column} needs the name of a class.",
            problems,
            "Each photo has one class, a text. (Several labels a photo, and numbers to "
            "be estimated, are other tasks.)"
            if others
            else "",
        )
    return np.array(texts, dtype=object)


def _text(value: Any) -> str | None:
    """Return a value's label, "" where there is none; None: it can't be one."""
    if isinstance(value, str):
        return normal_label(value)
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return str(value)
    is_nan = isinstance(value, float) and value != value
    if value is None or value is pd.NA or value is pd.NaT or is_nan:
        return ""
    return None


def _rows_text(index: pd.Index, missing: Sequence[int]) -> str:
    shown = ", ".join(str(index[i]) for i in missing[:9])
    more = f" and {len(missing) - 9:,} more" if len(missing) > 9 else ""
    return f"{len(missing):,} rows have no label: {shown}{more}"


def _a(kind: str) -> str:
    return {"float": "a number with a fraction"}.get(kind, f"a {kind}")
