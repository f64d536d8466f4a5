"""Figures in plain words, as a page says them."""

from collections.abc import Sequence

from carlib.errors import printable

Interval = tuple[float, float]


def of_100(share: float) -> str:
    """Return a share as how many of 100; what isn't all or none never reads as such."""
    rounded = f"{100 * share:.0f}"
    if rounded in ("0", "100") and 0 < share < 1:
        return f"{min(max(100 * share, 0.1), 99.9):.1f}"
    return rounded


def percent(share: float) -> str:
    """Return a share in percent, in one piece: no line ends before its sign.

    Example:
        >>> percent(0.846)
        '85\xa0%'
    """
    return f"{of_100(share)}\N{NO-BREAK SPACE}%"


def to(interval: Interval) -> str:
    """Return an interval of shares, of 100: "74 to 86"."""
    return " to ".join(map(of_100, interval))


def between(interval: Interval) -> str:
    """Return an interval of shares in a sentence: "between 74 and 86"."""
    return "between " + " and ".join(map(of_100, interval))


def counted(count: int, noun: str) -> str:
    """Return a count and its noun: "1 photo", "1,210 photos"."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names in a row, the first few of many: "a, b and c"."""
    shown = [printable(name) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most:,} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
