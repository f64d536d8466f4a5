"""Draw the sample that stands in for the real photos of damaged cars.

Each photo is decided by its class and number alone, so that one can be redrawn without
the others: a car is made up at random, its side, front and rear are drawn flat, the
class's damage is drawn onto them, and a picture is taken of the result.
"""

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from drawing.car import Look, draw_faces, new_look, silhouettes
from drawing.damage import break_glass, break_lamp, dent, scratch, wreck
from drawing.fields import Array, Noise, Rng, smoothstep, towards
from drawing.raycast import Camera, Car, aim, develop, render
from drawing.scene import new_scene
from drawing.sheet import Sheet
from PIL import Image

CLASSES = (
    "bumper_dent",
    "bumper_scratch",
    "door_dent",
    "door_scratch",
    "glass_shatter",
    "head_lamp",
    "tail_lamp",
    "unknown",
)
PER_SUBSET = {"T": 20, "V": 5}
QUALITY = 78  # of the JPEGs
Sheets = dict[str, Sheet]
Harm = Callable[..., None]


# What a photo of a class shows


@dataclass(frozen=True)
class Shot:
    """Where the camera looks, from which side, how much it sees, and what is broken."""

    target: tuple[float, float, float]
    azimuth: float  # degrees from the car's nose
    width: float  # metres across the picture
    damage: Callable[[Sheets], None]
    crush: Callable[[Array], Array] | None = None


def _either(rng: Rng) -> int:
    return int(rng.choice([-1, 1]))


def _end_on(look: Look, front: bool, turn: float) -> tuple[str, float, float]:
    """Return an end's name, its x, and the azimuth of a look at it from the side."""
    if front:
        return "front", look.nose, turn
    return "rear", look.stern, 180 - turn


def bumper_shot(rng: Rng, look: Look, harm: Harm) -> Shot:
    sign, front = _either(rng), rng.random() < 0.5
    face, end, azimuth = _end_on(look, front, sign * rng.uniform(0, 50))
    at = np.array([sign * rng.uniform(0.35, 0.62), rng.uniform(0.38, 0.5)])
    size = rng.uniform(0.18, 0.34)
    return Shot(
        target=(end * 0.97, at[1] + rng.uniform(-0.02, 0.15), at[0] * 0.95),
        azimuth=azimuth,
        width=rng.uniform(0.9, 1.8),
        damage=lambda sheets: harm(sheets[face], rng, at, size, look.bumper),
    )


def door_shot(rng: Rng, look: Look, harm: Harm) -> Shot:
    sign, size = _either(rng), rng.uniform(0.18, 0.34)
    at = np.array([rng.uniform(-0.75, 0.6), rng.uniform(0.48, 0.8)])
    return Shot(
        target=(
            at[0] + rng.normal(0, 0.1),
            at[1] + rng.normal(0, 0.08),
            sign * 0.86,
        ),
        azimuth=sign * (90 + rng.uniform(-40, 40)),
        width=rng.uniform(1.2, 2.5),
        damage=lambda sheets: harm(sheets["side"], rng, at, size, look.paint),
    )


def side_glass_shot(rng: Rng, look: Look) -> Shot:
    sign, size = _either(rng), rng.uniform(0.22, 0.4)
    at = np.array([rng.uniform(-0.9, 0.4), rng.uniform(1.14, 1.28)])
    return Shot(
        target=(at[0], at[1] + rng.uniform(-0.12, 0.1), sign * 0.72),
        azimuth=sign * (90 + rng.uniform(-35, 35)),
        width=rng.uniform(1.1, 2.3),
        damage=lambda sheets: break_glass(sheets["side"], rng, at, size, 0.8, 0.6),
    )


def end_glass_shot(rng: Rng, look: Look) -> Shot:
    sign, size, front = _either(rng), rng.uniform(0.22, 0.4), rng.random() < 0.67
    face, end, azimuth = _end_on(look, front, rng.uniform(-35, 35))
    at = np.array([sign * rng.uniform(0, 0.4), rng.uniform(1.14, 1.28)])
    return Shot(
        target=(0.6 if front else end + 0.4, at[1] + rng.uniform(-0.1, 0.12), at[0]),
        azimuth=azimuth,
        width=rng.uniform(1.1, 2.3),
        damage=lambda sheets: break_glass(sheets[face], rng, at, size, 0.6, 0.25),
    )


def glass_shot(rng: Rng, look: Look) -> Shot:
    return (side_glass_shot if rng.random() < 0.3 else end_glass_shot)(rng, look)


