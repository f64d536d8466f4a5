"""What an audit has found, as a report shows it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from carlib.audits.found import IN_WORDS, Audit
from carlib.errors import printable
from carlib.pages.answers import Answers
from carlib.pages.words import counted

MOST_SHOWN = 24  # of pairs, and of doubtful labels


def audited(audit: Audit, found: Answers) -> dict[str, Any]:
    """Return the facts of an audit: sentences, a table of counts, groups of photos."""
    return {
        "sentences": [_sentence(audit)],
        "tables": [_counts(audit), *_files(audit, found)],
        "groups": [*_pairs(audit, found), *_suspects(audit, found)],
    }


def _sentence(audit: Audit) -> str:
    wrong = printable("; ".join(audit.wrong)) or "nothing that must be put right"
    return f"An audit of {counted(audit.n, 'photo')} found: {wrong}."


def _counts(audit: Audit) -> dict[str, Any]:
    kinds = audit.pairs["kind"].value_counts()
    rows = [[f"Pairs: {text}", kinds.get(kind, 0)] for kind, text in IN_WORDS.items()]
    rows += [
        ["Of these pairs, one in T and one in V", audit.pairs["crosses"].sum()],
        ["Of these pairs, under two labels", audit.pairs["contradicts"].sum()],
        ["Labels in doubt", len(audit.suspects)],
        ["Photos unlike all others", len(audit.outliers)],
        ["Files with something wrong", len(audit.files)],
    ]
    counts = [[name, f"{count:,}"] for name, count in rows]
    title = "What the audit counted"
    return {"title": title, "words": True, "head": ["What", "How many"], "rows": counts}


def _files(audit: Audit, found: Answers) -> Iterator[dict[str, Any]]:
    if len(audit.files):
        rows = [
            [
                found.store.name(row.image_path),
                printable(found.store.without_folders(row.problem)),
            ]
            for row in audit.files.itertuples()
        ]
        title = f"{counted(len(rows), 'file')} with something wrong"
        head = ["Photo", "What is wrong"]
        yield {"title": title, "words": True, "head": head, "rows": rows}


def _pairs(audit: Audit, found: Answers) -> Iterator[dict[str, Any]]:
    two = audit.pairs[audit.pairs["contradicts"]].head(MOST_SHOWN)
    if len(two):
        pairs = [
            [(row.image_path, row.damage_class), _other(row)]
            for row in two.itertuples()
        ]
        words = "The same picture was given two labels: one of them is wrong."
        yield _group("One picture, two labels", words, pairs, found)


def _other(row: Any) -> tuple[str, str]:
    return row.other_image_path, row.other_damage_class


def _suspects(audit: Audit, found: Answers) -> Iterator[dict[str, Any]]:
    suspects: pd.DataFrame = audit.suspects.head(MOST_SHOWN)
    if len(suspects):
        photos = [
            [(row.image_path, f"{row.damage_class}, or {row.suggested}?")]
            for row in suspects.itertuples()
        ]
        words = (
            "Heads that never saw these photos name them otherwise, and are sure of "
            "it. Some are merely hard: look before you change a label."
        )
        more = f": {len(suspects)} of {len(audit.suspects):,}"
        title = "Labels in doubt" + more * (len(audit.suspects) > len(suspects))
        yield _group(title, words, photos, found)


def _group(
    title: str, words: str, pairs: list[list[tuple[str, str]]], found: Answers
) -> dict[str, Any]:
    shown = [
        {"photos": [_photo(path, note, found) for path, note in pair]} for pair in pairs
    ]
    return {"title": title, "words": words, "pairs": shown}


def _photo(path: str, note: str, found: Answers) -> dict[str, Any]:
    note = printable(f"{Path(path).name}: {note}")
    return {"photo": found.store.number(path, note), "note": note}
