"""Where the marks of a chart stand: numbers a template can draw as they are."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from carlib.pages.words import Interval, of_100, to

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 30, 46
HEAT = 10  # shades of a cell


def strip(share: float, interval: Interval, baseline: float | None = None) -> dict:
    """Return a share, its interval and its baseline on a line from 0 to 100."""
    low, high = interval
    return {
        "at": _round(100 * share),
        "low": _round(100 * low),
        "width": _round(max(100 * (high - low), 0.5)),
        "baseline": None if baseline is None else _round(100 * baseline),
        "text": f"{of_100(share)} of 100, 95 %: {to(interval)}",
    }


def heat(count: int, whole: int) -> int:
    """Return how deep the shade of a cell is, 0 to 10.

    By the root of its part of the row: so a few mistakes among many photos still show.
    """
    return math.ceil(HEAT * math.sqrt(count / whole)) if whole else 0


def chart(
    title: str,
    axes: tuple[str, str],
    tops: tuple[float, float] = (1.0, 1.0),
) -> dict[str, Any]:
    """Return an empty chart of shares, from 0 to the tops of both axes.

    Add to its `lines` and `dots`; see `line` and `dot`.
    """
    return {
        "title": title,
        "axes": axes,
        "tops": tops,
        "size": (WIDTH, HEIGHT),
        "frame": (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        "x_ticks": [(x(value, tops), _tick(value)) for value in _steps(tops[0])],
        "y_ticks": [(y(value, tops), _tick(value)) for value in _steps(tops[1])],
        "lines": [],
        "dots": [],
    }


def line(made: dict, points: Iterable[tuple[float, float]], kind: str) -> None:
    """Add a line through points of shares; kind: "first", "faint" or "band"."""
    tops = made["tops"]
    text = " ".join(f"{x(a, tops)},{y(b, tops)}" for a, b in points)
    made["lines"].append({"points": text, "kind": kind})


def dot(made: dict, at: tuple[float, float], interval: Interval, text: str) -> None:
    """Add a dot with the interval of its height."""
    tops = made["tops"]
    low, high = (y(value, tops) for value in interval)
    place = {"x": x(at[0], tops), "y": y(at[1], tops), "low": low, "high": high}
    made["dots"].append(place | {"text": text})


def x(value: float, tops: Sequence[float]) -> float:
    """Return how far to the right a value stands."""
    return _round(LEFT + (WIDTH - LEFT - RIGHT) * value / tops[0])


def y(value: float, tops: Sequence[float]) -> float:
    """Return how far down a value stands; what is above the top stands there."""
    share = min(value / tops[1], 1.0)
    return _round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share)


def _steps(top: float) -> list[float]:
    steps = next(n for n in (0.2, 0.1, 0.05, 0.02, 0.01, 0.005) if top / n >= 3)
    return [steps * count for count in range(int(top / steps + 1e-9) + 1)]


def _tick(value: float) -> str:
    return f"{100 * value:.3g} %"


def _round(value: float) -> float:
    return round(float(value), 1)
