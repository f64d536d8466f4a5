"""Take a picture of a car: geometry, camera, light and film in plain numpy.

The car's body is what its three silhouettes (side, plan, end) have in common, with
rounded edges. Rays walk towards it by the distance that is surely free. How the body
looks (colour, gloss, slopes of dents) comes from the flat drawings, projected onto it.
Metres; x points forward, y up, z to the car's right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from drawing.fields import Array, Colour, Map, Rng, mix, smooth_max, smoothstep, unit
from drawing.scene import Light, Scene

SIZE = 224
OVERSAMPLE = 2
REACH = 3.2  # no part of the car is farther from the origin
BODY, WHEEL, MIRROR = range(3)


@dataclass(frozen=True)
class Car:
    """What a picture can be taken of."""

    side: Map
    plan: Map
    end: Map
    wheels: tuple[float, float]
    radius: float
    spokes: int
    paint: Colour
    skins: dict[str, tuple[Map, Map, Map]]  # colour, gloss, slope
    crush: Callable[[Array], Array] | None  # how far a point was pushed along x


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from, and one ray a pixel, row by row."""

    eye: Array
    rays: Array
    blur: float  # of the backdrop, in oversampled pixels

    @property
    def heading(self) -> Array:
        return unit(-self.eye * (1, 0, 1))


def aim(eye: Array, target: Array, fov: float, roll: float, blur: float) -> Camera:
    """Point a camera at a target; angles in radians."""
    forward = unit(target - eye)
    right = unit(np.cross(forward, (np.sin(roll), np.cos(roll), 0)))
    up = np.cross(right, forward)
    steps = np.linspace(-1, 1, SIZE * OVERSAMPLE) * np.tan(fov / 2)
    across, down = (grid.reshape(-1, 1) for grid in np.meshgrid(steps, steps))
    return Camera(eye, unit(forward + across * right - down * up), blur)


def render(car: Car, scene: Scene, camera: Camera) -> Array:
    """Return the light on each pixel of the oversampled picture."""
    eye, rays = camera.eye, camera.rays
    image = _backdrop(scene, camera)
    drop = np.minimum(rays[:, 1], -0.003)
    at = eye - (eye[1] / drop)[:, None] * rays
    floor = (rays[:, 1] < -0.003) & (at @ camera.heading < scene.depth)
    image[floor] = _ground(car, scene, at[floor])
    travelled, hit = _walk(car, eye, rays)
    image[hit] = _car(car, scene, rays[hit], eye + travelled[hit, None] * rays[hit])
    return image.reshape(SIZE * OVERSAMPLE, SIZE * OVERSAMPLE, 3)


def develop(light: Array, rng: Rng) -> Image.Image:
    """Turn light into a photo: exposure, tint, vignette, contrast, blur, noise."""
    exposed = light * (0.24 / np.mean(light)) ** 0.9 * rng.uniform(0.75, 1.45)
    exposed *= rng.uniform(0.94, 1.06, 3)
    steps = np.linspace(-1, 1, len(light))
    corner = steps[:, None] ** 2 + steps**2
    exposed *= (1 - rng.uniform(0.05, 0.22) * corner)[..., None]
    shown = np.sqrt(1 - np.exp(-1.6 * exposed))
    picture = _picture(0.5 * shown + 0.5 * smoothstep(0, 1, shown))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))
    small = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)) / 255
    small = small + rng.normal(0, rng.uniform(0.007, 0.013), (SIZE, SIZE, 1))
    return _picture(small + rng.normal(0, 0.006, (SIZE, SIZE, 3)))


def _picture(shown: Array) -> Image.Image:
    return Image.fromarray(np.uint8(np.clip(shown, 0, 1) * 255))


# The car's shape


def _parts(car: Car, points: Array) -> tuple[Array, Array, Array]:
    """Return the distances to the body, the wheels and the mirrors."""
    x, y, z = points[:, 0], points[:, 1], np.abs(points[:, 2])
    pushed = x + car.crush(points) if car.crush else x
    body = smooth_max(car.side.at(pushed, y), car.plan.at(pushed, z), 0.14)
    body = smooth_max(body, car.end.at(z, y), 0.10)
    axle = _from_axle(car, points)
    body = np.maximum(body, -np.maximum(axle - car.radius - 0.055, 0.5 - z))
    tread, wall = axle - car.radius + 0.04, np.abs(z - 0.71) - 0.06
    outside = np.hypot(np.maximum(tread, 0), np.maximum(wall, 0))
    wheel = np.minimum(np.maximum(tread, wall), 0) + outside - 0.04
    at = np.stack([x - 0.62, y - 1.07, z - 0.93], axis=1) / (0.09, 0.07, 0.12)
    return body, wheel, (np.linalg.norm(at, axis=1) - 1) * 0.07


def _from_axle(car: Car, points: Array) -> Array:
    """Return the distance from the axis of the nearer wheel, in the side view."""
    front, rear = (np.abs(points[:, 0] - wheel) for wheel in car.wheels)
    return np.hypot(np.minimum(front, rear), points[:, 1] - car.radius)


def _distance(car: Car, points: Array) -> Array:
    return np.minimum.reduce(_parts(car, points))


def _walk(car: Car, eye: Array, rays: Array) -> tuple[Array, Array]:
    """Return how far each ray gets, and whether it meets the car."""
    middle = -(rays @ eye)
    passes = np.linalg.norm(eye + middle[:, None] * rays, axis=1) < REACH
    travelled = np.maximum(middle - REACH, 0.02)
    hit, active = np.zeros(len(rays), dtype=bool), np.flatnonzero(passes)
    for _ in range(70):
        free = _distance(car, eye + travelled[active, None] * rays[active])
        travelled[active] += 0.9 * free
        hit[active] = free < 0.0015
        active = active[~hit[active] & (travelled[active] < middle[active] + REACH)]
        if not len(active):
            break
    return travelled, hit


