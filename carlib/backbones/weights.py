"""A backbone's weights: found or downloaded, told apart, loaded into its network."""

import hashlib
import os
from pathlib import Path

import numpy as np

from carlib.backbones import efficientnet_lite
from carlib.backbones.architectures import Architecture
from carlib.downloads import download
from carlib.errors import CarlibError, OptionError, WeightsError
from carlib.files import sha256_of

MAX_BYTES = 400_000_000  # the largest, ResNet101V2's, have 171 MB

# A file, every weight in one vector, or None for random ones.
Source = Path | np.ndarray | None


def find_weights(
    architecture: Architecture, weights: str | os.PathLike | np.ndarray | None
) -> Source:
    """Find what holds the weights that a `Backbone` was asked for.

    Raises:
        WeightsError: They aren't there, and can't be had.
        OptionError: It's a file of another kind.
    """
    if weights is None:
        return None
    if isinstance(weights, np.ndarray):
        return weights.copy()  # what a fingerprint stands for must not change
    if weights == "imagenet":
        return imagenet_file(architecture)
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(
            f"Expected a weights file. Received: weights={str(weights)!r}, which is "
            "not there.",
            hint='Pass a path, "imagenet", or None for random weights.',
        )
    if path.suffix not in {".h5", ".pth"}:
        raise OptionError(
            f"Expected a .h5 or .weights.h5 file. Received: weights={str(weights)!r}"
        )
    return path


def imagenet_file(architecture: Architecture) -> Path:
    """Return the file of the ImageNet weights, downloaded if it isn't there.

    Raises:
        WeightsError: It isn't, and can't be downloaded.
    """
    if architecture.file is None:
        return efficientnet_lite.checkpoint_path()
    path = architecture.cached_file
    if not path.is_file():
        _download(architecture, path)
    return path


def _download(architecture: Architecture, path: Path) -> None:
    known_hash = f"md5:{architecture.md5}" if architecture.md5 else None
    try:
        download(architecture.address, path, MAX_BYTES, known_hash=known_hash)
    except CarlibError as error:
        raise WeightsError(
            f"{architecture.name}'s ImageNet weights aren't in Keras's cache and can't "
            f"be downloaded: {error.message}.",
            hint=f"Put the file {architecture.address} into the folder `models` of "
            "KERAS_HOME (without that, of .keras in your home folder), or use "
            "arch='EfficientNetLite0', whose weights came with the installation.",
        ) from error


def identity(source: Source, seed: int) -> str:
    """Return what tells these weights from all others, without loading them."""
    if source is None:
        return f"random {seed}"
    if isinstance(source, np.ndarray):
        return hashlib.sha256(source.tobytes()).hexdigest()
    return sha256_of(source)


def load_into(network, arch: str, source: Source, seed: int) -> None:
    """Give a network its weights.

    Raises:
        WeightsError: They are another network's, or damaged.
    """
    try:
        if source is None:
            network.set_weights(_random(network, seed))
        elif isinstance(source, np.ndarray):
            network.set_weights(_unpacked(source, network))
        elif source.suffix == ".pth":
            network.set_weights(efficientnet_lite.imagenet_weights(source)[0])
        else:
            network.load_weights(source)
    except (ValueError, KeyError, OSError, TypeError) as error:
        name = source.name if isinstance(source, Path) else "the vector"
        raise WeightsError(
            f"The weights in {name} do not fit {arch} without its classifier: "
            f"{str(error).splitlines()[0][:200]}",
            hint="Pass the weights of this very network, saved with include_top="
            "False. A file in Keras's cache that is damaged: delete it.",
        ) from error


def _random(network, seed: int) -> list[np.ndarray]:
    """Draw kernels as He et al. 2015 do, with NumPy: the same on every platform.

    Scales, shifts and statistics of the normalisations stay at what they start from.
    """
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, (2 / _fan_in(w.shape)) ** 0.5, w.shape) if w.ndim == 4 else w
        for w in network.get_weights()
    ]


def _fan_in(shape: tuple[int, ...]) -> int:
    height, width, inputs, outputs = shape
    return height * width * (1 if outputs == 1 else inputs)  # 1: a depthwise kernel


def _unpacked(vector: np.ndarray, network) -> list[np.ndarray]:
    shapes = [weight.shape for weight in network.weights]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if vector.dtype != np.float32 or vector.shape != (ends[-1],):
        raise ValueError(
            f"expected {ends[-1]:,} float32 numbers, received {vector.dtype} "
            f"{vector.shape}"
        )
    parts = np.split(vector, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
