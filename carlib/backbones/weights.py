"""A backbone's weights: found or downloaded, told apart, loaded into its network."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carlib.backbones import efficientnet_lite
from carlib.backbones.architectures import Architecture, find
from carlib.downloads import download
from carlib.errors import CarlibError, OptionError, WeightsError
from carlib.files import as_path
from carlib.messages import say

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
    path = as_path(weights)
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


def resolve_arch(arch: str = "auto", weights: str | None = "imagenet") -> str:
    """Turn "auto" into a name, and say which and why; check any other name.

    "auto" is InceptionV3 if its ImageNet weights lie in Keras's cache or can be
    downloaded now, else EfficientNetLite0, whose weights came with pip. With other
    weights than "imagenet" there is nothing to download, and it is InceptionV3.

    Raises:
        OptionError: There is no such network.
    """
    if arch != "auto":
        return find(arch).name
    if weights != "imagenet":
        return "InceptionV3"
    try:
        imagenet_file(find("InceptionV3"))
    except WeightsError as error:
        say(
            "Backbone: EfficientNetLite0, whose ImageNet weights came with the "
            f"installation. {error.message}"
        )
        return "EfficientNetLite0"
    say("Backbone: InceptionV3, with its ImageNet weights from Keras's cache.")
    return "InceptionV3"


def imagenet_file(architecture: Architecture) -> Path:
    """Return the file of the ImageNet weights, downloaded if it isn't there.

    Raises:
        WeightsError: It isn't, and can't be downloaded.
    """
    if architecture.lite:
        return efficientnet_lite.checkpoint_path(architecture.lite)
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


def read_vector(source: Source, arch: str) -> np.ndarray | None:
    """Return all weights of a source in one vector, float32, in Keras's order.

    Returns:
        (n,), or None where only the network itself can tell them: random ones, and
        Keras 3's own layout.

    Raises:
        WeightsError: They can't be read, or are not numbers.
    """
    with in_words(source, arch):
        if source is None:
            return None
        if isinstance(source, np.ndarray):
            return _checked(source)
        if source.suffix == ".pth":
            return _joined(efficientnet_lite.imagenet_weights(source)[0])
        arrays = _read_h5(source)
        return None if arrays is None else _joined(arrays)


def vector_by(network: Any, source: Source, arch: str, seed: int) -> np.ndarray:
    """Return the weights that `read_vector` could not, by way of the network.

    Raises:
        WeightsError: They are another network's, or damaged.
    """
    with in_words(source, arch):
        if source is None:
            network.set_weights(_random(network, seed))
        else:
            network.load_weights(source)
        return _joined(network.get_weights())


def fill(network: Any, vector: np.ndarray, source: Source, arch: str) -> None:
    """Give a network its weights, out of one vector.

    Raises:
        WeightsError: They are another network's.
    """
    with in_words(source, arch):
        network.set_weights(_unpacked(vector, network))


@contextlib.contextmanager
def in_words(source: Source, arch: str) -> Iterator[None]:
    """Make one clear error of whatever a damaged file, or another's, comes to."""
    try:
        yield
    except (ValueError, KeyError, OSError, TypeError, RuntimeError) as error:
        name = source.name if isinstance(source, Path) else "the vector"
        lines = str(error).splitlines() or [type(error).__name__]
        raise WeightsError(
            f"The weights in {name} do not fit {arch} without its classifier: "
            f"{lines[0][:200]}",
            hint="Pass the weights of this very network, saved with include_top="
            "False. A file in Keras's cache that is damaged: delete it.",
        ) from error


def _read_h5(path: Path) -> list[np.ndarray] | None:
    """Read a file in Keras's first layout, in its order, which is the network's.

    It is the order in which Keras itself hands them to the network's layers.

    Returns:
        None where it has another layout.
    """
    import h5py

    with h5py.File(path, "r") as file:
        top = file.get("model_weights", file)
        groups = [top[name] for name in _names(top, "layer_names")]
        found = [group[w] for group in groups for w in _names(group, "weight_names")]
        if not found:
            return None
        for dataset in found:
            _check_dataset(dataset, file)
        if sum(dataset.size for dataset in found) * 4 > MAX_BYTES:
            raise ValueError(f"it says it holds more than {MAX_BYTES:,} bytes")
        return [dataset[()] for dataset in found]


def _names(group: Any, attribute: str) -> list[str]:
    """Return a list of names; Keras divides one that is too long for an attribute."""
    parts = [group.attrs.get(attribute, ())]
    while f"{attribute}{len(parts) - 1}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts) - 1}"])
    names = [name for part in parts for name in part]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _check_dataset(dataset: Any, file: Any) -> None:
    """Refuse what is no array, or reads other files than the one asked for."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{dataset.name} is no array")
    elsewhere = dataset.file.filename != file.filename
    if elsewhere or dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} lies in another file")


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    parts = [np.asarray(array, np.float32).ravel() for array in arrays]
    return _checked(np.concatenate(parts))


def _checked(vector: np.ndarray) -> np.ndarray:
    if not np.isfinite(vector).all():
        raise ValueError("some are not numbers, or infinite")
    return vector


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
            f"expected {ends[-1]:,} float32 numbers. Received: {vector.dtype} "
            f"{vector.shape}"
        )
    parts = np.split(vector, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
