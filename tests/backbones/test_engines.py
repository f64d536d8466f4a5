"""The engines: what executes a backbone, at what precision, touching nothing else."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import engines, kept, precisions
from carlib.backbones.backbone import Backbone
from carlib.backbones.engines import OpenVINOEngine, Pipeline, TensorFlowEngine
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.errors import OptionError

needs_openvino = pytest.mark.skipif(
    engines.executor() != "openvino", reason="no OpenVINO, or a GPU"
)
OF_FLOATS = sorted(precisions.supported() - {"int8"})


def noise(n, size=224):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def exact():
    return Backbone("EfficientNetLite0", precision="float32")


@pytest.fixture(scope="module")
def by_tensorflow(exact):
    return TensorFlowEngine(exact._frozen(), "float32")


def near(features, expected):
    return np.linalg.norm(features - expected) / np.linalg.norm(expected)


def test_float32_features_are_the_keras_networks(exact, by_tensorflow):
    pixels = noise(5)
    expected = exact.network(pixels.astype(np.float32)).numpy()
    assert near(exact.features(pixels), expected) < 1e-5
    assert near(engines.features(by_tensorflow, pixels, 1280), expected) < 1e-5


@pytest.mark.parametrize("precision", OF_FLOATS)
def test_a_photos_features_do_not_depend_on_what_is_beside_it(exact, precision):
    backbone, pixels = exact.at(precision), noise(9)
    together = backbone.features(pixels)
    for start, stop in ((0, 1), (1, 4), (3, 8), (8, 9)):
        np.testing.assert_array_equal(
            backbone.features(pixels[start:stop]), together[start:stop]
        )


@pytest.mark.parametrize("precision", OF_FLOATS)
def test_each_precision_is_what_it_says(exact, precision):
    pixels = noise(4)
    difference = near(exact.at(precision).features(pixels), exact.features(pixels))
    assert difference == 0 if precision == "float32" else 1e-4 < difference < 0.1


def test_results_come_in_order_with_their_tags(backbone):
    pixels = noise(10)
    pipeline, done = Pipeline(backbone.engine()), []
    for i in range(10):
        done += pipeline.put(i, pixels[i : i + 1])
    done += pipeline.drain()
    tags, parts = zip(*done, strict=True)
    assert tags == tuple(range(10))
    np.testing.assert_array_equal(np.concatenate(parts), backbone.features(pixels))


def test_a_pipeline_left_half_way_leaves_the_engine_in_order(backbone):
    pixels = noise(8)
    expected = backbone.features(pixels)
    pipeline = Pipeline(backbone.engine())
    for i in range(3):
        list(pipeline.put(i, pixels[i : i + 1]))
    del pipeline
    np.testing.assert_array_equal(backbone.features(pixels), expected)


def test_threads_may_use_an_engine_at_once(backbone):
    pixels = noise(12)
    expected = backbone.features(pixels)
    with ThreadPoolExecutor(4) as pool:
        given = pool.map(lambda i: backbone.features(pixels[i : i + 3]), [0, 3, 6, 9])
    np.testing.assert_array_equal(np.concatenate(list(given)), expected)


def test_tensorflows_option_is_on_only_while_the_engine_computes(exact):
    """It is the whole process's; what others compute must not change."""
    options = runtime.tensorflow().config.optimizer.get_experimental_options
    engine = TensorFlowEngine(exact._frozen(), "bfloat16")
    seen = []

    expected, before = exact.features(noise(2)), dict(options())
    for _ in range(2):
        running = engine.start(noise(2))
        seen.append(dict(options()))
        assert near(engine.wait(running), expected) < 0.1
    option = "auto_mixed_precision_onednn_bfloat16"
    assert not any(found.get(option) for found in [before, *seen, options()])


@pytest.mark.skipif("bfloat16" not in OF_FLOATS, reason="not on this chip")
def test_tensorflow_computes_in_bfloat16_where_it_is_told_to(exact):
    engine = TensorFlowEngine(exact._frozen(), "bfloat16")
    difference = near(
        engines.features(engine, noise(2), 1280), exact.features(noise(2))
    )
    assert 1e-4 < difference < 0.1


class Chip:
    """What OpenVINO says of a chip that is not at hand."""

    def __init__(self, hint, capabilities):
        self.hint, self.capabilities = hint, capabilities

    def get_property(self, device, name):
        if name == "OPTIMIZATION_CAPABILITIES":
            return self.capabilities
        return type("Hint", (), {"to_string": lambda _: self.hint})()


