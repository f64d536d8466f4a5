"""A network of two numbers and helpers, for tests of the cache and what feeds it.

Processes that tests start import it too: it brings in no TensorFlow, and pandas late.
"""

import hashlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources


class Tiny:
    """A network of two numbers, so that the cache and what feeds it are what is tested.

    It meets `Network`, and is its own engine. `seconds` is what a batch takes.
    """

    arch, weights_name, precision = "Tiny", "none", "float32"
    input_size, interpolation, n_features = 128, "bilinear", 2
    batch_size, at_once = 4, 2

    def __init__(self, bias=0, seconds=0):
        self.fingerprint = f"{bias}" * 64
        self.bias, self.seconds, self.seen = bias, seconds, 0

    def keep_in(self, folder):
        pass

    def engine(self):
        return self

    def start(self, pixels):
        return pixels

    def wait(self, pixels):
        time.sleep(self.seconds)
        return self.features(pixels)

    def features(self, pixels):
        self.seen += len(pixels)
        values = pixels.astype(np.float32)
        features = [values.mean((1, 2, 3)), values.std((1, 2, 3))]
        return np.stack(features, axis=1) + np.float32(self.bias)


def draw_photos(folder, count, first=0):
    """Draw photos that all differ, small enough to be computed by the thousand."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05}.png")
    return paths(folder)


def paths(folder):
    return sorted(Path(folder).iterdir())


def table(folder):
    import pandas as pd

    return pd.DataFrame({"image_path": [str(p) for p in paths(folder)]})


def features_of(photos, backbone, workspace, **options):
    """What `extract` returns for photos as people hand them in, and one backbone."""
    options = {"progress": False} | options
    return extract(as_sources(photos), [backbone], workspace, **options)


def counts(photos, backbone, workspace, **options):
    features = features_of(photos, backbone, workspace, **options)
    return features.n_cached, features.n_computed


def shards(workspace):
    return sorted(Path(workspace).glob("bottlenecks/*/*.npy"))


def leftovers(workspace):
    """What a run must not leave: anything that is no whole file of the cache."""
    files = [path for path in Path(workspace).rglob("*") if path.is_file()]
    return [path.name for path in files if path.suffix in {".tmp", ".damaged"}]


def is_whole(shard):
    """Whether a shard, or a stat index, is what its name says."""
    name = shard.stem.removeprefix("photos-")
    return name == hashlib.sha256(shard.read_bytes()).hexdigest()


def elsewhere(function, *arguments):
    """Call in a process of its own, that has loaded little and started no thread."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()
