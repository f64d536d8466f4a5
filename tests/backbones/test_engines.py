"""The engines: what executes a backbone, at what precision, touching nothing else."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import engines
from carlib.backbones.engines import Pipeline, TensorFlowEngine
from tests.backbones.noise import OF_FLOATS, near, needs_openvino, noise


@pytest.fixture(scope="module")
def by_tensorflow(exact):
    return TensorFlowEngine(exact.frozen(), "float32")


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
    engine = TensorFlowEngine(exact.frozen(), "bfloat16")
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
    engine = TensorFlowEngine(exact.frozen(), "bfloat16")
    difference = near(
        engines.features(engine, noise(2), 1280), exact.features(noise(2))
    )
    assert 1e-4 < difference < 0.1


def test_without_openvino_tensorflow_executes(monkeypatch, exact):
    monkeypatch.setattr(runtime, "openvino", lambda: None)
    backbone = exact.at("float32")
    assert isinstance(backbone.engine(), TensorFlowEngine)
    monkeypatch.undo()
    assert near(backbone.features(noise(3)), exact.features(noise(3))) < 1e-5


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
