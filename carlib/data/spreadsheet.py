"""Tables as CSV: they come back as they were, and no spreadsheet runs what they say."""

import os
import re

import pandas as pd

from carlib.errors import DataError
from carlib.files import as_path, named_in_errors, write_bytes

# What Excel and others take for a formula; see OWASP's page on CSV injection. A sign
# that is there already is doubled, so that one can be taken away again.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_csv(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table of photos or predictions as CSV, atomically, without its index.

    Texts that a spreadsheet would take for a formula, such as a class `=cmd()`, get an
    apostrophe in front, which `read_csv` takes away.

    Raises:
        OutputError: It can't be written there.

    Example:
        >>> carlib.write_csv(model.predict(photos), "predictions.csv")
    """
    path = as_path(path)
    with named_in_errors(path):
        write_bytes(path, as_csv(table))


def as_csv(table: pd.DataFrame, header: bool = True) -> bytes:
    """Return a table as what `write_csv` writes, or its rows alone."""
    safe = table.rename(columns=lambda name: guarded(str(name)))
    safe = safe.map(lambda value: guarded(value) if isinstance(value, str) else value)
    text = safe.to_csv(index=False, header=header, lineterminator="\n")
    return text.encode("utf-8", "surrogateescape")


def read_csv(path: str | os.PathLike) -> pd.DataFrame:
    """Read a table that `write_csv` wrote: texts stay the texts that they are.

    A class `001` isn't turned into 1, nor `NA` into a gap, as by `pandas.read_csv` left
    to itself; that reads such files alike by `dtype=str, keep_default_na=False`.

    Returns:
        The table, rows counted from 0. Columns from `score` on are float64, gaps NaN;
        so is what `predict` tells of refusal: refused is bool, distance float64.

    Raises:
        DataError: It can't be read, or isn't such a table.

    Example:
        >>> carlib.evaluate(carlib.read_csv("predictions.csv"))
    """
    try:
        table = pd.read_csv(
            as_path(path),
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            encoding_errors="surrogateescape",
        )
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError("rows have more fields than its header")
        table = table.rename(columns=bare).map(bare)
        names = list(table.columns)
        numbers = names[names.index("score") :] if "score" in names else []
        if {"refused", "why", "distance"} <= set(names):  # as predict tells them
            table["refused"] = table["refused"] == "True"
            numbers.append("distance")
        for name in numbers:
            table[name] = table[name].map(lambda text: float(text or "nan"))
        return table
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} is not a table that can be read: {reason}.") from error


def guarded(text: str) -> str:
    """Return a text with an apostrophe in front if it could be taken for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def bare(text: str) -> str:
    """Return the text that `guarded` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