def lamp_shot(rng: Rng, look: Look, front: bool) -> Shot:
    sign = _either(rng)
    face, end, azimuth = _end_on(look, front, sign * rng.uniform(-5, 50))
    lens, at = look.lamps[face] * (sign, 1), look.lamp_middle(face, sign)
    return Shot(
        target=(end * 0.95, at[1] + rng.uniform(-0.1, 0.1), at[0]),
        azimuth=azimuth,
        width=rng.uniform(0.6, 1.35),
        damage=lambda sheets: break_lamp(sheets[face], rng, lens, at, front),
    )


def whole_shot(rng: Rng, look: Look) -> Shot:
    """Show a whole car, unharmed or with one end wrecked."""
    seen = (rng.normal(0, 0.2), 0.68, 0)
    width = rng.uniform(4.2, 5.8)
    if rng.random() < 0.5:
        return Shot(seen, rng.uniform(-180, 180), width, damage=lambda sheets: None)
    end, turn = _either(rng), _either(rng) * rng.uniform(15, 75)
    face, _, azimuth = _end_on(look, end > 0, turn)
    return Shot(
        target=seen,
        azimuth=azimuth,
        width=width,
        damage=lambda sheets: wreck(sheets[face], sheets["side"], rng, end, look.paint),
        crush=_crush(rng, end),
    )


def _crush(rng: Rng, end: int) -> Callable[[Array], Array]:
    noise, depth = Noise(rng), rng.uniform(0.25, 0.5)

    def pushed(points: Array) -> Array:
        hills = 0.5 + noise.at(points[:, 1] * 2 + 9, points[:, 2] * 2 + 40, 2)
        return end * depth * smoothstep(0.6, 2.0, end * points[:, 0]) * hills

    return pushed


SHOTS: dict[str, Callable[[Rng, Look], Shot]] = {
    "bumper_dent": partial(bumper_shot, harm=dent),
    "bumper_scratch": partial(bumper_shot, harm=scratch),
    "door_dent": partial(door_shot, harm=dent),
    "door_scratch": partial(door_shot, harm=scratch),
    "glass_shatter": glass_shot,
    "head_lamp": partial(lamp_shot, front=True),
    "tail_lamp": partial(lamp_shot, front=False),
    "unknown": whole_shot,
}


# One photo


def draw(label: str, number: int) -> Image.Image:
    """Draw one photo: the same for the same class and number."""
    rng = np.random.default_rng([CLASSES.index(label), number])
    look = new_look(rng)
    shot = SHOTS[label](rng, look)
    camera = _camera(rng, shot)
    scene = new_scene(rng, np.radians(shot.azimuth))
    return develop(render(_damaged_car(look, shot), scene, camera), rng)


def _camera(rng: Rng, shot: Shot) -> Camera:
    fov, roll = np.radians([rng.uniform(26, 46), rng.normal(0, 2.5)])
    away = towards(*np.radians([shot.azimuth, rng.uniform(4, 24)]))
    target = np.array(shot.target)
    eye = target + away * shot.width / 2 / np.tan(fov / 2)
    return aim(eye, target, fov, roll, blur=1.5 + 3 / shot.width)


def _damaged_car(look: Look, shot: Shot) -> Car:
    views = silhouettes(look)
    sheets = draw_faces(look, views, scale=float(np.clip(520 / shot.width, 110, 420)))
    shot.damage(sheets)
    return Car(
        **views,
        wheels=look.wheels,
        radius=look.radius,
        spokes=look.spokes,
        paint=look.paint,
        skins={name: sheet.maps() for name, sheet in sheets.items()},
        crush=shot.crush,
    )


# All photos


def index() -> list[tuple[str, str, str]]:
    """Return path, class and subset of every photo, in the order of the numbers."""
    photos = [
        (label, subset)
        for label in CLASSES
        for subset, count in PER_SUBSET.items()
        for _ in range(count)
    ]
    order = np.random.default_rng(0).permutation(len(photos))
    return [(f"image/{n:03}.jpeg", *photos[k]) for n, k in enumerate(order, start=1)]


def write_sample(folder: Path) -> None:
    (folder / "image").mkdir(parents=True, exist_ok=True)
    rows = index()
    for number, (path, label, _) in enumerate(rows, start=1):
        draw(label, number).save(folder / path, quality=QUALITY)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("image", "class", "subset"), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent / "sample",
        help="folder to write index.csv and image/ into (default: %(default)s)",
    )
    write_sample(parser.parse_args().output)


if __name__ == "__main__":
    main()
