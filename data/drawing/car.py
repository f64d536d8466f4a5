"""Make up an undamaged car and draw its side, front and rear."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drawing.fields import Array, Colour, Map, Points, Rng, silhouette, smoothstep
from drawing.sheet import (
    AMBER,
    CHROME,
    DARK,
    GLASS,
    RED,
    RUBBER,
    WHITE,
    Sheet,
    box,
    oval,
    shade,
)

PAINTS = (
    (0.92, 0.92, 0.90),
    (0.66, 0.68, 0.70),
    (0.36, 0.38, 0.41),
    (0.12, 0.12, 0.14),
    (0.62, 0.07, 0.08),
    (0.08, 0.17, 0.42),
    (0.20, 0.36, 0.55),
    (0.09, 0.26, 0.19),
    (0.64, 0.57, 0.44),
    (0.40, 0.10, 0.16),
)
# The side view's outline, from the front bumper over the roof to the rear bumper.
FRONT = ((1.98, 0.22), (2.10, 0.30), (2.12, 0.52), (2.05, 0.60), (2.02, 0.74))
BONNET = ((1.86, 0.84), (1.02, 0.99), (0.20, 1.41))
REARS = (
    ((-0.40, 1.47), (-1.45, 1.40), (-1.88, 1.02), (-1.92, 0.64)),
    ((-0.30, 1.45), (-0.85, 1.40), (-1.48, 1.06), (-2.06, 1.00), (-2.12, 0.64)),
    ((-0.40, 1.49), (-1.85, 1.43), (-2.12, 0.98), (-2.14, 0.64)),
)
# Lamps and grilles as seen from the front or the rear.
HEADS = (
    ((0.40, 0.64), (0.46, 0.71), (0.66, 0.80), (0.95, 0.83), (0.95, 0.69)),
    tuple(map(tuple, oval(0.66, 0.715, 0.20, 0.085))),
    ((0.42, 0.635), (0.42, 0.785), (0.95, 0.785), (0.95, 0.635)),
)
TAILS = (
    ((0.62, 0.64), (0.62, 0.98), (0.95, 1.00), (0.95, 0.64)),
    ((0.38, 0.70), (0.42, 0.87), (0.95, 0.88), (0.95, 0.68)),
    ((0.46, 0.80), (0.58, 0.92), (0.95, 0.95), (0.95, 0.66), (0.64, 0.68)),
)
GRILLES = (
    box(0, 0.70, 0.66, 0.10),
    oval(0, 0.70, 0.30, 0.07),
    np.array([(-0.34, 0.75), (0.34, 0.75), (0.24, 0.63), (-0.24, 0.63)]),
)


@dataclass(frozen=True)
class Look:
    """All that differs between two undamaged cars."""

    outline: list[tuple[float, float]]
    doors: tuple[float, ...]  # seams, front to rear
    windscreen: float  # its upper edge, and the rear window's
    rear_window: float
    wheels: tuple[float, float]
    radius: float
    spokes: int
    paint: Colour
    bumper: Colour
    lamps: dict[str, Array]
    grille: Array
    strip: bool

    @property
    def nose(self) -> float:
        return max(x for x, _ in self.outline)

    @property
    def stern(self) -> float:
        return min(x for x, _ in self.outline)

    def lamp_middle(self, face: str, sign: int) -> Array:
        lens = self.lamps[face]
        return np.array([sign * 0.66, lens[lens[:, 0] > 0.5][:, 1].mean()])


def pick(rng: Rng, choices: Sequence) -> object:
    return choices[rng.integers(len(choices))]


def new_look(rng: Rng) -> Look:
    rear, tall = pick(rng, REARS), rng.uniform(0.97, 1.12)
    end, _ = rear[-1]
    bumper = ((end - 0.08, 0.56), (end - 0.09, 0.36), (end + 0.05, 0.22))
    paint = pick(rng, PAINTS) * rng.normal(1, 0.025, 3) * rng.uniform(0.8, 1.08)
    paint = tuple(np.clip(paint, 0, 1).tolist())
    return Look(
        outline=[
            (x, y * (tall if y > 0.9 else 1)) for x, y in FRONT + BONNET + rear + bumper
        ],
        doors=(0.78, -0.22, -1.05) if rng.random() < 0.75 else (0.78, -0.62),
        windscreen=BONNET[-1][1] * tall,
        rear_window=rear[1][1] * tall,
        wheels=(1.32, rng.uniform(-1.30, -1.22)),
        radius=rng.uniform(0.31, 0.34),
        spokes=int(rng.integers(5, 11)),
        paint=paint,
        bumper=RUBBER if rng.random() < 0.12 else paint,
        lamps={
            "front": np.array(pick(rng, HEADS)),
            "rear": np.array(pick(rng, TAILS)),
        },
        grille=pick(rng, GRILLES),
        strip=rng.random() < 0.35,
    )


def silhouettes(look: Look) -> dict[str, Map]:
    """Return side, plan and end view, whose common part is the body."""
    nose, stern = look.nose, look.stern
    roof = max(y for _, y in look.outline)
    half = [(nose + 0.02, 0.30), (nose - 0.10, 0.62), (nose - 0.42, 0.85), (0.2, 0.88)]
    half += [(stern + 0.42, 0.86), (stern + 0.08, 0.66), (stern - 0.02, 0.35)]
    up = [(0.74, 0.2), (0.86, 0.34), (0.88, 0.62), (0.85, 0.88), (0.79, 1.0)]
    up += [(0.60, roof + 0.02), (0.36, roof + 0.12)]
    return {
        "side": silhouette(look.outline),
        "plan": silhouette(half + [(x, -z) for x, z in reversed(half)]),
        "end": silhouette(up + [(-z, y) for z, y in reversed(up)]),
    }


def draw_faces(look: Look, views: dict[str, Map], scale: float) -> dict[str, Sheet]:
    """Return the drawings of side, front and rear."""
    sheets = {
        "side": Sheet(-2.4, 2.3, scale, look.paint),
        "front": Sheet(-1, 1, scale, look.paint),
        "rear": Sheet(-1, 1, scale, look.paint),
    }
    _draw_side(sheets["side"], look, views["side"])
    _draw_front(sheets["front"], look, views["end"])
    _draw_rear(sheets["rear"], look, views["end"])
    return sheets


def _draw_side(sheet: Sheet, look: Look, view: Map) -> None:
    _draw_glass(sheet, view, 1.02, 9.0, look.doors[1:], (0.1, -0.9))
    _draw_doors(sheet, look)
    sheet.fill(box(0, 0.27, 2.0, 0.08), shade(look.bumper, 0.6), 0.2)
    if look.strip:
        sheet.fill(box(-0.1, 0.55, 1.8, 0.05), RUBBER, 0.2)
    sheet.height += 0.012 * smoothstep(0.74, 0.78, sheet.b)
    for face, end in (("front", look.nose), ("rear", look.stern)):
        _draw_corner(sheet, look, face, end)


def _draw_glass(
    sheet: Sheet, view: Map, low: float, top: float, pillars: Points, seats: Points
) -> None:
    """Cut windows into the sheet, a hand away from the car's edge, seats behind."""
    edge = view.at(sheet.a.ravel(), sheet.b.ravel()).reshape(sheet.a.shape)
    room = np.minimum.reduce([-edge - 0.07, sheet.b - low, top - sheet.b])
    for pillar in pillars:
        room = np.minimum(room, np.abs(sheet.a - pillar) - 0.035)
    pixel = 1.5 / sheet.scale
    pane = smoothstep(-pixel, pixel, room - 0.02)
    sheet.wash(smoothstep(-pixel, pixel, room), DARK, 0.3)
    sheet.wash(pane, GLASS, 0.4)
    sheet.glass = sheet.mask(pane)
    with sheet.within(sheet.glass):
        for a in seats:
            sheet.fill(oval(a, 1.2, 0.11, 0.10), shade(GLASS, 1.5), 0.3)
            sheet.fill(box(a, 1.0, 0.34, 0.26), shade(GLASS, 1.35), 0.3)


