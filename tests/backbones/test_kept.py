"""A converted network that is kept: whole, its own backbone's, or made again."""

import shutil

import numpy as np
import pytest

from carlib import runtime
from carlib.backbones import kept
from carlib.backbones.engines import OpenVINOEngine
from carlib.bottlenecks.extract import compute_bottlenecks
from tests.backbones.mine import noise, own
from tests.backbones.noise import needs_openvino


@pytest.fixture(scope="module")
def mine():
    return own()


@needs_openvino
@pytest.mark.parametrize("part", ["network.bin", "network.xml", "sha256.json"])
def test_a_damaged_converted_network_is_converted_again(tmp_path, mine, part):
    def opened():
        backbone = mine.at("float32")
        backbone.keep_in(tmp_path)
        assert isinstance(backbone.engine(), OpenVINOEngine)
        return backbone

    expected = mine.features(noise(2))
    opened()
    path = tmp_path / "network" / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert not kept.is_whole(tmp_path)
    np.testing.assert_array_equal(opened().features(noise(2)), expected)
    assert kept.is_whole(tmp_path)


@needs_openvino
def test_an_engine_that_is_there_already_is_kept_all_the_same(mine, tmp_path, photos):
    """After features without a workspace, a later process still needs no TensorFlow."""
    backbone = mine.at("float32")
    expected = backbone.features(noise(2))
    compute_bottlenecks(photos[:1], backbone, tmp_path / "w", progress=False)
    (network,) = (tmp_path / "w").glob("bottlenecks/*/network")
    assert kept.is_whole(network.parent)
    again = mine.at("float32")
    again.keep_in(network.parent)
    again._converted = lambda: pytest.fail("it was converted again")
    np.testing.assert_array_equal(again.features(noise(2)), expected)


@pytest.mark.parametrize("content", ["", "[]", "null", "1", "{}", '"network.xml"'])
def test_hashes_of_a_network_in_another_form_mean_that_there_is_none(tmp_path, content):
    network = tmp_path / kept.NETWORK
    network.mkdir()
    for part in kept.PARTS:
        (network / part).write_bytes(b"x")
    (network / "sha256.json").write_text(content, "utf-8")
    assert kept.kept(tmp_path) is None


def small_network():
    """A network of one operation, as OpenVINO has it."""
    ops = runtime.openvino().opset13
    pixels = ops.parameter([1, 4], np.float32)
    return runtime.openvino().Model([ops.relu(pixels)], [pixels])


@needs_openvino
def test_what_a_link_in_the_networks_place_leads_to_is_left_alone(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine", "utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "network").symlink_to(mine)
    kept.keep(folder, small_network())
    assert kept.kept(folder) is not None
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


@needs_openvino
@pytest.mark.parametrize("part", kept.PARTS)
def test_a_network_that_says_it_is_endless_is_not_read(tmp_path, part, monkeypatch):
    kept.keep(tmp_path, small_network())
    with (tmp_path / "network" / part).open("ab") as file:
        file.truncate(200 << 30)
    monkeypatch.setattr(kept, "sha256_of", lambda path: pytest.fail("it was read"))
    assert not kept.is_whole(tmp_path)


@needs_openvino
def test_a_converted_network_of_another_backbone_is_not_taken_for_this_ones(tmp_path):
    kept.keep(tmp_path / "one", small_network())
    assert kept.kept(tmp_path / "one") is not None
    shutil.copytree(tmp_path / "one", tmp_path / "another")
    assert kept.kept(tmp_path / "another") is None
