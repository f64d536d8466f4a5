"""Values over a plane: maps read between their points, noise, signed distances."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Rng = np.random.Generator
Colour = tuple[float, ...]
Points = list[tuple[float, float]] | Array


@dataclass(frozen=True)
class Map:
    """Values on a grid over a plane, read between the grid's points."""

    data: Array
    origin: tuple[float, float]
    scale: float  # grid points per metre

    def at(self, a: Array, b: Array) -> Array:
        height, width = self.data.shape[:2]
        col = np.clip((a - self.origin[0]) * self.scale, 0, width - 1.01)
        row = np.clip((b - self.origin[1]) * self.scale, 0, height - 1.01)
        i, j = row.astype(np.intp), col.astype(np.intp)
        down, right = row - i, col - j
        if self.data.ndim == 3:
            down, right = down[:, None], right[:, None]
        flat = self.data.reshape(height * width, *self.data.shape[2:])
        k = i * width + j
        first = flat[k] * (1 - right) + flat[k + 1] * right
        second = flat[k + width] * (1 - right) + flat[k + width + 1] * right
        return first * (1 - down) + second * down


class Noise:
    """Smooth random hills of any size, the same everywhere for one generator."""

    def __init__(self, rng: Rng) -> None:
        tile = np.pad(rng.random((128, 128)), ((0, 1), (0, 1)), mode="wrap")
        self._map = Map(tile, (0, 0), 1)

    def at(self, a: Array, b: Array, octaves: int = 4) -> Array:
        """Return values about 0, mostly within -0.5 and 0.5."""
        total, weight = np.zeros(np.shape(a)), 1.0
        for octave in range(octaves):
            shift = 17.3 * octave
            total += weight * (self._map.at((a + shift) % 128, (b - shift) % 128) - 0.5)
            a, b, weight = a * 2.03, b * 2.03, weight * 0.55
        return total


def smoothstep(low: float, high: float, value: Array) -> Array:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: Array, second: Array, share: Array) -> Array:
    """Blend two lists of colours, each by its own share of the second."""
    share = np.asarray(share)[..., None]
    return first * (1 - share) + second * share


def unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def towards(azimuth: float, elevation: float) -> Array:
    """Return the unit vector for two angles in radians; azimuth 0 is the car's nose."""
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), np.sin(elevation), flat * np.sin(azimuth)])


def smooth_max(first: Array, second: Array, radius: float) -> Array:
    near = np.maximum(radius - np.abs(first - second), 0) / radius
    return np.maximum(first, second) + near * near * radius / 4


def silhouette(points: Points, scale: float = 50) -> Map:
    """Return the signed distance to a rounded polygon: negative inside."""
    outline = _rounded(np.asarray(points))
    low, high = outline.min(axis=0) - 0.4, outline.max(axis=0) + 0.4
    columns, rows = np.ceil((high - low) * scale).astype(int)
    b, a = np.mgrid[0:rows, 0:columns] / scale
    signed = _smoothed(_signed_distance(outline, a + low[0], b + low[1]))
    return Map(signed, (low[0], low[1]), scale)


def _signed_distance(outline: Array, a: Array, b: Array) -> Array:
    nearest, inside = np.full(a.shape, np.inf), np.zeros(a.shape, dtype=bool)
    for (a1, b1), (a2, b2) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        da, db = a2 - a1, b2 - b1
        t = np.clip(((a - a1) * da + (b - b1) * db) / (da * da + db * db), 0, 1)
        nearest = np.minimum(nearest, np.hypot(a - a1 - t * da, b - b1 - t * db))
        if db:
            inside ^= ((b1 > b) != (b2 > b)) & (a < a1 + (b - b1) * da / db)
    return np.where(inside, -nearest, nearest)


def _rounded(points: Array, rounds: int = 2) -> Array:
    """Cut a polygon's corners, again and again."""
    for _ in range(rounds):
        after = np.roll(points, -1, axis=0)
        cut = np.stack([0.8 * points + 0.2 * after, 0.2 * points + 0.8 * after], axis=1)
        points = cut.reshape(-1, 2)
    return points


def _smoothed(values: Array, rounds: int = 3) -> Array:
    """Soften a grid a little: reflections would show its cells otherwise."""
    for axis in (0, 1) * rounds:
        before, after = np.roll(values, 1, axis), np.roll(values, -1, axis)
        values = 0.25 * before + 0.5 * values + 0.25 * after
    return values