def _draw_doors(sheet: Sheet, look: Look) -> None:
    for seam in look.doors:
        sheet.seam([(seam, 1.02), (seam + 0.02, 0.6), (seam, 0.34)])
    sheet.seam([(look.doors[0], 0.34), (look.doors[-1], 0.34)])
    for seam in look.doors[1:]:
        sheet.fill(oval(seam + 0.14, 0.87, 0.10, 0.024), shade(look.paint, 0.45), 0.4)
        sheet.fill(oval(seam + 0.14, 0.878, 0.095, 0.016), shade(look.paint, 1.1), 0.8)


def _draw_corner(sheet: Sheet, look: Look, face: str, end: float) -> None:
    """Draw what reaches round the corner from the front or rear: lamp and bumper."""
    lamp, inward = look.lamps[face], -np.sign(end)
    low, high = lamp[lamp[:, 0] > 0.6][:, 1].min(), lamp[:, 1].max()
    tip = 0.38 if lamp[:, 0].max() > 0.9 else 0.12
    lens = np.array([(-0.1, low), (-0.1, high), (tip, high), (tip - 0.06, low)])
    middle = np.array([end + inward * 0.2, (low + high) / 2])
    LAMPS[face](sheet, lens * (inward, 1) + (end, 0), middle)
    sheet.fill(box(end + inward * 0.1, 0.42, 0.6, 0.36), look.bumper, 0.5)
    sheet.seam([(end + inward * 0.42, 0.6), (end - inward * 0.3, 0.6)])


