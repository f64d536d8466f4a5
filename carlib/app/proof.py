"""Prove that a page's graph gives a backbone's features, before the page is written."""

from pathlib import Path

import numpy as np

from carlib import runtime
from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.errors import ExportError
from carlib.files import write_bytes

BOUND = 1e-4  # of the largest feature; measured: 2e-6
_PHOTOS = 2  # squares of noise


def prove_graph(graph: bytes, weights: str, backbone: Backbone, folder: Path) -> None:
    """Compare a graph with the backbone that it's of, at float32, on squares of noise.

    Args:
        graph: As `onnx_graph` returns it.
        weights: What it calls the file of the weights.
        folder: Where files can be written for a moment.

    Raises:
        ExportError: The features differ.
    """
    exact, path = backbone.at("float32"), folder / f"{weights}.onnx"
    write_bytes(path, graph)
    write_bytes(folder / weights, exact.weights_vector().tobytes())
    model = runtime.core().read_model(path)
    features = model.output("features").get_node().input_value(0)
    alone = runtime.openvino().Model([features], model.get_parameters(), "features")
    size = exact.input_size
    shape = (_PHOTOS, size, size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    expected = exact.features(pixels)
    engine = engines.OpenVINOEngine(alone, exact.precision)
    given = engines.features(engine, pixels, exact.n_features)
    difference = float(np.abs(given - expected).max())
    if not difference <= BOUND * float(np.abs(expected).max()):
        raise ExportError(
            f"The page's {exact.arch} gives other features: they differ by "
            f"{difference:.1e}. Nothing was written."
        )
