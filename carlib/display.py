"""How an object shows itself in a notebook: a short table, everything escaped."""

import dataclasses
import html
import re
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


def chosen(instance: Any, first: Sequence[str] = ()) -> dict[str, str]:
    """Return a dataclass's options that aren't their defaults, as one writes them.

    Args:
        first: Those that are told of whatever they are, before the others.
    """
    usual = {each.name: each.default for each in dataclasses.fields(instance)}
    values = {name: getattr(instance, name) for name in (*first, *usual)}
    return {
        name: _written(value)
        for name, value in values.items()
        if name in first or value != usual[name]
    }


def short(instance: Any, first: Sequence[str] = ()) -> str:
    """Return a dataclass's instance as one would write it, see `chosen`.

    Example:
        >>> short(carlib.EarlyStopping(patience=5))
        'EarlyStopping(patience=5)'
    """
    found = ", ".join(
        f"{name}={text}" for name, text in chosen(instance, first).items()
    )
    return f"{type(instance).__name__}({found})"


def _written(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return short(value)
    if name := getattr(value, "__name__", None):
        return name
    # Where a thing lies in memory tells nobody anything.
    return re.sub(r"<(?:\w+\.)*(\w+) object at 0x\w+>", r"\1", repr(value))


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
        >>> grid("Evaluated", ["", "score"], [["Log-loss", "0.4049"]])
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
