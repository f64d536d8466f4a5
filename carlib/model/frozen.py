"""A model as one frozen TensorFlow graph: what `.pb` files hold."""

import os
import warnings
from typing import Any

from carlib import runtime
from carlib.errors import printable
from carlib.files import as_path, write_bytes, write_text
from carlib.model.model import ImageClassificationModel

LABELS = "labels.txt"


def write_final(
    model: ImageClassificationModel, workspace_path: str | os.PathLike, prefix: str
) -> None:
    """Write a trained model's frozen graph and its labels into the workspace.

    It's a by-product: where it can't be made or written, a warning says so.
    """
    slugs = "+".join(backbone.architecture.slug for backbone in model.backbones)
    path = as_path(workspace_path) / f"{prefix}{slugs}"
    try:
        write_bytes(path.with_name(f"{path.name}.pb"), graph_bytes(freeze_model(model)))
        write_text(path.with_name(f"{path.name}.{LABELS}"), labels_text(model))
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
    """Return a model as one TensorFlow function whose weights are constants.

    It has the nodes `pixels:0`, uint8 (n, height, width, 3), and `probabilities:0`.
    """
    tf, network = runtime.tensorflow(), model.keras_model
    pixels = tf.TensorSpec((None, None, None, 3), tf.uint8, name="pixels")
    return runtime.freeze(
        lambda pixels: tf.identity(network(pixels), name="probabilities"), pixels
    )


def graph_bytes(frozen: Any) -> bytes:
    """Return what `freeze_model` made as the content of a `.pb` file."""
    return frozen.graph.as_graph_def().SerializeToString(deterministic=True)
