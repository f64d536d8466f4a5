"""Export a model for programs that have no carlib: pixels in, probabilities out.

Both formats take `pixels`, uint8 (n, height, width, 3), RGB and of any size, and give
`probabilities`, float32 (n, n_classes), in the order of `labels.txt`.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carlib import runtime
from carlib.errors import ExportError, OptionError, printable
from carlib.files import (
    as_path,
    atomic_folder,
    named_in_errors,
    write_bytes,
    write_text,
)
from carlib.model.keras_model import resized
from carlib.model.model import ImageClassificationModel

TOLERANCE = 1e-5  # of a probability, on photos of the input size
LABELS = "labels.txt"
SIGNATURE = "serving_default"


def export(
    model: ImageClassificationModel,
    folder: str | os.PathLike,
    formats: Sequence[str] = ("saved_model", "pb"),
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write a model in TensorFlow's own formats, and prove that they give the same.

    - saved_model: a folder for TensorFlow Serving and `tf.saved_model.load`. Its
      weights are constants: to train on, take `model.keras_model`.
    - pb: one file, a frozen graph with the nodes `pixels:0` and `probabilities:0`.

    Beside them lies `labels.txt`, a class a line. The folder appears when all of it is
    complete and every format has given the model's own probabilities at float32, within
    1e-5, on pixels of the input size. (Photos of another size are resized by TensorFlow
    inside the export and by Pillow in `predict`: alike, but not to the last digit.)

    Args:
        folder: Where to; new, or one that an earlier export made, with `overwrite`.
        formats: Which of "saved_model" and "pb".
        overwrite: Replace what an earlier export wrote.

    Returns:
        The path of each format.

    Raises:
        OptionError: There is no such format.
        ExportError: The folder holds something else, or a format gave other figures.

    Example:
        >>> carlib.export(model, "exported", formats=["pb"])
        {'pb': PosixPath('exported/model.pb')}
    """
    unknown = sorted(set(formats) - set(_WRITERS))
    if unknown or not formats:
        raise OptionError(
            f"Expected formats of {', '.join(_WRITERS)}. Received: {list(formats)}"
        )
    folder = as_path(folder)
    _check_target(folder, overwrite)
    frozen = freeze_model(model)
    with named_in_errors(folder), atomic_folder(folder, replace=True) as temporary:
        for name in formats:
            write, read, file = _WRITERS[name]
            _write(name, write, frozen, temporary / file)
            _prove(name, read(temporary / file), model)
        write_text(temporary / LABELS, labels_text(model))
    return {name: folder / _WRITERS[name][2] for name in formats}


def _write(name: str, write: Callable, frozen: Any, path: Path) -> None:
    try:
        write(frozen, path)
    except ValueError as error:  # protobuf's, of more than it can hold
        raise ExportError(f"The {name} export can't be made: {error}") from error


def write_final(
    model: ImageClassificationModel, workspace_path: str | os.PathLike, prefix: str
) -> None:
    """Write a trained model's frozen graph and its labels into the workspace.

    It's a by-product: where it can't be made or written, a warning says so.
    """
    slugs = "+".join(backbone.architecture.slug for backbone in model.backbones)
    path = as_path(workspace_path) / f"{prefix}{slugs}"
    try:
        write_frozen_graph(freeze_model(model), path.with_name(f"{path.name}.pb"))
        write_text(path.with_name(f"{path.name}.labels.txt"), labels_text(model))
    except Exception as error:  # whatever it is, the model is worth more
        warnings.warn(
            f"The model is trained, but its {path.name}.pb could not be written: "
            f"{printable(error)}. Write it by carlib.export.",
            stacklevel=3,
        )


def labels_text(model: ImageClassificationModel) -> str:
    """Return the class names, one a line, in the order of the probabilities."""
    return "\n".join(model.class_names) + "\n"


def freeze_model(model: ImageClassificationModel) -> Any:
    """Return a model as one TensorFlow function whose weights are constants."""
    tf, network = runtime.tensorflow(), model.keras_model
    return runtime.freeze(
        lambda pixels: tf.identity(network(pixels), name="probabilities"), _pixels()
    )


def _pixels():
    tf = runtime.tensorflow()
    return tf.TensorSpec((None, None, None, 3), tf.uint8, name="pixels")


def write_frozen_graph(frozen, path: Path) -> None:
    """Write what `freeze_model` returned as a `.pb` file."""
    graph = frozen.graph.as_graph_def()
    write_bytes(path, graph.SerializeToString(deterministic=True))


def _read_frozen_graph(path: Path) -> Callable:
    tf = runtime.tensorflow()
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.import_graph_def(graph, name=""), []
    )
    return wrapped.prune("pixels:0", "probabilities:0")


def _write_saved_model(frozen, path: Path) -> None:
    tf = runtime.tensorflow()
    module = tf.Module()
    module.serve = tf.function(
        lambda pixels: {"probabilities": frozen(pixels)[0]},
        input_signature=[_pixels()],
        autograph=False,
    )
    with runtime.quiet_log():
        tf.saved_model.save(module, path, signatures={SIGNATURE: module.serve})


def _read_saved_model(path: Path) -> Callable:
    serve = runtime.tensorflow().saved_model.load(path).signatures[SIGNATURE]
    return lambda pixels: serve(pixels=pixels)["probabilities"]


_WRITERS = {
    "saved_model": (_write_saved_model, _read_saved_model, "saved_model"),
    "pb": (write_frozen_graph, _read_frozen_graph, "model.pb"),
}


# What an export consists of; TensorFlow writes what lies in saved_model.
_OURS = {LABELS, *(file for _, _, file in _WRITERS.values())}
_OURS |= {
    f"saved_model/{name}"
    for name in (
        *("saved_model.pb", "fingerprint.pb", "assets", "variables"),
        *("variables/variables.index", "variables/variables.data-00000-of-00001"),
    )
}


def _check_target(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    inside = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    foreign = sorted(set(inside) - _OURS) if folder.is_dir() else [folder.name]
    if foreign:
        raise ExportError(
            f"{folder} holds what no export wrote.", foreign, hint="Name a new folder."
        )
    if not overwrite:
        raise ExportError(
            f"{folder} holds an earlier export.",
            hint="Pass overwrite=True (on the command line --overwrite) to replace it.",
        )


def _features(
    model: ImageClassificationModel, pixels: np.ndarray, mirrored: bool
) -> np.ndarray:
    """Return features by the Keras networks, joined, without the model's own graph."""
    parts = []
    for backbone in model.backbones:
        square = np.asarray(resized(pixels, backbone))
        square = square[:, :, ::-1] if mirrored else square
        parts.append(backbone.network(square).numpy())
    return np.concatenate(parts, axis=1)


def _prove(name: str, run: Callable, model: ImageClassificationModel) -> None:
    """Compare an export with the model, at float32, on pixels of the input size."""
    size = model.backbones[0].input_size
    shape = (4, size, size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    views = (False, True) if model.augment == "flip" else (False,)
    expected = model.head.averaged(_features(model, pixels, view) for view in views)
    given = np.asarray(run(runtime.tensorflow().constant(pixels)))
    difference = float(np.abs(given - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"The {name} export gives other probabilities: they differ by "
            f"{difference:.1e}, more than {TOLERANCE:.0e}. Nothing was written."
        )
