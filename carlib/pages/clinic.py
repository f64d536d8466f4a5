"""The label clinic: one offline page in which a person decides what an audit doubts."""

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carlib.audits.audit import audit
from carlib.audits.found import Audit
from carlib.backbones.engines import Network
from carlib.data.decisions import COLUMNS, NAMES, read_decisions, settled
from carlib.errors import OutputError
from carlib.files import as_path, named_in_errors, why_not_writable, write_text
from carlib.pages.cases import cases
from carlib.pages.page import render
from carlib.pages.thumbnails import PhotoStore
from carlib.pages.words import counted

SIDE = 320  # pixels of a picture: more than on other pages, for scratches to be seen
SECTIONS = [
    ("decide", "Look and decide"),
    ("save", "Save"),
    ("cases", "All cases"),
    ("help", "What happens then"),
]


def clinic(
    photos: pd.DataFrame,
    output: str | os.PathLike = "clinic.html",
    *,
    decisions: str | os.PathLike | None = None,
    arch: str | Network = "EfficientNetLite0",
    workspace_path: str | os.PathLike | None = "workspace",
    title: str = "Label clinic",
    progress: bool = True,
) -> Path:
    """Write a page in which to decide about doubtful labels and pairs, a key each.

    One HTML file that needs no network. It shows what `carlib.audit` finds: pairs that
    are one picture, and labels that may be wrong. What is decided is kept in the
    browser, where it allows that, and saved from the page as `labels.patch.csv`. The
    data stay as they are: `load_index(folder, patch="labels.patch.csv")` applies the
    decisions, `patch_worth` tells what they are worth, and the next audit leaves out
    what was decided.

    Args:
        photos: Columns image_path and damage_class, and subset if there is one.
        output: Where to; an older page is replaced.
        decisions: What was saved before: it isn't asked again, and is saved again
            together with what comes to it.
        arch: Whose features tell what is alike.
        workspace_path: Where features are kept; None keeps nothing.
        title: Of the page.
        progress: Show bars with the time left.

    Returns:
        The path.

    Raises:
        DataError: A column is missing, labels are none, or decisions are wrong.
        OutputError: It can't be written there.

    Example:
        >>> carlib.clinic(carlib.load_index("data/sample"), "clinic.html")
    """
    path = as_path(output)
    if problem := why_not_writable(path):
        raise OutputError(f"The page can't be written: {problem}.")
    known = None if decisions is None else read_decisions(decisions)
    found = audit(
        photos,
        arch,
        workspace_path=workspace_path,
        decisions=known,
        progress=progress,
    )
    store = PhotoStore(photos["image_path"].astype(str), side=SIDE)
    asked = cases(found if known is None else _open(found, known), store)
    store.fill(progress)
    before = [] if known is None else known[[*COLUMNS, *NAMES]].to_numpy().tolist()
    classes = list(found.classes["damage_class"])
    with named_in_errors(path):
        write_text(path, _page(asked, classes, before, store, title, found.n))
    return path


def _open(found: Audit, known: pd.DataFrame) -> Audit:
    """Return an audit without the pairs that were decided, as copies, too."""
    decided = settled(known, "pair", "copy", "different")
    sums = zip(found.pairs["sha256"], found.pairs["other_sha256"], strict=True)
    still = [tuple(sorted(pair)) not in decided for pair in sums]
    return dataclasses.replace(found, pairs=found.pairs[still])


def _page(
    asked: Sequence[dict[str, Any]],
    classes: Sequence[str],
    before: Sequence[Sequence[str]],
    store: PhotoStore,
    title: str,
    count: int,
) -> str:
    facts = {
        "title": title,
        "kicker": f"{counted(count, 'photo')} · {len(classes)} classes",
        "sections": SECTIONS,
        "cases": asked,
        "photos": store,
        "before": counted(len(before), "decision") if before else "",
    }
    data = {
        "photos": store.to_list(),
        "galleries": {},
        "cases": asked,
        "classes": classes,
        "before": before,
        "columns": [*COLUMNS, *NAMES],
        "kept_as": f"carlib-clinic-{_hash_of(asked)}",
    }
    return render("clinic.html.j2", facts, data, more=["clinic"])


def _hash_of(asked: Sequence[dict[str, Any]]) -> str:
    """Return what stands for these cases, whatever their order."""
    ids = sorted(case["id"] for case in asked)
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
