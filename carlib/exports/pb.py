"""The frozen graph: one file for TensorFlow, with pixels of any size going in."""

from pathlib import Path
from typing import TYPE_CHECKING

from carlib.files import write_bytes

if TYPE_CHECKING:
    from carlib.exports.source import Source


def write(source: "Source", path: Path) -> None:
    """Write the nodes `pixels:0`, uint8 (n, height, width, 3), to `probabilities:0`."""
    from carlib.model.frozen import freeze_model, graph_bytes

    write_bytes(path, graph_bytes(freeze_model(source.model)))
