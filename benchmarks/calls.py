"""A call on many photos, in a process of its own: its seconds and its memory."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from processes import answer
from ways import backbone

from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources


class Trivial:
    """A network that takes no time, so that what is around it is what is measured.

    It is its own engine. A photo's features are its first pixels, over and over.

    Args:
        n_features: How many there are.
    """

    def __init__(self, n_features: int):
        self.arch, self.weights_name, self.precision = "Trivial", "none", "float32"
        self.fingerprint = f"{n_features:064}"
        self.interpolation, self.input_size = "bilinear", 32
        self.n_features, self.batch_size, self.at_once = n_features, 4, 1

    def keep_in(self, folder: Path) -> None:
        pass

    def engine(self) -> "Trivial":
        return self

    def start(self, pixels: np.ndarray) -> np.ndarray:
        return pixels

    def wait(self, pixels: np.ndarray) -> np.ndarray:
        flat = pixels.reshape(len(pixels), -1)
        columns = np.arange(self.n_features) % flat.shape[1]
        return flat[:, columns].astype(np.float32)


def run(job: dict) -> dict:
    """Extract features once, as a program would that does nothing else.

    Args:
        job: folder (of photos 00000000.jpg and on), count (so many of them), workspace,
            features (how many a trivial backbone has) or arch (a real one's name);
            workers (threads of each of a Dask cluster's processes), or none of it.

    Returns:
        seconds, until all features are in hand as an array; in_workspace, seconds until
        they are there; computed; peak_mb, until they are, and peak_with_array_mb;
        tensorflow (was it loaded?).
    """
    trivial = "features" in job
    made = Trivial(job["features"]) if trivial else backbone(job["arch"], "auto")
    folder = Path(job["folder"])
    paths = [str(folder / f"{number:08}.jpg") for number in range(job["count"])]
    options: dict = {"progress": False}
    if trivial:  # load what is loaded on first use
        extract(as_sources(paths[:1]), [made], None, **options)
    with cluster(job.get("workers", ())) as options["client"]:
        if "first" in job:  # the backbones are open then, as they are half a day later
            first = [str(folder / name) for name in job["first"]]
            extract(as_sources(first), [made], job["workspace"], **options)
        began = time.perf_counter()
        found = extract(as_sources(paths), [made], job["workspace"], **options)
        took = time.perf_counter() - began
    peak = _peak_mb()
    features = found.of_photos()
    seconds = time.perf_counter() - began
    if features.shape != (job["count"], made.n_features):
        raise RuntimeError(f"{features.shape} features of {job['count']} photos")
    return {
        "seconds": seconds,
        "in_workspace": took,
        "computed": found.n_computed,
        "peak_mb": peak,
        "peak_with_array_mb": _peak_mb(),
        "tensorflow": "tensorflow" in sys.modules,
    }


@contextlib.contextmanager
def cluster(threads: Sequence[int]) -> Iterator[Any]:
    """Yield the client of a cluster of processes with so many threads each, or None."""
    if not threads:
        yield None
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(len(threads), threads_per_worker=threads[0]) as local,
        Client(local) as client,
    ):
        yield client


def _peak_mb() -> float:
    """Return the largest resident size that this process had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    answer(run)
