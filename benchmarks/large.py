"""12-megapixel JPEGs: decoded at a reduced scale against decoded in full."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from processes import answer
from text_tables import differences
from ways import backbone


def run(job: dict) -> dict:
    """Decode both ways, in turn, on one thread, and compare pixels and features.

    Args:
        job: arch, rounds, large (a folder of photos).
    """
    from carlib.data import images

    made = backbone(job["arch"])
    to = (made.input_size, made.interpolation)
    photos = [path.read_bytes() for path in sorted(Path(job["large"]).iterdir())]

    def reduced(data: bytes) -> np.ndarray:
        return images.pixels(data, *to)

    def full(data: bytes) -> np.ndarray:
        return images.resize(images.decode(data), *to)

    pixels = {way: np.stack([way(p) for p in photos]) for way in (full, reduced)}
    speeds: dict[Callable, list[float]] = {full: [], reduced: []}
    for _ in range(job["rounds"]):
        for way in speeds:
            speeds[way].append(_speed(way, photos))
    off = np.abs(pixels[reduced].astype(int) - pixels[full])
    ratios = [new / old for new, old in zip(speeds[reduced], speeds[full], strict=True)]
    return {
        "size": made.input_size,
        "full": speeds[full],
        "reduced": speeds[reduced],
        "ratio": statistics.median(ratios),
        "largest_pixel": int(off.max()),
        "mean_pixel": float(off.mean()),
        **differences(made.features(pixels[reduced]), made.features(pixels[full])),
    }


def _speed(way: Callable, photos: list[bytes]) -> float:
    """Return photos a second."""
    began = time.perf_counter()
    for data in photos:
        way(data)
    return len(photos) / (time.perf_counter() - began)


if __name__ == "__main__":
    answer(run)
