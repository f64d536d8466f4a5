"""A backbone's graph as a page opens it, its weights beside it."""

import math

import numpy as np
import pytest

from carlib.app import proof
from carlib.app.graph import onnx_graph
from carlib.backbones import graphs
from carlib.backbones.backbone import Backbone
from carlib.errors import ExportError

onnx = pytest.importorskip("onnx")
WEIGHTS = "backbone.npy"


def drawn_weights(arch):
    """Weights of about the size that trained ones have, so that nothing overflows."""
    draw, parts = np.random.default_rng(1), []
    for weight in graphs.opened(arch).get_parameters()[1:]:
        shape = tuple(weight.get_output_partial_shape(0).to_shape())
        n, inputs = math.prod(shape), math.prod(shape[:2]) * shape[2 % len(shape)]
        values = draw.normal(0, 1, n)
        spread = np.sqrt(2 / inputs)
        parts.append(abs(values) / 10 + 0.5 if len(shape) == 1 else values * spread)
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize(
    "arch",
    [
        "MobileNetV2-0.35",
        "EfficientNetLite0-layers",
        pytest.param("InceptionV3", marks=pytest.mark.slow),
        pytest.param("ResNet50V2", marks=pytest.mark.slow),
    ],
)
def test_a_graph_gives_the_backbones_features(arch, tmp_path):
    backbone = Backbone(arch, drawn_weights(arch), precision="float32")
    proof.prove_graph(onnx_graph(arch, WEIGHTS), WEIGHTS, backbone, tmp_path)


def test_the_features_are_the_means_of_its_maps(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    arch = "EfficientNetLite0-layers"
    (tmp_path / "graph.onnx").write_bytes(onnx_graph(arch, WEIGHTS))
    (tmp_path / WEIGHTS).write_bytes(drawn_weights(arch).tobytes())
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    features, *maps = session.run(None, {"pixels": pixels})
    means = np.concatenate([each.mean(axis=(2, 3)) for each in maps], axis=1)
    assert len(maps) == 5
    np.testing.assert_allclose(means, features, rtol=1e-4, atol=1e-5)


def test_no_weight_is_in_it():
    model = onnx.load_from_string(onnx_graph("MobileNetV2-0.35", WEIGHTS))
    outside = [each for each in model.graph.initializer if each.data_location == 1]
    assert len(outside) > 200
    assert model.ByteSize() < 100_000


def test_a_graph_that_gives_other_features_is_refused(tmp_path):
    weights = drawn_weights("MobileNetV2-0.35")
    backbone = Backbone("MobileNetV2-0.35", weights, precision="float32")
    model = onnx.load_from_string(onnx_graph("MobileNetV2-0.35", WEIGHTS))
    weights_of = [each for each in model.graph.initializer if each.data_location == 1]
    last = [each for each in weights_of if len(each.dims) == 4][-1]
    next(each for each in last.external_data if each.key == "offset").value = "0"
    with pytest.raises(ExportError, match="gives other features"):
        proof.prove_graph(model.SerializeToString(), WEIGHTS, backbone, tmp_path)


def test_a_network_of_somebodys_own_is_refused_in_words():
    with pytest.raises(ExportError, match="a page can't hold it"):
        onnx_graph("VGG16", WEIGHTS)