@pytest.mark.parametrize(
    ("hint", "capabilities", "native"),
    [
        ("f32", ["FP32", "INT8", "BF16"], "float32"),  # AVX512 that emulates bfloat16
        ("bf16", ["FP32", "INT8", "BF16"], "bfloat16"),
        ("f16", ["FP32", "FP16"], "float16"),
        ("f32", ["FP32"], "float32"),
    ],
)
def test_auto_takes_what_the_chip_has_and_never_what_is_emulated(
    monkeypatch, hint, capabilities, native
):
    monkeypatch.setattr(runtime, "core", lambda: Chip(hint, capabilities))
    monkeypatch.setattr(runtime, "openvino", lambda: True)
    monkeypatch.setattr(precisions, "native", precisions.native.__wrapped__)
    monkeypatch.setattr(precisions, "supported", precisions.supported.__wrapped__)
    assert precisions.resolve("auto") == native
    assert precisions.resolve("float32") == "float32"
    if "FP16" not in capabilities:
        with pytest.raises(OptionError, match="can't compute at float16"):
            precisions.resolve("float16")


def test_a_precision_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(OptionError, match="bfloat16, float16, int8.*'half'"):
        Backbone("EfficientNetLite0", precision="half")


def test_the_precision_is_part_of_the_fingerprint(exact):
    others = {exact.at(precision).fingerprint for precision in OF_FLOATS}
    assert len(others) == len(OF_FLOATS)
    assert Backbone("EfficientNetLite0").fingerprint in others


def test_without_openvino_tensorflow_executes(monkeypatch, exact):
    monkeypatch.setattr(runtime, "openvino", lambda: None)
    backbone = exact.at("float32")
    assert isinstance(backbone.engine(), TensorFlowEngine)
    monkeypatch.undo()
    assert near(backbone.features(noise(3)), exact.features(noise(3))) < 1e-5


COLD = """
import sys, carlib
from carlib.bottlenecks.extract import extract
from carlib.data.photos import as_sources
backbone = carlib.Backbone("EfficientNetLite0")
sources = as_sources(sys.argv[2:])
run = extract(sources, [backbone], sys.argv[1], progress=False)
print(run.n_computed, *{"tensorflow", "keras", "openvino_telemetry"} & set(sys.modules))
"""


@needs_openvino
def test_new_photos_of_a_known_backbone_need_no_tensorflow(tmp_path, photos):
    """And nothing is written outside the workspace: OpenVINO's telemetry stays off."""
    compute_bottlenecks(photos[:2], "EfficientNetLite0", tmp_path / "w")
    home = tmp_path / "home"
    home.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", COLD, str(tmp_path / "w"), *photos.image_path[2:5]],
        env=os.environ | {"HOME": str(home), "USERPROFILE": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["3"]
    assert list(home.rglob("*")) == []


COME_AND_GO = """
import os, numpy as np
from carlib.backbones import engines, kept
from carlib.backbones.backbone import Backbone
first = Backbone("EfficientNetLite0")
network = kept.network_of(first._converted())
pixels = np.zeros((1, 224, 224, 3), np.uint8)
one = engines.OpenVINOEngine(kept.model_from(network), "float32")
other = engines.OpenVINOEngine(kept.model_from(network), "float32")
del one
engines.features(other, pixels, 1280)
del other
try:
    os.kill(os.getpid(), 2)
except KeyboardInterrupt:
    print("interrupted")
"""


@needs_openvino
@pytest.mark.skipif(os.name == "nt", reason="SIGINT to oneself")
def test_ctrl_c_is_survived_after_engines_that_came_and_went():
    """With a core an engine, OpenVINO leaves signals a stack that is gone."""
    result = subprocess.run(
        [sys.executable, "-c", COME_AND_GO], capture_output=True, text=True
    )
    assert result.stdout.split()[-1:] == ["interrupted"], result.returncode


@needs_openvino
@pytest.mark.parametrize("part", ["network.bin", "network.xml", "sha256.json"])
def test_a_damaged_converted_network_is_converted_again(tmp_path, exact, part):
    def opened():
        backbone = exact.at("float32")
        backbone.keep_in(tmp_path)
        assert isinstance(backbone.engine(), OpenVINOEngine)
        return backbone

    expected = exact.features(noise(2))
    opened()
    path = tmp_path / "network" / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert not kept.is_whole(tmp_path)
    np.testing.assert_array_equal(opened().features(noise(2)), expected)
    assert kept.is_whole(tmp_path)


@needs_openvino
def test_an_engine_that_is_there_already_is_kept_all_the_same(exact, tmp_path, photos):
    """After features without a workspace, a later process still needs no TensorFlow."""
    backbone = exact.at("float32")
    expected = backbone.features(noise(2))
    compute_bottlenecks(photos[:1], backbone, tmp_path / "w", progress=False)
    (network,) = (tmp_path / "w").glob("bottlenecks/*/network")
    assert kept.is_whole(network.parent)
    again = exact.at("float32")
    again.keep_in(network.parent)
    again._converted = lambda: pytest.fail("it was converted again")
    np.testing.assert_array_equal(again.features(noise(2)), expected)
