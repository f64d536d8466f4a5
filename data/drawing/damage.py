"""Damage, drawn onto a sheet: dents, scratches, broken glass and lamps."""

import numpy as np

from drawing.fields import Array, Colour, Noise, Rng
from drawing.sheet import AMBER, CHROME, DARK, WHITE, Sheet, oval, shade


def dent(sheet: Sheet, rng: Rng, at: Array, size: float, paint: Colour) -> None:
    """Press a few bowls into the sheet, each with a fold."""
    noise = Noise(rng)
    for _ in range(int(rng.integers(2, 4))):
        turn, shift = rng.uniform(-0.9, 0.9), rng.normal(0, 0.4 * size, 2)
        a, b = sheet.a - at[0] - shift[0], sheet.b - at[1] - 0.5 * shift[1]
        wobble = 0.4 * noise.at(a / size + 50, b / size + 50, 1)
        along = (a * np.cos(turn) + b * np.sin(turn)) / size + wobble
        across = (b * np.cos(turn) - a * np.sin(turn)) / size + wobble
        bowl = np.exp(-((along**2 + (across * 1.6) ** 2) ** 1.4) * 2) * sheet.inner
        fold = np.exp(-np.hypot(across * 8, 0.3) - 2.4 * along**2) * sheet.inner
        sheet.height -= size * rng.uniform(0.30, 0.48) * bowl
        sheet.height += size * rng.choice([-1, 1]) * rng.uniform(0.10, 0.2) * fold
        sheet.wash(0.34 * bowl + 0.3 * fold, shade(paint, 0.35), 0.4)


def scratch(sheet: Sheet, rng: Rng, at: Array, size: float, paint: Colour) -> None:
    """Scrape paint off in bundles of fine strokes, here to the primer, there less."""
    bared, heading, noise = _primer(rng, paint), rng.normal(0, 0.22), Noise(rng)
    worn = 0.75 + 2.5 * noise.at(sheet.a * 9 + 30, sheet.b * 30 + 30, 3)
    for _ in range(int(rng.integers(3, 6))):
        centre = at + rng.normal(0, 1, 2) * (0.45 * size, 0.35 * size)
        lines = _bundle(rng, centre, size, heading + rng.normal(0, 0.08))
        for width, share in ((0.012, 0.3), (0.003, 1.0)):
            mask = sheet.strokes(lines, width) * np.clip(worn, 0, 1) * share
            sheet.wash(mask, bared, 0.15)
    deep = _jagged(rng, at - (size * 0.8, 0), heading, size * rng.uniform(1, 2), 0.04)
    sheet.line(deep, bared, 0.007)
    sheet.line(deep + (0, 0.004), shade(paint, 0.35), 0.003)


def break_glass(
    sheet: Sheet, rng: Rng, at: Array, size: float, squash: float, hardened: float
) -> None:
    """Break a window as laminated glass breaks or, by a chance, as hardened glass."""
    crumbles = rng.random() < hardened
    with sheet.within(sheet.glass):
        (_craze if crumbles else _web)(sheet, rng, at, size, squash)
        if crumbles or rng.random() < 0.3:
            _hole(sheet, rng, at, size * rng.uniform(0.3, 0.7), (0.03,) * 3)


def break_lamp(sheet: Sheet, rng: Rng, lens: Array, at: Array, front: bool) -> None:
    """Break a lamp's lens: holes, a bare bulb, cracks to the rim."""
    behind, bulb = (DARK, CHROME) if front else ((0.45,) * 3, AMBER)
    start = at + rng.normal(0, 0.03, 2)
    with sheet.within(sheet.shape(lens)):
        _hole(sheet, rng, start, rng.uniform(0.08, 0.13), behind)
        _hole(sheet, rng, start + rng.normal(0, 0.03, 2), 0.06, shade(behind, 0.5))
        sheet.fill(oval(*at, 0.026, 0.030), bulb, 0.6)
        sheet.fill(oval(*at + (0.004, 0.006), 0.010, 0.012), WHITE, 0.6)
        for turn in rng.uniform(0, 2 * np.pi, 14):
            edge = start + 0.07 * _heading(turn)
            crack = _jagged(rng, edge, turn, rng.uniform(0.05, 0.2), 0.25)
            sheet.line(crack, shade(WHITE, 0.9), rng.choice([0.0015, 0.003]), 0.3)
        for centre in at + rng.normal(0, 1, (3, 2)) * (0.14, 0.04):
            _hole(sheet, rng, centre, rng.uniform(0.02, 0.045), behind)


