"""Graphs that are ready: joined with weights they are Keras's networks, to the bit."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import graphs
from carlib.backbones.architectures import ARCHS, find
from carlib.backbones.backbone import Backbone
from carlib.backbones.engines import OpenVINOEngine, features
from carlib.errors import WeightsError
from tests.backbones.mine import own
from tests.backbones.noise import needs_openvino, noise

QUICK = ("EfficientNetLite0-layers", "MobileNetV2-0.35")
SLOW = [pytest.param(a, marks=pytest.mark.slow) for a in ARCHS if a not in QUICK]
COLD = """
import sys, carlib
backbone = carlib.Backbone("EfficientNetLite0")
print(carlib.compute_bottlenecks(sys.argv[1:], backbone, None, False).shape)
print(*{"tensorflow", "keras", "openvino_telemetry"} & set(sys.modules))
"""


@needs_openvino
@pytest.mark.parametrize("arch", [*QUICK, *SLOW])
def test_a_graph_with_weights_gives_what_the_converted_network_gives(arch):
    """Kernels are random; so are, unlike at a training's start, all other weights."""
    size = find(arch).input_size
    vector = Backbone(arch, weights=None).weights_vector().copy()
    plain = (vector == 0) | (vector == 1)
    vector[plain] += np.random.default_rng(1).uniform(0, 0.2, plain.sum())
    backbone = Backbone(arch, vector, precision="float32")
    converted = OpenVINOEngine(runtime.convert(backbone.frozen().graph), "float32")
    np.testing.assert_array_equal(
        backbone.features(noise(2, size)),
        features(converted, noise(2, size), backbone.n_features),
    )


def test_each_of_carlibs_networks_has_a_graph_and_nobody_elses_has():
    assert sorted(f"{arch}.zip" for arch in ARCHS) == sorted(
        path.name for path in graphs.FOLDER.iterdir()
    )
    assert not graphs.is_ready(own().arch)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_graph_holds_no_weights(arch):
    with zipfile.ZipFile(graphs.FOLDER / f"{arch}.zip") as archive:
        assert archive.getinfo("network.bin").file_size < 1_000


@needs_openvino
def test_weights_of_another_network_are_refused():
    vector = Backbone("EfficientNetLite0").weights_vector()
    with pytest.raises(WeightsError, match="do not fit MobileNetV2 .*2,257,984"):
        graphs.joined("MobileNetV2", vector)


@needs_openvino
def test_features_need_no_tensorflow_and_no_workspace(tmp_path, photos):
    """And nothing is written anywhere: OpenVINO's telemetry stays off."""
    home = tmp_path / "home"
    home.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", COLD, *photos.image_path[:3]],
        env=os.environ | {"HOME": str(home), "USERPROFILE": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == ["(3, 1280)", ""]
    assert list(home.rglob("*")) == []
