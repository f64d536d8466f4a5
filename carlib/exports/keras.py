"""Keras's own file, to go on with in Keras: its pixels may have any size."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from carlib.errors import ExportError

if TYPE_CHECKING:
    from carlib.exports.source import Source


def write(source: "Source", path: Path) -> None:
    """Write the whole network as `.keras`; it's loaded without `safe_mode=False`.

    Raises:
        ExportError: A backbone is somebody's own: its preprocessing is a function of
            theirs, which no such file holds.
    """
    own = [backbone.arch for backbone in source.model.backbones if backbone.is_own]
    if own:
        raise ExportError(
            f"The keras export can't be made: what {own[0]} does to pixels first is a "
            "Python function, which such a file can't hold.",
            hint="Other formats can: saved_model, pb, onnx, tflite and openvino.",
        )
    network = source.model.keras_model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about Keras's own code
        network.save(path)
