"""Which photos a model was trained or measured on: enough to name one that changed.

Of each photo twelve digits of its SHA-256 are kept, under its label. They tell whether
a photo at hand is one of those, and nothing of one that isn't.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

DIGITS = 12  # two of a million photos share them once in 500 cases
MOST = 50_000  # photos; of more a model says nothing


def digests_of(keys: Iterable[str], labels: Iterable[str]) -> dict[str, str]:
    """Return the photos' digests by label, one after another; {} of too many.

    Args:
        keys: The SHA-256 of each photo's bytes, hex digits.
        labels: The class of each.
    """
    found, count = defaultdict(list), 0
    for key, label in zip(keys, labels, strict=True):
        found[label].append(key[:DIGITS])
        count += 1
    if count > MOST:
        return {}
    return {label: "".join(sorted(found[label])) for label in sorted(found)}


def pairs_of(digests: dict[str, str]) -> list[tuple[str, str]]:
    """Return each photo's digest and label.

    Example:
        >>> pairs_of({"door_dent": "0123456789ab"})
        [('0123456789ab', 'door_dent')]
    """
    return [
        (text[start : start + DIGITS], label)
        for label, text in digests.items()
        for start in range(0, len(text), DIGITS)
    ]


def are_digests(value: Any) -> bool:
    """Tell whether a value can be what `digests_of` returns."""
    if not isinstance(value, dict) or len(value) > MOST:
        return False
    texts = value.values()
    each = rf"(?:[0-9a-f]{{{DIGITS}}}){{1,{MOST}}}"
    return all(isinstance(text, str) and re.fullmatch(each, text) for text in texts)
