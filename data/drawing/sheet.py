"""A flat drawing of one face of a car: colour, gloss and the height of dents."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from drawing.fields import Array, Colour, Map, Points, smoothstep

DARK, RUBBER, CHROME, WHITE = (0.09,) * 3, (0.16,) * 3, (0.78,) * 3, (0.95,) * 3
GLASS, RED, AMBER = (0.13, 0.16, 0.17), (0.72, 0.05, 0.06), (0.93, 0.52, 0.08)
FLOOR, ROOF = 0.1, 1.85  # what a sheet shows, in metres above the ground


class Sheet:
    """Draw in metres, y up; twice as fine as what is read from it in the end."""

    def __init__(self, low: float, high: float, scale: float, paint: Colour) -> None:
        self.origin, self.scale = (low, FLOOR), scale
        columns, rows = int((high - low) * scale), int((ROOF - FLOOR) * scale)
        b, a = np.mgrid[0:rows, 0:columns] / scale
        self.a, self.b = a + low, b + FLOOR
        self.height = np.zeros(a.shape)
        # Damage ends before the car's corner, where another sheet takes over.
        self.inner = smoothstep(high - 0.22, high - 0.42, np.abs(self.a))
        self._gap = shade(paint, 0.25)
        self._colour = Image.new("RGB", (2 * columns, 2 * rows), _bytes(paint))
        self._gloss = Image.new("L", self._colour.size, 105)
        self._pens = ImageDraw.Draw(self._colour), ImageDraw.Draw(self._gloss)
        self.glass = Image.new("L", self._colour.size)

    def fill(self, points: Points, colour: Colour, gloss: float = 0.5) -> None:
        for pen, ink in zip(self._pens, _inks(colour, gloss), strict=True):
            pen.polygon(self._pixels(points), fill=ink)

    def line(
        self, points: Points, colour: Colour, width: float, gloss: float = 0.1
    ) -> None:
        wide, at = self._wide(width), self._pixels(points)
        for pen, ink in zip(self._pens, _inks(colour, gloss), strict=True):
            pen.line(at, fill=ink, width=wide, joint="curve")

    def outline(self, points: Points, colour: Colour, width: float) -> None:
        self.line([*points, points[0]], colour, width, 0.4)

    def seam(self, points: Points) -> None:
        """Draw the gap between two panels."""
        self.line(points, self._gap, 0.006)

    def wash(self, share: Array, colour: Colour, gloss: float) -> None:
        """Lay a colour over the sheet, as strongly as share (0 to 1) says."""
        mask = self.mask(share)
        for picture, ink in zip(self._pictures, _inks(colour, gloss), strict=True):
            picture.paste(ink, (0, 0, *mask.size), mask)

    def mask(self, share: Array) -> Image.Image:
        mask = Image.fromarray(np.uint8(np.clip(share, 0, 1) * 255))
        return mask.resize(self._colour.size, Image.Resampling.BILINEAR)

    def shape(self, points: Points) -> Image.Image:
        """Return the mask of a polygon."""
        mask = Image.new("L", self._colour.size)
        ImageDraw.Draw(mask).polygon(self._pixels(points), fill=255)
        return mask

    def strokes(self, lines: list[Array], width: float) -> Array:
        """Return how far each point of the sheet is covered by thin lines."""
        mask = Image.new("L", self._colour.size)
        for points in lines:
            at = self._pixels(points)
            ImageDraw.Draw(mask).line(at, 255, self._wide(width), "curve")
        return np.asarray(mask.reduce(2)) / 255

    @contextmanager
    def within(self, mask: Image.Image) -> Iterator[None]:
        """Let only what lies within the mask be drawn upon."""
        before = [picture.copy() for picture in self._pictures]
        yield
        for picture, old in zip(self._pictures, before, strict=True):
            picture.paste(old, (0, 0), ImageChops.invert(mask))

    def maps(self) -> tuple[Map, Map, Map]:
        """Return colour, gloss and slope, to be read anywhere."""
        slope = np.stack(np.gradient(self.height)[::-1], axis=-1) * self.scale
        drawn = [np.asarray(picture.reduce(2)) / 255 for picture in self._pictures]
        return tuple(Map(each, self.origin, self.scale) for each in (*drawn, slope))

    @property
    def _pictures(self) -> tuple[Image.Image, Image.Image]:
        return self._colour, self._gloss

    def _pixels(self, points: Points) -> list[tuple[float, float]]:
        at = (np.asarray(points) - self.origin) * self.scale * 2
        return [tuple(point) for point in at.tolist()]

    def _wide(self, width: float) -> int:
        return max(1, round(width * self.scale * 2))


def _bytes(colour: Colour) -> tuple[int, ...]:
    return tuple(int(255 * min(max(part, 0), 1)) for part in colour)


def _inks(colour: Colour, gloss: float) -> tuple[tuple[int, ...], int]:
    return _bytes(colour), int(gloss * 255)


def shade(colour: Colour, factor: float) -> Colour:
    return tuple(part * factor for part in colour)


def oval(a: float, b: float, wide: float, high: float, steps: int = 28) -> Array:
    turn = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([a + wide * np.cos(turn), b + high * np.sin(turn)], axis=1)


def box(a: float, b: float, wide: float, high: float) -> Array:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return corners * (wide / 2, high / 2) + (a, b)
