"""How an object shows itself in a notebook: a short table, everything escaped."""

import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from carlib.errors import printable

LONGEST = 120  # characters of a value


def card(title: str, facts: Mapping[str, object]) -> str:
    """Return a table of facts as HTML; those that are None or empty are left out.

    Example:
        >>> card("Model", {"backbone": "InceptionV3", "classes": 8})
    """
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{_text(name)}</th>'
        f'<td style="text-align:left">{_text(value)}</td></tr>'
        for name, value in facts.items()
        if value not in (None, "")
    )
    heading = f'<caption style="text-align:left">{_text(title)}</caption>'
    return f"<table>{heading}<tbody>{rows}</tbody></table>"


def changed(instance: Any) -> dict[str, object]:
    """Return the options in a dataclass's fields that aren't their defaults."""
    values = {
        each.name: (getattr(instance, each.name), each.default)
        for each in dataclasses.fields(instance)
    }
    found = {name: value for name, (value, usual) in values.items() if value != usual}
    return found or {"options": "the defaults"}


def _text(value: object) -> str:
    text = printable(value)
    return html.escape(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def grid(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    notes: Sequence[str] = (),
) -> str:
    """Return a table with a line of column names as HTML, and notes below it.

    The first cell of a row is its name; what else it has stands to the right.

    Example:
        >>> grid("Evaluated", ["", "figure"], [["Log-loss", "0.4049"]])
    """
    caption = f'<caption style="text-align:left">{_text(title)}</caption>'
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in header)
    body = "".join(_line(row) for row in rows)
    below = "".join(f"<p>{_lines(note)}</p>" for note in notes)
    table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f"<table>{caption}{table}</table>{below}"


def _line(row: Sequence[object]) -> str:
    name = f'<th scope="row" style="text-align:left">{_text(row[0])}</th>'
    return f"<tr>{name}{''.join(f'<td>{_text(cell)}</td>' for cell in row[1:])}</tr>"


def _lines(note: str) -> str:
    return "<br>".join(html.escape(printable(line)) for line in note.split("\n"))
