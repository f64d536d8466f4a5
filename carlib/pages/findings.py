"""What is to be known of the photos themselves: how many, unreadable, copied, odd."""

from typing import Any

import pandas as pd

from carlib.audits.found import Audit
from carlib.errors import printable
from carlib.pages.answers import Answers
from carlib.pages.audited import audited
from carlib.pages.leaks import Leaks
from carlib.pages.words import counted


def findings(
    found: Answers, photos: pd.DataFrame, leaked: Leaks, audit: Audit | None
) -> dict[str, Any]:
    """Return the facts of the photos: counts, those not read, what an audit found."""
    bad = found.bad
    sentences, tables = list(leaked.sentences), []
    if len(bad):
        sentences.append(
            f"{counted(len(bad), 'photo')} couldn't be read, and count in no figure."
        )
        tables.append(_bad_table(found))
    facts = {"sentences": sentences, "tables": tables, "groups": leaked.group(found)}
    if audit is not None:
        more = audited(audit, found)
        facts = {name: [*facts[name], *more[name]] for name in facts}
    return facts | {"counts": _counts(photos)}


def _counts(photos: pd.DataFrame) -> dict[str, Any]:
    """Return how many photos there are of each class, and for what."""
    kinds = photos["subset"] if "subset" in photos else pd.Series("all", photos.index)
    counts = pd.crosstab(photos["damage_class"], kinds)
    heads = {"T": "To train on (T)", "V": "To judge by (V)", "all": "Photos"}
    return {
        "title": "Photos by class",
        "words": False,
        "head": ["Class", *(heads.get(name, printable(name)) for name in counts)],
        "rows": [
            [printable(name), *(f"{count:,}" for count in row)]
            for name, row in zip(counts.index, counts.to_numpy(), strict=True)
        ],
    }


def _bad_table(found: Answers) -> dict[str, Any]:
    """Return the photos that can't be read, with what is wrong with each."""
    rows = []
    for path, error in found.bad.itertuples(index=False):
        name = found.store.name(path)
        rows.append(
            [name, printable(found.store.without_folders(error.replace(path, "it")))]
        )
    title = f"{counted(len(rows), 'photo')} not read"
    head = ["Photo", "What is wrong"]
    return {"title": title, "words": True, "head": head, "rows": rows}
