"""A warm run builds no backbone: its graph and weights lie beside its features."""

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import graphs, precisions
from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    shards_folder,
    verify_cache,
)
from carlib.model import export
from carlib.model.model import load_model
from carlib.training.trainer import ImageClassificationTrainer

PARTS = ["graph.pb", "weights.bin", "sha256.json"]
PB = "custom_retrained_model_based_on_efficientnet_lite0.pb"

WARM = """
import sys
from carlib.backbones import architectures
from carlib.cli.main import main

def build():
    raise SystemExit("a backbone was built")

for architecture in architectures._ALL:
    object.__setattr__(architecture, "build", build)
data, workspace, output = sys.argv[1:]
arguments = ["--workspace", workspace, "--epoch", "3", "--output", output]
main(["train", data, "--arch", "EfficientNetLite0", *arguments])
"""


@pytest.fixture(scope="module")
def cold(photos, tmp_path_factory):
    """A model trained in a new workspace, which it leaves warm."""
    workspace = tmp_path_factory.mktemp("warm") / "w"
    trainer = ImageClassificationTrainer(
        arch=Backbone("EfficientNetLite0"), workspace_path=workspace, epoch=3
    )
    return trainer.fit(photos[photos.subset == "T"])


@pytest.fixture
def workspace(cold, tmp_path):
    """A copy of the warm workspace."""
    return shutil.copytree(cold.workspace_path, tmp_path / "w")


@pytest.fixture
def kept(workspace, cold):
    """The backbone's folder in it."""
    return shards_folder(workspace, cold.backbones[0])


@pytest.fixture(scope="module")
def small():
    return Backbone("MobileNetV2-0.35", weights=None)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def unbuilt(backbone):
    """Return the same backbone anew, and fail if its network is built."""
    fresh = backbone.at(backbone.precision)
    fresh.network = None
    return fresh


def traced(layer):
    return runtime.tensorflow().function(layer, autograph=False)


def noise(n, size=224):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def answers(workspace):
    """What the final model's graph says of some pixels."""
    run = export._read_frozen_graph(workspace / PB)
    return run(runtime.tensorflow().constant(noise(3))).numpy()


