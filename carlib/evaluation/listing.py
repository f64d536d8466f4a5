"""Answers one by one: the worst first, and each in a line."""

import pandas as pd

from carlib.data.addresses import file_name
from carlib.errors import DataError, OptionError, printable
from carlib.evaluation.text import cut

_NEEDED = ("damage_class", "predicted_label", "score")


def worst_first(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions in another order: mistakes first, the surest of them on top.

    Args:
        predictions: Columns damage_class (the actual class), predicted_label and score,
            as from `model.predict`.

    Returns:
        The same rows, under their index, with a column right, bool; what is right comes
        below, the surest first.

    Raises:
        DataError: A column is missing.

    Example:
        >>> carlib.worst_first(model.predict(test)).head(3)
    """
    _check(predictions, _NEEDED)
    right = predictions["damage_class"] == predictions["predicted_label"]
    order = {"by": ["right", "score"], "ascending": [True, False]}
    return predictions.assign(right=right).sort_values(**order, kind="stable")


def list_answers(predictions: pd.DataFrame, n: int = 20) -> str:
    """Return a line a photo, ✓ or ✗ and the workshop's words, and how many are left.

    Args:
        predictions: As of `worst_first`, and with a column image_path, in any order.
        n: How many lines at most.

    Raises:
        DataError: A column is missing.
        OptionError: `n` isn't 1 or more.

    Example:
        >>> print(carlib.list_answers(carlib.worst_first(predictions), n=1))
        ✗ Image: ...jpeg | Actual: ... | Predicted: ...
        … and 39 more
    """
    _check(predictions, ("image_path", *_NEEDED[:2]))
    if not n >= 1:
        raise OptionError(f"n must be a whole number from 1 on. Received: {n!r}")
    lines = [
        f"{'✓' if row.damage_class == row.predicted_label else '✗'} "
        f"Image: {cut(printable(file_name(row.image_path)))} | "
        f"Actual: {cut(printable(row.damage_class))} | "
        f"Predicted: {cut(printable(row.predicted_label))}"
        for row in predictions.head(n).itertuples()
    ]
    more = len(predictions) - len(lines)
    return "\n".join([*lines, *[f"… and {more:,} more"] * (more > 0)])


def _check(predictions: pd.DataFrame, needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in predictions]
    if missing:
        raise DataError(
            f"Expected the columns {', '.join(needed)}. Received: a table without "
            f"{', '.join(missing)}",
            hint="model.predict of the table of load_index makes such a one.",
        )
