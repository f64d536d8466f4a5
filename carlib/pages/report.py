"""A model's report: one offline page that a colleague can read and look into."""

import os
from pathlib import Path

import pandas as pd

from carlib.audits.found import Audit
from carlib.data.table import about
from carlib.errors import DataError, OptionError, OutputError
from carlib.files import as_path, named_in_errors, why_not_writable, write_text
from carlib.model.model import ImageClassificationModel
from carlib.pages.answers import Answers, answers, galleries
from carlib.pages.classes import classes
from carlib.pages.findings import findings
from carlib.pages.leaks import leaks
from carlib.pages.listing import listing
from carlib.pages.matrix import matrix
from carlib.pages.mistakes import mistakes, worst_rows
from carlib.pages.origin import origin
from carlib.pages.page import render
from carlib.pages.reasons import reasons
from carlib.pages.summary import summary
from carlib.pages.sure import sure
from carlib.pages.thumbnails import PhotoStore
from carlib.pages.words import counted
from carlib.plots.style import check_table

SUBSETS = ("V", "T", "all")
SECTIONS = [
    ("summary", "At a glance"),
    ("matrix", "What is taken for what"),
    ("mistakes", "The worst mistakes"),
    ("classes", "Class by class"),
    ("sure", "Sure or not sure"),
    ("photos", "The photos"),
    ("origin", "How it was made"),
    ("answers", "Every answer"),
]


def report(
    model: ImageClassificationModel,
    photos: pd.DataFrame,
    output: str | os.PathLike = "report.html",
    *,
    subset: str = "V",
    audit: Audit | None = None,
    title: str = "What this model is worth",
    progress: bool = True,
) -> Path:
    """Write a model's report: one HTML file that needs no network and no other file.

    It says in plain words how good the model is, shows the photos behind each number,
    the worst mistakes and what can be told of why, and how the model was made. Photos
    stand in it as small pictures, without what else their files hold, and under their
    names inside the folder that they have in common.

    Args:
        model: A trained one.
        photos: Columns image_path and damage_class, the actual class; as `load_index`
            returns them with their subset, too.
        output: Where to; an older one is replaced.
        subset: Which photos to judge by: "V", "T" or "all". Without a column subset
            it's all of them. Those in T are what mistakes are traced back to.
        audit: What `carlib.audit` found in the photos, to be told as well.
        title: Of the page.
        progress: Show bars with the time left.

    Returns:
        The path.

    Raises:
        DataError: A column is missing, or there are no such photos.
        OptionError: `subset` is none of these.
        OutputError: It can't be written there.

    Example:
        >>> carlib.report(model, carlib.load_index("data/sample"), "report.html")
    """
    chosen, path = judged(photos, subset), as_path(output)
    if problem := why_not_writable(path):
        raise OutputError(f"The report can't be written: {problem}.")
    store = PhotoStore(photos["image_path"].astype(str))
    predictions = model.predict(chosen, on_error="skip", progress=progress)
    found = answers(predictions, store)
    page = _page(model, found, predictions, photos, subset, audit, title, progress)
    with named_in_errors(path):
        write_text(path, page)
    return path


def judged(photos: pd.DataFrame, subset: str) -> pd.DataFrame:
    """Return the photos to judge by, rows counted from 0.

    Raises:
        DataError, OptionError: As from `report`.
    """
    if subset not in SUBSETS:
        names = ", ".join(map(repr, SUBSETS))
        raise OptionError(f"Expected a subset of {names}. Received: {subset!r}")
    check_table(photos, ("image_path", "damage_class"))
    if "subset" not in photos or subset == "all":
        return photos.reset_index(drop=True)
    chosen = photos[photos["subset"] == subset]
    if chosen.empty:
        raise DataError(
            f"Expected photos in {subset}. Received: {len(photos):,}, none there",
            hint='subset="all" takes all of them.',
        )
    return chosen.reset_index(drop=True)


def _page(
    model: ImageClassificationModel,
    found: Answers,
    predictions: pd.DataFrame,
    photos: pd.DataFrame,
    subset: str,
    audit: Audit | None,
    title: str,
    progress: bool,
) -> str:
    """Return the page; photos take their places in the order of their weight in it."""
    train = photos[photos["subset"] == "T"] if "subset" in photos else photos[:0]
    rows = worst_rows(found)
    for row in rows:
        found.photo(row)
    why = reasons(model, found, rows, train, progress)
    leaked = leaks(predictions, train if subset == "V" else train[:0])
    facts = {
        "title": title,
        "kicker": _kicker(model, found),
        "lead": "A report on a model that names the damage in a photo of a car.",
        "sections": SECTIONS,
        "notes": _notes(model, found, photos, subset),
        "mistakes": mistakes(found, why),
        "classes": classes(found),
        "summary": summary(found, leaked),
        "matrix": matrix(found),
        "sure": sure(found, predictions),
        "findings": findings(found, photos, leaked, audit),
        "origin": origin(model),
        "listing": listing(found),
    }
    shown = galleries(found)
    found.store.fill(progress)
    facts |= {"photos": found.store, "colophon": _colophon(found.store)}
    data = {"photos": found.store.to_list(), "galleries": shown}
    return render("report.html.j2", facts, data)


def _notes(
    model: ImageClassificationModel, found: Answers, photos: pd.DataFrame, subset: str
) -> list[str]:
    """Return what a reader of the figures must know."""
    notes = [*_about_subset(photos, subset), *about(photos), *model.notes]
    return [found.store.without_folders(note) for note in notes]


def _kicker(model: ImageClassificationModel, found: Answers) -> str:
    count = counted(len(found.table), "photo")
    return f"{model.arch} · {len(model.class_names)} classes · {count}"


def _about_subset(photos: pd.DataFrame, subset: str) -> list[str]:
    """Return what keeps figures on photos that were trained on from being believed."""
    if subset == "V" or "subset" not in photos or not (photos["subset"] == "T").any():
        return []
    return [
        "Photos in T are among these, and the model may have been trained on them: it "
        "knows them, so these figures are too good."
    ]


def _colophon(store: PhotoStore) -> str:
    if not store.n_left_out:
        return "Photos are shown small; nothing else of their files is in here."
    return (
        f"{counted(store.n_left_out, 'photo')} here without a picture: so the page "
        "stays small enough to be mailed."
    )