def wreck(face: Sheet, side: Sheet, rng: Rng, end: int, paint: Colour) -> None:
    """Tear and dent one end of the car."""
    for _ in range(8):
        at = np.array([rng.uniform(-0.7, 0.7), rng.uniform(0.3, 0.9)])
        _hole(face, rng, at, 0.16, DARK)
        dent(face, rng, at, 0.25, paint)
        dent(side, rng, (end * (1.3 + at[0]), at[1]), 0.2, paint)


def _primer(rng: Rng, paint: Colour) -> Colour:
    """Return the colour of bared ground coat, well apart from the paint's."""
    light = np.mean(paint) < 0.45
    tone = rng.uniform(0.82, 0.98) if light else rng.uniform(0.12, 0.35)
    return tuple(np.clip(tone + rng.normal(0, 0.02, 3), 0, 1).tolist())


def _heading(turn: float) -> Array:
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def _jagged(rng: Rng, start: Array, turn: float, length: float, bend: float) -> Array:
    """Return the points of a line that can't keep its direction."""
    steps = max(int(length / 0.03), 3)
    moves = _heading(turn + np.cumsum(rng.normal(0, bend, steps))) * length / steps
    return np.vstack([start, start + np.cumsum(moves, axis=0)])


def _bundle(rng: Rng, at: Array, size: float, turn: float) -> list[Array]:
    """Return fine lines that run side by side."""
    length, gap = size * rng.uniform(0.8, 2.8), rng.uniform(0.005, 0.020)
    forward, aside, lines = _heading(turn), _heading(turn + np.pi / 2), []
    for k in range(int(rng.integers(3, 9))):
        part = length * rng.uniform(0.3, 1)
        start = at + aside * gap * k - forward * (part / 2 - rng.normal(0, length / 8))
        lines.append(_jagged(rng, start, turn, part, 0.03))
    return lines


def _web(sheet: Sheet, rng: Rng, at: Array, size: float, squash: float) -> None:
    """Draw cracks that run out from one point, and others that join them."""
    turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(18, 32)))
    rays = [
        _jagged(rng, np.zeros(2), turn, size * rng.uniform(0.4, 1.8), 0.13)
        * (1, squash)
        + at
        for turn in turns
    ]
    for one, two in zip(rays, rays[1:] + rays[:1], strict=True):
        sheet.line(one, shade(WHITE, rng.uniform(0.6, 1)), rng.choice([0.002, 0.004]))
        for k in np.flatnonzero(rng.random(min(len(one), len(two)) - 1) < 0.6):
            ends = [one[k], two[min(k + rng.integers(0, 2), len(two) - 1)]]
            sheet.line(ends, shade(WHITE, rng.uniform(0.5, 0.95)), 0.002)
    for centre in at + rng.normal(0, 0.13 * size, (60, 2)) * (1, squash):
        tone = shade(WHITE, rng.uniform(0.5, 1))
        sheet.line(_shard(rng, centre, 0.05 * size, 4), tone, 0.002)


def _craze(sheet: Sheet, rng: Rng, at: Array, size: float, squash: float) -> None:
    """Draw the small cells into which hardened glass breaks."""
    steps = np.arange(-2.2 * size, 2.2 * size, 0.030)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1) + at
    grid += rng.normal(0, 0.008, grid.shape)
    whole = np.linalg.norm((grid - at) / (1, squash), axis=-1) > 1.7 * size
    whole |= rng.random(whole.shape) < 0.12
    for i, j in np.argwhere(~whole[:-1, :-1]):
        corner = [grid[i + 1, j], grid[i, j], grid[i, j + 1]]
        sheet.line(corner, shade(WHITE, rng.uniform(0.35, 0.9)), 0.002)


def _shard(rng: Rng, at: Array, size: float, corners: int) -> Array:
    turns = np.sort(rng.uniform(0, 2 * np.pi, corners))
    return at + size * rng.uniform(0.5, 1.3, (corners, 1)) * _heading(turns)


def _hole(sheet: Sheet, rng: Rng, at: Array, size: float, behind: Colour) -> None:
    """Break a piece out, bright along the broken edge."""
    edge = _shard(rng, at, size, 11)
    sheet.fill(edge, behind, 0.1)
    sheet.outline(edge, shade(WHITE, 0.85), 0.003)
