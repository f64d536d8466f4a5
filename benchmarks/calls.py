"""A call on many photos, in a process of its own: its seconds and its memory."""

import contextlib
import os
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

PATIENCE = 120  # seconds that processes wait for each other


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
            workers (threads of each of a Dask cluster's processes) and dask (its
            settings), or none of it; every ([a, b]: the photos a, a + b, a + 2b, …);
            meet (a folder in which so many processes wait for each other).

    Returns:
        seconds, until all features are in hand as an array; in_workspace, seconds until
        they are there; computed; peak_mb, until they are, and peak_with_array_mb;
        tensorflow (was it loaded?); idle, the cores that a cluster takes to do nothing.
    """
    trivial = "features" in job
    made = Trivial(job["features"]) if trivial else backbone(job["arch"], "auto")
    folder = Path(job["folder"])
    first, step = job.get("every", (0, 1))
    numbers = range(first, job["count"], step)
    paths = [str(folder / f"{number:08}.jpg") for number in numbers]
    options: dict = {"progress": False}
    if trivial:  # load what is loaded on first use
        extract(as_sources(paths[:1]), [made], None, **options)
    with cluster(job.get("workers", ()), job.get("dask", {})) as options["client"]:
        if "first" in job:  # the backbones are open then, as they are half a day later
            earlier = [str(folder / name) for name in job["first"]]
            extract(as_sources(earlier), [made], job["workspace"], **options)
        if "meet" in job:
            _meet(Path(job["meet"]), step)
        began = time.perf_counter()
        found = extract(as_sources(paths), [made], job["workspace"], **options)
        took = time.perf_counter() - began
        idle = _cores_of_nothing() if options["client"] else 0.0
    peak, began = _peak_mb(), time.perf_counter()
    features = found.of_photos()
    seconds = took + time.perf_counter() - began
    if features.shape != (len(paths), made.n_features):
        raise RuntimeError(f"{features.shape} features of {len(paths)} photos")
    return {
        "seconds": seconds,
        "in_workspace": took,
        "computed": found.n_computed,
        "peak_mb": peak,
        "peak_with_array_mb": _peak_mb(),
        "tensorflow": "tensorflow" in sys.modules,
        "idle": idle,
    }


@contextlib.contextmanager
def cluster(threads: Sequence[int], settings: dict[str, Any]) -> Iterator[Any]:
    """Yield the client of a cluster of processes with so many threads each, or None."""
    if not threads:
        yield None
        return
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set(settings),
        LocalCluster(len(threads), threads_per_worker=threads[0]) as local,
        Client(local) as client,
    ):
        yield client


def _cores_of_nothing(seconds: float = 4) -> float:
    """Return how many cores this process and those that it started take just now."""
    time.sleep(1)
    before = _cpu_seconds()
    time.sleep(seconds)
    return (_cpu_seconds() - before) / seconds


def _cpu_seconds() -> float:
    import psutil

    this = psutil.Process()
    times = [each.cpu_times() for each in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _meet(folder: Path, count: int) -> None:
    """Wait until so many processes are here.

    Raises:
        RuntimeError: One doesn't come.
    """
    (folder / str(os.getpid())).touch()
    until = time.monotonic() + PATIENCE
    while len(list(folder.iterdir())) < count:
        if time.monotonic() > until:
            raise RuntimeError(f"Expected {count} processes. One is missing.")
        time.sleep(0.01)


def _peak_mb() -> float:
    """Return the largest resident size that this process had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    answer(run)