def _draw_front(sheet: Sheet, look: Look, view: Map) -> None:
    _draw_end(sheet, look, view, look.windscreen - 0.06, 0.47)
    sheet.seam([(-1, 0.84), (1, 0.84)])
    sheet.fill(look.grille, DARK, 0.2)
    for b in np.arange(0.655, 0.75, 0.025):
        sheet.line([(-0.22, b), (0.22, b)], shade(CHROME, 0.6), 0.006, 0.6)
    sheet.outline(look.grille, CHROME, 0.012)
    for sign in (-1, 1):
        sheet.fill(oval(sign * 0.62, 0.38, 0.085, 0.045), DARK, 0.3)
        sheet.fill(oval(sign * 0.62, 0.38, 0.05, 0.035), CHROME, 0.8)
        lens = look.lamps["front"] * (sign, 1)
        _draw_head(sheet, lens, look.lamp_middle("front", sign))


def _draw_rear(sheet: Sheet, look: Look, view: Map) -> None:
    _draw_end(sheet, look, view, look.rear_window - 0.06, 0.50)
    edge = look.lamps["rear"][:, 0].min()
    sheet.seam([(-edge, 1.05), (-edge, 0.62), (edge, 0.62), (edge, 1.05)])
    sheet.fill(box(0, 0.78, 0.3, 0.025), CHROME, 0.9)
    for sign in (-1, 1):
        sheet.fill(box(sign * 0.6, 0.4, 0.2, 0.035), DARK, 0.3)
        sheet.fill(box(sign * 0.6, 0.4, 0.18, 0.025), RED, 0.6)
        lens = look.lamps["rear"] * (sign, 1)
        _draw_tail(sheet, lens, look.lamp_middle("rear", sign))


def _draw_end(sheet: Sheet, look: Look, view: Map, top: float, plate: float) -> None:
    """Draw what front and rear have in common: glass, bumper and number plate."""
    _draw_glass(sheet, view, 1.05, top, (), (-0.34, 0.34))
    sheet.fill(box(0, 0.36, 2.0, 0.47), look.bumper, 0.55)
    sheet.seam([(-1, 0.6), (1, 0.6)])
    sheet.fill(box(0, 0.25, 1.3, 0.10), RUBBER, 0.15)
    sheet.fill(box(0, plate, 0.50, 0.11), WHITE, 0.3)
    for a in (-0.2, -0.15, -0.09, 0.02, 0.07, 0.13, 0.19):
        sheet.fill(box(a, plate, 0.028, 0.06), DARK, 0.2)


def _draw_head(sheet: Sheet, lens: Array, middle: Array) -> None:
    """Draw a whole head lamp: chrome bowls behind clear plastic, an amber corner."""
    outward = np.sign(middle[0])
    with sheet.within(sheet.shape(lens)):
        sheet.fill(lens, (0.50, 0.53, 0.56), 0.6)
        for shift, size in ((0.0, 0.075), (-0.15 * outward, 0.055)):
            for part, tone in ((1.0, 0.25), (0.9, 0.72), (0.6, 0.5), (0.35, 0.9)):
                bowl = oval(middle[0] + shift, middle[1], size * part, size * part)
                sheet.fill(bowl, (tone,) * 3, 0.6)
        sheet.fill(box(outward * 0.88, middle[1], 0.16, 0.3), AMBER, 0.5)
        for a in np.arange(lens[:, 0].min(), lens[:, 0].max(), 0.02):
            sheet.line([(a, 0.5), (a, 1.0)], (0.62, 0.65, 0.68), 0.0025, 0.6)
    sheet.outline(lens, DARK, 0.006)


def _draw_tail(sheet: Sheet, lens: Array, middle: Array) -> None:
    """Draw a whole tail lamp: red, a white and an amber band, ribs."""
    low, high = lens[:, 1].min(), lens[:, 1].max()
    third = (high - low) / 3
    with sheet.within(sheet.shape(lens)):
        sheet.fill(lens, RED, 0.5)
        for colour, b in ((WHITE, low + third * 0.7), (AMBER, high - third * 0.5)):
            sheet.fill(box(middle[0], b, 0.2, third * 0.6), colour, 0.5)
        for b in np.arange(low, high, 0.018):
            sheet.line([(-3, b), (3, b)], shade(RED, 0.85), 0.0025, 0.5)
    sheet.outline(lens, DARK, 0.006)


LAMPS = {"front": _draw_head, "rear": _draw_tail}
