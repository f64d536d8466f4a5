"""What an audit has found: tables, the same in words, and what must be put right."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pandas as pd

from carlib.audits.classes import is_wrong
from carlib.audits.pairs import KINDS
from carlib.data.addresses import file_name

SHOWN = 5  # lines of each table that are printed
IN_WORDS = {
    "file": "the same file",
    "pixels": "the same pixels, in another file",
    "near": "nearly the same: scaled, cropped, stamped or saved anew",
    "mirrored": "the mirror image",
}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """Hold what is wrong with photos and their labels; print it to read it.

    Attributes:
        n: Photos that were looked at.
        files: A row a file that can't be read or is called what it isn't: image_path,
            kind ("unreadable" or "suffix"), problem.
        pairs: A row a pair of photos that are one picture, what is most wrong first:
            kind ("file", "pixels", "near", "mirrored"), bits (of the pictures' hashes
            that differ, of 256), similarity (cosine of the standardised features),
            image_path, damage_class, subset, sha256, the same four of the other with
            other_ in front, crosses (one is in T, one in V), contradicts (two labels).
        suspects: A row a photo whose label is doubtful, the most doubtful first:
            image_path, damage_class, subset, sha256, suggested, probability (of its
            label, by a head trained without it and its copies), suggested_probability,
            margin (between the two).
        outliers: A row a photo unlike all others: image_path, damage_class, subset,
            sha256, distance (cosine, to its fifth nearest).
        classes: A row a class: damage_class, photos, pictures (copies count once), T,
            V, note.
    """

    n: int
    files: pd.DataFrame
    pairs: pd.DataFrame
    suspects: pd.DataFrame
    outliers: pd.DataFrame
    classes: pd.DataFrame

    @property
    def wrong(self) -> list[str]:
        """What must be put right, a sentence each; [] if there is nothing.

        Doubtful labels, odd photos and copies within T or within V aren't counted: they
        may be right.
        """
        unreadable = int((self.files["kind"] == "unreadable").sum())
        crossing, two = (int(self.pairs[c].sum()) for c in ("crosses", "contradicts"))
        counts = {
            "that can't be read": (unreadable, "file"),
            "of one picture with a photo in T and one in V": (crossing, "pair"),
            "of one picture under two labels": (two, "pair"),
        }
        found = [f"{_count(n, what)} {why}" for why, (n, what) in counts.items() if n]
        notes = self.classes[self.classes["note"].map(is_wrong)]
        return found + [f"{row.damage_class}: {row.note}" for row in notes.itertuples()]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values: n, wrong, and each table's rows."""
        names = [f.name for f in dataclasses.fields(self) if f.name != "n"]
        tables = {name: getattr(self, name).to_dict("records") for name in names}
        return {"n": self.n, "wrong": self.wrong} | tables

    def __str__(self) -> str:
        parts = (self._counts(), self._pairs(), self._suspects(), self._others())
        return "\n".join(line for part in parts for line in part)

    __repr__ = __str__

    def _counts(self) -> Iterator[str]:
        yield f"Looked at {_count(self.n, 'photo')} of {len(self.classes)} classes."
        yield ""
        kinds = self.files["kind"].value_counts()
        yield _line(kinds.get("unreadable", 0), "files that can't be read")
        yield _line(kinds.get("suffix", 0), "files of another format than their name's")
        for kind in KINDS:
            pairs = self.pairs[self.pairs["kind"] == kind]
            yield _line(len(pairs), f"pairs: {IN_WORDS[kind]}")
        yield _line(self.pairs["crosses"].sum(), "of these pairs in T and V")
        yield _line(self.pairs["contradicts"].sum(), "of these pairs under two labels")
        yield _line(len(self.suspects), "doubtful labels")
        yield _line(len(self.outliers), "photos unlike all others")
        yield _line((self.classes["note"] != "").sum(), "classes to look at")

    def _pairs(self) -> Iterator[str]:
        bad = self.pairs[self.pairs["crosses"] | self.pairs["contradicts"]]
        yield from _heading("Pairs in T and V, or under two labels", bad)
        for row in bad.head(SHOWN).itertuples():
            one = f"{_name(row.image_path)} ({row.damage_class}, {row.subset})"
            other = f"{row.other_damage_class}, {row.other_subset}"
            yield f"  {one} = {_name(row.other_image_path)} ({other}) {row.kind}"

    def _suspects(self) -> Iterator[str]:
        yield from _heading("Doubtful labels", self.suspects)
        for row in self.suspects.head(SHOWN).itertuples():
            label = f"{row.damage_class}, or {row.suggested}?"
            yield f"  {_name(row.image_path)}: {label} (margin {row.margin:.2f})"

    def _others(self) -> Iterator[str]:
        yield from _heading("Files", self.files)
        yield from (f"  {problem}" for problem in self.files["problem"].head(SHOWN))
        yield from _heading("Unlike all others", self.outliers)
        for row in self.outliers.head(SHOWN).itertuples():
            yield f"  {_name(row.image_path)} ({row.damage_class})"
        noted = self.classes[self.classes["note"] != ""]
        yield from _heading("Classes", noted)
        yield from (f"  {r.damage_class}: {r.note}" for r in noted.itertuples())


def _heading(text: str, table: pd.DataFrame) -> list[str]:
    """Return a heading with an empty line before it, if the table has rows."""
    if table.empty:
        return []
    more = f" (the first {SHOWN} of {len(table):,})" if len(table) > SHOWN else ""
    return ["", f"{text}{more}:"]


def _line(count: int, what: str) -> str:
    return f"{count:>7,}  {what}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)


def _name(path: str) -> str:
    return file_name(path)
