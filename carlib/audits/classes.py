"""The classes: how many photos each has, and which may be meant to be one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from carlib.data.labels import groups, similar

FEW = 20  # photos to learn a class from; of fewer a figure says little
COLUMNS = ["damage_class", "photos", "pictures", "T", "V", "note"]


def class_table(
    labels: Sequence[str], subsets: Sequence[str], distinct: np.ndarray
) -> pd.DataFrame:
    """Return the classes, their sizes, and what to know of them.

    Args:
        labels: Of each photo.
        subsets: Of each photo; "" where there are none.
        distinct: The same number for copies, (n,).

    Returns:
        A row a class: damage_class, photos, pictures (copies count once), T and V
        (photos in each), note ("" or what is to be known: few pictures to learn from,
        a name much like another).
    """
    table = pd.DataFrame({"label": labels, "subset": subsets, "picture": distinct})
    names = {n: each for each in groups(labels, similar) for n in each}
    rows = []
    for label, photos in table.groupby("label"):
        learned = photos[photos["subset"] != "V"]
        sizes = [int((photos["subset"] == letter).sum()) for letter in "TV"]
        notes = [_few(learned["picture"].nunique())]
        notes += [f"much like {n!r}" for n in names.get(label, []) if n != label]
        pictures = photos["picture"].nunique()
        note = "; ".join(filter(None, notes))
        rows.append((label, len(photos), pictures, *sizes, note))
    return pd.DataFrame(rows, columns=COLUMNS)


def _few(pictures: int) -> str:
    if pictures >= FEW:
        return ""
    count = "one picture" if pictures == 1 else f"{pictures} pictures"
    return f"{count} to learn from" if pictures else "nothing to learn from"


def is_wrong(note: str) -> bool:
    """Tell whether a class's note is of something that must be put right."""
    return "much like" in note or note.startswith(("one picture", "nothing"))
