"""Why an answer came out: where the network looked, and which photos it learned from.

Each of the three is left out where it can't be had; a note then says why.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import CarlibError, printable
from carlib.explain.blame import Blame, blame
from carlib.explain.class_maps import ClassMaps, class_maps
from carlib.explain.nearest import nearest
from carlib.model.model import ImageClassificationModel
from carlib.pages.answers import Answers
from carlib.pages.overlay import overlay, where
from carlib.pages.words import counted, percent

N_BLAMED = N_NEAREST = 5
DENSE = 98  # percentile of what places give that is drawn at its densest


@dataclass
class Reasons:
    """Hold what can be told of some answers, by their rows.

    Attributes:
        maps: Pictures to lay over the photo: src, title, text.
        groups: Training photos that stand behind the answer: title, words, photos.
        notes: What could not be had, and why.
    """

    maps: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    groups: dict[int, list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    notes: list[str] = field(default_factory=list)

    def had(self, what: str, make: Callable[[], Any]) -> Any:
        """Return what is made; where it can't be, None and a note."""
        try:
            return make()
        except CarlibError as error:
            self.notes.append(f"{what} can't be shown. {printable(error.message)}")
        return None


def reasons(
    model: ImageClassificationModel,
    found: Answers,
    rows: list[int],
    train: pd.DataFrame,
    progress: bool = True,
) -> Reasons:
    """Return what can be told of why some answers came out as they did.

    Args:
        rows: Of the answers, places in `found.table`.
        train: What the model was trained on; without rows, nothing is traced back.
    """
    told = Reasons()
    if not rows:
        return told
    photos = found.table.loc[rows, ["image_path"]].reset_index(drop=True)
    options = {"progress": progress}
    maps = told.had(
        "Class maps", lambda: class_maps(model, photos, classes="all", **options)
    )
    if maps is not None:
        told.maps = _maps(maps, found, rows)
    if len(train):
        blamed = told.had(
            "The training photos that answers come from",
            lambda: blame(model, photos, train, N_BLAMED, **options),
        )
        if blamed is not None:
            _add_blame(told, blamed, found, rows)
        near = told.had(
            "The nearest training photos",
            lambda: nearest(model, photos, train, N_NEAREST, **options),
        )
        if near is not None:
            _add_nearest(told, near, found, rows)
    return told


def _maps(maps: ClassMaps, found: Answers, rows: list[int]) -> dict[int, list[dict]]:
    """Return for each answer the map of its class, and of the actual one if known."""
    places = maps.together()
    known = len(maps.class_names)
    shown = {
        row: [
            (words, found.names[each], places[number, each])
            for words, each in _two(found.table.loc[row])
            if each < known
        ]
        for number, row in enumerate(rows)
    }
    every = np.abs([map_ for maps_ in shown.values() for _, _, map_ in maps_])
    scale = float(np.percentile(every, DENSE))
    return {row: [_map(*each, scale) for each in some] for row, some in shown.items()}


def _two(answer: pd.Series) -> list[tuple[str, int]]:
    return [("the answer", answer.predicted), ("the label", answer.actual)]


def _map(words: str, name: str, places: np.ndarray, scale: float) -> dict[str, str]:
    return {
        "src": overlay(places, scale),
        "title": f"{name}, {words}",
        "text": f"Map of {name}: what speaks most for it is {where(places)}, "
        f"what speaks most against it {where(-places)}",
    }


def _add_blame(told: Reasons, blamed: Blame, found: Answers, rows: list[int]) -> None:
    for number, some in blamed.table.groupby("row"):
        photo = blamed.photos.iloc[number]
        items = [
            _item(found, each, f"{each.damage_class}, {percent(each.share)}")
            for each in some.itertuples()
        ]
        words = (
            f"{percent(photo.share)} of what speaks for {photo.predicted_label} comes "
            f"from {counted(len(items), 'photo')} that it learned from."
        )
        group = {"title": "Where the answer comes from", "words": words}
        told.groups[rows[number]].append(group | {"photos": items})


def _add_nearest(
    told: Reasons, near: pd.DataFrame, found: Answers, rows: list[int]
) -> None:
    for number, some in near.groupby("row"):
        items = [
            _item(found, each, each.damage_class + ", the same picture" * each.is_copy)
            for each in some.itertuples()
        ]
        group = {"title": "The most similar training photos", "words": ""}
        told.groups[rows[number]].append(group | {"photos": items})


def _item(found: Answers, each: Any, note: str) -> dict[str, Any]:
    """Return a training photo as a page shows it."""
    caption = f"trained on as {each.damage_class}"
    return {
        "photo": found.store.number(str(each.image_path), caption),
        "note": printable(note),
    }
