"""The worst mistakes, a card each: what was said, and what can be told of why."""

from typing import Any

from carlib.pages.answers import Answers
from carlib.pages.reasons import Reasons
from carlib.pages.words import counted, percent

MOST = 12


def worst_rows(found: Answers) -> list[int]:
    """Return the rows of the wrong answers that the model was surest of."""
    return list(found.worst().index[:MOST])


def mistakes(found: Answers, reasons: Reasons) -> dict:
    """Return the facts of the wrong answers that the model was surest of."""
    rows = worst_rows(found)
    return {
        "lead": _lead(found, len(rows)),
        "notes": reasons.notes,
        "explained": any(reasons.maps.get(x) or reasons.groups.get(x) for x in rows),
        "has_maps": any(reasons.maps.get(row) for row in rows),
        "cards": [_card(row, found, reasons) for row in rows],
    }


def _lead(found: Answers, shown: int) -> str:
    wrong = int((~found.right).sum())
    if not wrong:
        return f"None: all {counted(len(found.table), 'photo')} are named right."
    few = "" if shown == wrong else f" Here are the {shown} that it was surest of."
    answers = counted(len(found.table), "answer")
    return (
        f"{wrong:,} of {answers} are wrong.{few} Some may be the label's fault, not "
        "the model's: look before you judge."
    )


def _refusal(answer: Any) -> str:
    why = answer.get("why", "")
    return f" It said by itself that it isn't sure ({why})." if why else ""


def _card(row: int, found: Answers, reasons: Reasons) -> dict[str, Any]:
    answer = found.table.loc[row]
    named, label = found.names[answer.predicted], found.names[answer.actual]
    return {
        "title": f"Labelled {label}, named {named}",
        "photo": found.photo(row),
        "words": f"It gave {named} {percent(answer.score)}, and {label} "
        f"{percent(answer.own)}.{_refusal(answer)}",
        "maps": reasons.maps.get(row, []),
        "groups": reasons.groups.get(row, []),
    }