def _normals(car: Car, points: Array) -> Array:
    corners = np.array([(1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)])
    pulls = (c * _distance(car, points + 0.035 * c)[:, None] for c in corners)
    return unit(sum(pulls) + 1e-9)


# The car's surface


def _dressed(car: Car, points: Array, normal: Array) -> tuple[Array, Array, Array]:
    """Return colour, gloss and the normal with all dents, from the flat drawings."""
    colour, gloss, bent = np.empty_like(points), np.empty(len(points)), normal.copy()
    side = np.abs(normal[:, 2]) > 1.15 * np.abs(normal[:, 0])
    ahead = normal[:, 0] > 0
    faces = {"side": side, "front": ~side & ahead, "rear": ~side & ~ahead}
    for name, here in faces.items():
        axis = 0 if name == "side" else 2
        a, b = points[here, axis], points[here, 1]
        colour[here], gloss[here], slope = (skin.at(a, b) for skin in car.skins[name])
        bent[here, axis] -= slope[:, 0]
        bent[here, 1] -= slope[:, 1]
    return colour, gloss, unit(bent)


def _wheel(car: Car, points: Array) -> tuple[Array, Array]:
    """Return colour and gloss of tyre and rim."""
    front, rear = car.wheels
    x = points[:, 0] - np.where(points[:, 0] > 0, front, rear)
    y = points[:, 1] - car.radius
    out, turn = np.hypot(x, y) / car.radius, np.arctan2(y, x)
    spoke = np.cos(turn * car.spokes) > -0.35 + 0.5 * np.clip(out - 0.3, 0, 1)
    metal = (out < 0.68) & (spoke | (out < 0.2) | (out > 0.61))
    return np.where(metal, 0.65, 0.13), np.where(metal, 0.45, 0.08)


def _surface(car: Car, points: Array) -> tuple[Array, Array, Array]:
    """Return colour, gloss and normal of points on the car."""
    normal = _normals(car, points)
    part = np.argmin(_parts(car, points), axis=0)
    colour, gloss, bent = _dressed(car, points, normal)
    rim, shine = _wheel(car, points)
    arch = (part == BODY) & (_from_axle(car, points) < car.radius + 0.05)
    for here, tone, polish in (
        (part == WHEEL, rim[:, None], shine),
        (part == MIRROR, np.array(car.paint), 0.5),
        (arch, 0.09, 0.0),
    ):
        colour = np.where(here[:, None], tone, colour)
        gloss = np.where(here, polish, gloss)
    return colour, gloss, np.where((part == BODY)[:, None], bent, normal)


# The light


def _matt(light: Light, colour: Array, normal: Array, open_sky: Array) -> Array:
    """Return the light that a matt surface sends back."""
    sun = light.strength * np.clip(normal @ light.sun, 0, 1) * (0.3 + 0.7 * open_sky)
    sky = light.ambient * (0.62 + 0.38 * normal[:, 1]) * open_sky
    return colour**2 * (sun[:, None] * light.warmth + sky[:, None])


def _car(car: Car, scene: Scene, rays: Array, at: Array) -> Array:
    """Return the light that comes from the car's points along the rays."""
    light = scene.light
    colour, gloss, normal = _surface(car, at)
    open_sky = 0.45 + 0.55 * smoothstep(0.05, 0.7, at[:, 1])
    facing = np.clip(-np.sum(rays * normal, axis=1), 0, 1)
    bounce = unit(rays + 2 * facing[:, None] * normal)
    polish = gloss * (0.3 + 0.7 * (1 - facing) ** 4)
    matt = _matt(light, colour, normal, open_sky)
    glare = 3 * light.strength * gloss * np.clip(bounce @ light.sun, 0, 1) ** 350
    return mix(matt, scene.mirrored(bounce), polish) + glare[:, None] * light.warmth


def _ground(car: Car, scene: Scene, at: Array) -> Array:
    """Return the light from the ground, with the car's shadow on it."""
    light, x, z = scene.light, at[:, 0], at[:, 2]
    slant = light.sun / light.sun[1] * 0.55
    contact = smoothstep(-0.08, 0.4, car.plan.at(x, np.abs(z)))
    shadow = smoothstep(-0.25, 0.2, car.plan.at(x + slant[0], np.abs(z + slant[2])))
    sun = light.strength * light.sun[1] * shadow * np.sqrt(contact)
    sky = light.ambient * (0.08 + 0.92 * contact)
    return scene.ground(x, z) ** 2 * (sun[:, None] * light.warmth + sky[:, None])


def _backdrop(scene: Scene, camera: Camera) -> Array:
    """Return what stands behind the car, out of focus; above it, the sky."""
    ahead = np.maximum(camera.rays @ camera.heading, 0.05)
    reach = (scene.depth - camera.eye @ camera.heading) / ahead
    at = camera.eye + reach[:, None] * camera.rays
    wall = scene.backdrop(at @ np.cross(camera.heading, (0, 1, 0)), at[:, 1])
    bright = scene.light.ambient + 0.4 * scene.light.strength
    sky, cover = scene.light.sky(camera.rays[:, 1]), wall[:, 3]
    seen = mix(sky, wall[:, :3] ** 2 * bright, cover)
    side = SIZE * OVERSAMPLE
    picture = _picture(np.sqrt(seen).reshape(side, side, 3))
    soft = picture.filter(ImageFilter.GaussianBlur(camera.blur))
    return (np.asarray(soft).reshape(-1, 3) / 255) ** 2
