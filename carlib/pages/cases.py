"""What a label clinic asks: a case a doubtful label or pair, and the ways to decide.

A choice holds the decisions that it makes, as `data.decisions` has them. The page adds
what is the same for all cases: to give the photos another class.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from carlib.audits.found import IN_WORDS, Audit
from carlib.data.decisions import RELABEL
from carlib.errors import printable
from carlib.pages.thumbnails import PhotoStore
from carlib.pages.words import percent

_KEPT = (
    " What is decided about V is remembered, but changes no figure: those before and "
    "after must be got on the same."
)


class Side(NamedTuple):
    """A photo of a case."""

    image_path: str
    damage_class: str
    subset: str
    sha256: str

    @property
    def is_learned(self) -> bool:
        """Whether it's trained on: only then a patch changes something."""
        return self.subset in ("T", "")


def cases(found: Audit, store: PhotoStore) -> list[dict[str, Any]]:
    """Return an audit's pairs and doubtful labels, those all in V at the end.

    Returns:
        A case each: id, title, words, photos (number and note), subjects (hash, name
        and label of each photo) and choices (name, key, text, rows: decisions).
    """
    asked = [*_pairs(found.pairs, store), *_suspects(found.suspects, store)]
    once = {case["id"]: case for case in asked}  # a file may be there three times
    return sorted(once.values(), key=lambda case: case["idle"])


def _pairs(pairs: pd.DataFrame, store: PhotoStore) -> Iterator[dict[str, Any]]:
    for row in pairs.itertuples():
        one = Side(*(getattr(row, name) for name in Side._fields))
        other = Side(*(getattr(row, f"other_{name}") for name in Side._fields))
        words = [f"They look like one picture ({IN_WORDS[row.kind]})."]
        words += ["They have two labels."] if row.contradicts else []
        words += (
            ["One is in T, one in V, so that figures got on V are too good."]
            if row.crosses
            else []
        )
        title = "Which label is right?" if row.contradicts else "One picture, or two?"
        yield _case(title, " ".join(words), [one, other], _of_pair(one, other), store)


def _of_pair(one: Side, other: Side) -> list[dict[str, Any]]:
    """Return the ways to decide about a pair."""
    copy = _row("pair", one, other, "copy")
    if one.damage_class == other.damage_class:
        choices = [_choice("copy", "c", "One picture: keep both", [copy])]
    else:
        choices = [
            _choice("left", "l", "The left label is right", _agreed(one, other)),
            _choice("right", "r", "The right label is right", _agreed(other, one)),
        ]
    if one.sha256 != other.sha256:
        two = [_row("pair", one, other, "different")]
        choices.append(_choice("different", "d", "Two pictures", two))
    if left_out := _to_leave_out(one, other):
        which, drop = left_out
        text = f"Leave out the {which} one" + " (in T)" * (one.subset != other.subset)
        choices.append(
            _choice("drop", "x", text, [copy, _row("label", drop, None, "drop")])
        )
    return choices


def _agreed(right: Side, wrong: Side) -> list[list[str]]:
    """Return the decisions that give a pair the label of one of them."""
    label = f"{RELABEL}{right.damage_class}"
    rows = [_row("pair", right, wrong, "copy"), _row("label", wrong, None, label)]
    same_file = right.sha256 == wrong.sha256
    return rows if same_file else [*rows, _row("label", right, None, "keep")]


def _to_leave_out(one: Side, other: Side) -> tuple[str, Side] | None:
    """Return which of a pair to leave out of T: the one that is in V, too, or the last.

    Of one file that is in T twice none can be: the hash would stand for both.
    """
    sides = {"left": one, "right": other}
    learned = {which: side for which, side in sides.items() if side.is_learned}
    if not learned or (len(learned) == 2 and one.sha256 == other.sha256):
        return None
    return list(learned.items())[-1]


def _suspects(suspects: pd.DataFrame, store: PhotoStore) -> Iterator[dict[str, Any]]:
    for row in suspects.itertuples():
        side = Side(*(getattr(row, name) for name in Side._fields))
        label, other = map(printable, (row.damage_class, row.suggested))
        words = (
            f"A head that was trained without it gives {label} "
            f"{percent(row.probability)}, and {other} "
            f"{percent(row.suggested_probability)}."
        )
        title = f"Is it {label}, or {other}?"
        yield _case(title, words, [side], _of_label(side, row.suggested), store)


def _of_label(side: Side, suggested: str) -> list[dict[str, Any]]:
    """Return the ways to decide about a label."""
    label, other = map(printable, (side.damage_class, suggested))
    given = _row("label", side, None, f"{RELABEL}{suggested}")
    kept, left_out = (_row("label", side, None, what) for what in ("keep", "drop"))
    choices = [
        _choice("keep", "y", f"{label} is right", [kept]),
        _choice("suggested", "s", f"It is {other}", [given]),
        _choice("drop", "x", "Leave it out", [left_out]),
    ]
    return choices[:1] + choices[2:] if suggested == side.damage_class else choices


def _case(
    title: str,
    words: str,
    sides: list[Side],
    choices: list[dict[str, Any]],
    store: PhotoStore,
) -> dict[str, Any]:
    """Return a case; its photos take their places among the page's."""
    idle = not any(side.is_learned for side in sides)
    for choice in choices:
        for row in choice["rows"]:
            row[4:] = [store.name(path) if path else "" for path in row[4:]]
    return {
        "id": " ".join(sorted(side.sha256 for side in sides)),
        "title": title,
        "words": words + _KEPT * idle,
        "idle": idle,
        "photos": [_shown(side, store) for side in sides],
        "subjects": [
            [side.sha256, store.name(side.image_path), side.damage_class]
            for side in sides
        ],
        "choices": choices,
    }


def _shown(side: Side, store: PhotoStore) -> dict[str, Any]:
    subset = f", in {side.subset}" if side.subset else ""
    note = printable(f"{side.damage_class}{subset}")
    return {"photo": store.number(side.image_path, note), "note": note}


def _choice(name: str, key: str, text: str, rows: list[list[str]]) -> dict[str, Any]:
    return {"name": name, "key": key, "text": text, "rows": rows}


def _row(kind: str, side: Side, other: Side | None, decision: str) -> list[str]:
    """Return a decision, with paths in the place of names."""
    hashes = [side.sha256, other.sha256 if other else ""]
    paths = [side.image_path, other.image_path if other else ""]
    return [kind, *hashes, decision, *paths]
