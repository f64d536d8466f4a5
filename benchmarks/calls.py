"""A call on many photos, in a process of its own: its seconds and its memory."""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from processes import answer
from ways import backbone

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.extract import extract


class Trivial(Backbone):
    """A network that takes no time, so that what is around it is what is measured.

    It is its own engine. A photo's features are its first pixels, over and over.

    Args:
        n_features: How many there are.
    """

    def __init__(self, n_features: int):
        self.arch, self.weights_name, self.precision = "Trivial", "none", "float32"
        self.fingerprint = f"{n_features:064}"
        self.fingerprint_of_weights = f"{n_features + 1:064}"
        self.interpolation, self.input_size = "bilinear", 32
        self.n_features, self.batch_size = n_features, 4

    def engine(self, kept: Path | None = None) -> "Trivial":
        return self

    def stream(self, batches: Any) -> Iterator[tuple[Any, np.ndarray]]:
        for tag, pixels in batches:
            yield tag, self.features(pixels)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        flat = pixels.reshape(len(pixels), -1)
        columns = np.arange(self.n_features) % flat.shape[1]
        return flat[:, columns].astype(np.float32)


def run(job: dict) -> dict:
    """Extract features once, as a program would that does nothing else.

    Args:
        job: folder (of photos 00000000.jpg and on), count (so many of them), workspace,
            features (how many a trivial backbone has) or arch (a real one's name).

    Returns:
        seconds, until all features are in hand as an array; computed; peak_mb, until
        they are in the workspace, and peak_with_array_mb; tensorflow (was it loaded?).
    """
    trivial = "features" in job
    made = Trivial(job["features"]) if trivial else backbone(job["arch"], "auto")
    folder = Path(job["folder"])
    paths = [str(folder / f"{number:08}.jpg") for number in range(job["count"])]
    if trivial:  # load what is loaded on first use
        extract(paths[:1], made, None, progress=False)
    began = time.perf_counter()
    extraction = extract(paths, made, job["workspace"], progress=False)
    peak = _peak_mb()
    features = extraction.features
    seconds = time.perf_counter() - began
    if features.shape != (job["count"], made.n_features):
        raise RuntimeError(f"{features.shape} features of {job['count']} photos")
    return {
        "seconds": seconds,
        "computed": extraction.n_computed,
        "peak_mb": peak,
        "peak_with_array_mb": _peak_mb(),
        "tensorflow": "tensorflow" in sys.modules,
    }


def _peak_mb() -> float:
    """Return the largest resident size that this process had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    answer(run)
