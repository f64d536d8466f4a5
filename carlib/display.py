"""How an object shows itself in a notebook: a short table, everything escaped."""

import dataclasses
import html
from collections.abc import Mapping
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