def test_a_warm_train_builds_no_backbone_and_writes_the_same(
    cold, workspace, sample, tmp_path
):
    (workspace / PB).unlink()
    arguments = [str(sample), str(workspace), str(tmp_path / "m.zip")]
    result = subprocess.run(
        [sys.executable, "-c", WARM, *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    expected = answers(cold.workspace_path)
    np.testing.assert_allclose(answers(workspace), expected, atol=1e-6)
    warm = load_model(tmp_path / "m.zip")
    np.testing.assert_array_equal(warm.kernel, cold.kernel)
    np.testing.assert_array_equal(
        warm.backbones[0].weights_vector(), cold.backbones[0].weights_vector()
    )


def test_the_final_graph_gives_the_models_probabilities(cold):
    exact = dataclasses.replace(cold.at("float32"), workspace_path=None)
    expected = exact.predict(noise(3), progress=False)[list(cold.class_names)]
    np.testing.assert_allclose(answers(cold.workspace_path), expected, atol=1e-5)


def test_joined_backbones_and_mirror_images_need_no_backbone_either(
    photos, small, tmp_path
):
    def fit(*backbones):
        trainer = ImageClassificationTrainer(
            arch=list(backbones), augment="flip", workspace_path=tmp_path, epoch=2
        )
        return trainer.fit(photos[photos.subset == "T"][::4])

    exact = small.at("float32"), Backbone("EfficientNetLite0", precision="float32")
    fit(*exact)
    model = fit(*map(unbuilt, exact))
    model.save(tmp_path / "m.zip")
    (path,) = tmp_path.glob("*.pb")
    given = export._read_frozen_graph(path)(runtime.tensorflow().constant(noise(3)))
    expected = load_model(tmp_path / "m.zip").predict(noise(3), progress=False)
    np.testing.assert_allclose(given, expected[list(model.class_names)], atol=1e-5)


@pytest.mark.parametrize("arch", ["MobileNetV2-0.35", "InceptionV3", "ResNet50V2"])
def test_a_kept_network_is_the_one_that_was_built(arch, tmp_path):
    backbone = Backbone(arch, weights=None)
    backbone.layer(tmp_path)
    pixels = noise(2, backbone.input_size).astype(np.float32)
    given = traced(unbuilt(backbone).layer(tmp_path))(pixels).numpy()
    np.testing.assert_allclose(given, backbone.network(pixels), rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_used_twice_holds_its_weights_once(small, tmp_path):
    keras, layer = runtime.keras(), small.layer(tmp_path)
    pixels = keras.Input((224, 224, 3))
    both = keras.layers.Average()([layer(pixels), layer(pixels[:, :, ::-1])])
    graph = graphs.frozen(keras.Model(pixels, both), "features")
    assert graph.ByteSize() < 1.5 * small.weights_vector().nbytes


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", [flip_a_bit, lambda path: path.unlink()])
def test_what_is_damaged_or_gone_is_made_again(kept, cold, part, damage):
    before = {name: (kept / "graph" / name).read_bytes() for name in PARTS}
    damage(kept / "graph" / part)
    assert graphs.kept_graph(kept) is None
    np.testing.assert_array_equal(
        cold.backbones[0].weights_vector(kept), cold.backbones[0].weights_vector()
    )
    cold.backbones[0].layer(kept)
    assert before == {name: (kept / "graph" / name).read_bytes() for name in PARTS}


def test_another_backbones_graph_is_not_taken_for_this_ones(kept):
    other = kept.with_name("EfficientNetLite0-another")
    shutil.copytree(kept, other)
    assert graphs.kept_graph(kept) is not None
    assert graphs.kept_graph(other) is None
    assert graphs.kept_weights(other) is None


def test_a_newer_tensorflows_graph_is_made_again(kept):
    graph = graphs.kept_graph(kept)
    graph.definition.versions.producer += 10_000
    graphs.keep_graph(kept, graph)
    assert graphs.kept_graph(kept) is None


def test_a_disk_that_is_full_keeps_nothing_and_stops_nothing(
    small, tmp_path, monkeypatch
):
    def full(path, chunks):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(graphs, "write_part", full)
    assert small.layer(tmp_path).compute_output_shape((4, 224, 224, 3)) == (4, 1280)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", PARTS)
def test_verify_notices_a_damaged_graph(workspace, kept, part):
    assert verify_cache(workspace)[0]["network"] is True
    flip_a_bit(kept / "graph" / part)
    assert verify_cache(workspace)[0]["network"] is False


def test_info_counts_a_graph_and_clear_removes_it(workspace, kept):
    (info,) = cache_info(workspace)
    files = [path for path in kept.rglob("*") if path.is_file()]
    assert info["bytes"] == sum(path.stat().st_size for path in files)
    clear_cache(workspace)
    assert not kept.exists()


@pytest.mark.skipif("int8" not in precisions.supported(), reason="no int8 here")
def test_a_warm_int8_model_is_saved_without_calibrating_again(photos, tmp_path):
    pytest.importorskip("nncf")
    few = photos[photos.subset == "T"][::4]

    def trained(backbone):
        trainer = ImageClassificationTrainer(
            arch=backbone, workspace_path=tmp_path / "w", epoch=1
        )
        return trainer.fit(few)

    def backbone():
        some = few.image_path[:4]
        return Backbone("EfficientNetLite0", precision="int8", calibration=some)

    trained(backbone()).save(tmp_path / "cold.zip")
    again = backbone()
    again._converted = lambda: pytest.fail("it was calibrated again")
    trained(again).save(tmp_path / "warm.zip")
    assert load_model(tmp_path / "warm.zip").backbones[0].int8_network()
