"""Where a car stands: light, ground and backdrop, made up alike for every class."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drawing.fields import Array, Noise, Rng, mix, smoothstep, towards

Texture = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Light:
    """Sun and sky."""

    sun: Array  # unit vector towards it
    strength: float
    warmth: Array
    ambient: float
    zenith: Array
    horizon: Array
    strips: bool  # a garage's tubes instead of a sky

    def sky(self, up: Array) -> Array:
        return mix(self.horizon, self.zenith, np.clip(up, 0, 1) ** 0.6)


@dataclass(frozen=True)
class Scene:
    """All around the car; ground and backdrop as functions of a plane's coordinates."""

    light: Light
    ground: Texture
    backdrop: Texture  # RGB and how much of it covers the sky
    depth: float
    floor: Array  # the ground's colour on average, for reflections
    skyline: Array
    noise: Noise

    def mirrored(self, rays: Array) -> Array:
        """Return what a mirror shows in a direction: sky, skyline or ground."""
        up, around = rays[:, 1], np.arctan2(rays[:, 2], rays[:, 0])
        edge = 0.16 + 0.22 * self.noise.at(around * 4 + 40, around * 0 + 3, 3)
        sky = self.light.sky(up)
        seen = mix(self.skyline + 0 * sky, sky, smoothstep(-0.08, 0.12, up - edge))
        if self.light.strips:
            across = rays[:, 2] / np.maximum(up, 0.05)
            tube = smoothstep(0.2, 0.08, np.abs(across % 1.2 - 0.6))
            seen = mix(seen, np.full(3, 1.8), tube * smoothstep(0.2, 0.4, up))
        near = self.floor * (0.45 + 0.4 * np.clip(-up, 0, 1))[:, None]
        return mix(near, seen, smoothstep(-0.12, 0.04, up))


def new_scene(rng: Rng, azimuth: float) -> Scene:
    """Make up surroundings, with the sun on the camera's side of the car."""
    noise = Noise(rng)
    ground, floor = _new_ground(rng, noise)
    return Scene(
        light=_new_light(rng, azimuth),
        ground=ground,
        backdrop=_new_backdrop(rng, noise),
        depth=rng.uniform(2.8, 7),
        floor=floor,
        skyline=rng.uniform(0.03, 0.16, 3),
        noise=noise,
    )


# strength, warmth, ambient, zenith, horizon, lowest and highest sun in degrees
WEATHER = (
    (1.0, (1, 0.96, 0.9), 0.50, (0.22, 0.38, 0.72), (0.75, 0.80, 0.86), 35, 65),
    (0.15, (1, 1, 1), 0.95, (0.55, 0.55, 0.55), (0.75, 0.80, 0.86), 35, 65),
    (0.9, (1, 0.8, 0.55), 0.45, (0.22, 0.38, 0.72), (0.80, 0.78, 0.74), 15, 28),
    (0.12, (1, 0.95, 0.8), 0.80, (0.14, 0.14, 0.14), (0.22, 0.24, 0.26), 35, 65),
)


def _new_light(rng: Rng, azimuth: float) -> Light:
    kind = int(rng.integers(len(WEATHER)))
    strength, warmth, ambient, zenith, horizon, low, high = WEATHER[kind]
    turn, height = azimuth + rng.uniform(-1.5, 1.5), np.radians(rng.uniform(low, high))
    return Light(
        sun=towards(turn, height),
        strength=strength * rng.uniform(0.8, 1.2),
        warmth=np.array(warmth),
        ambient=ambient * rng.uniform(0.85, 1.15),
        zenith=np.array(zenith),
        horizon=np.array(horizon),
        strips=kind == 3,
    )


# colour and grain of asphalt, paving, grass, gravel
GROUNDS = (
    ((0.40, 0.40, 0.42), 0.14),
    ((0.58, 0.56, 0.53), 0.08),
    ((0.33, 0.38, 0.20), 0.22),
    ((0.52, 0.47, 0.40), 0.18),
)


def _new_ground(rng: Rng, noise: Noise) -> tuple[Texture, Array]:
    kind = int(rng.integers(len(GROUNDS)))
    base, grain = np.array(GROUNDS[kind][0]) * rng.normal(1, 0.025, 3), GROUNDS[kind][1]

    def ground(x: Array, z: Array) -> Array:
        rough = 1 + grain * noise.at(x * 30, z * 30, 2) + 0.4 * noise.at(x, z, 3)
        if kind == 1:
            joint = np.minimum(np.abs(x % 0.8 - 0.4), np.abs(z % 0.8 - 0.4))
            rough = rough * (0.75 + 0.25 * smoothstep(0.0, 0.03, joint))
        return base * np.clip(rough, 0.2, 1.6)[:, None]

    return ground, base**2


def _bricks(a: Array, b: Array, noise: Noise) -> Array:
    row = np.floor(b / 0.14)
    joint = np.minimum(b % 0.14, (a + 0.17 * (row % 2)) % 0.34)
    return np.where(joint < 0.02, 1.5, 1.0)


def _leaves(a: Array, b: Array, noise: Noise) -> Array:
    return 1 + 0.9 * noise.at(a * 9, b * 9, 3)


def _garage_door(a: Array, b: Array, noise: Noise) -> Array:
    return 0.7 + 0.3 * smoothstep(0, 0.05, b % 0.3)


def _windows(a: Array, b: Array, noise: Noise) -> Array:
    pane = (np.abs(a % 1.8 - 0.9) < 0.4) & (np.abs(b % 2.2 - 1.4) < 0.55)
    return np.where(pane, 0.4, 1.0)


def _distance(a: Array, b: Array, noise: Noise) -> Array:
    return np.ones(a.shape)


# pattern, colour, height and how uneven the upper edge is
BACKDROPS = (
    (_bricks, (0.50, 0.30, 0.24), 9.0, 0.0),
    (_leaves, (0.24, 0.34, 0.17), 2.2, 1.2),
    (_garage_door, (0.60, 0.62, 0.64), 3.2, 0.0),
    (_windows, (0.64, 0.58, 0.49), 9.0, 0.0),
    (_distance, (0.22, 0.30, 0.22), 1.6, 1.2),
)


def _new_backdrop(rng: Rng, noise: Noise) -> Texture:
    pattern, colour, height, uneven = BACKDROPS[rng.integers(len(BACKDROPS))]
    base = np.array(colour) * rng.uniform(0.75, 1.1) * rng.normal(1, 0.04, 3)

    def backdrop(a: Array, b: Array) -> Array:
        rough = (1 + 0.5 * noise.at(a * 2, b * 2)) * pattern(a, b, noise)
        top = height + uneven * noise.at(a * 0.5, a * 0)
        shown = base * np.clip(rough, 0.1, 1.7)[:, None]
        cover = smoothstep(-0.05, 0.05, top - b)
        return np.concatenate([shown, cover[:, None]], axis=1)

    return backdrop
