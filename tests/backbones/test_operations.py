"""A converted network computes, and does nothing else; every backbone's may."""

import pytest

from carlib.backbones import kept
from carlib.backbones.backbone import Backbone
from carlib.backbones.operations import MAX_XML, check_operations
from carlib.errors import ArchiveError

HEAD = '<?xml version="1.0"?><net name="n" version="11"><layers>'
TAIL = "</layers></net>"


def net(*layers: tuple[str, str]) -> bytes:
    inside = "".join(f'<layer type="{t}" version="{v}"/>' for t, v in layers)
    return f"{HEAD}{inside}{TAIL}".encode()


@pytest.fixture(scope="module")
def network():
    backbone = Backbone("MobileNetV2-0.35", weights=None, precision="float32")
    return kept.network_of(backbone._converted())


def test_a_backbones_own_network_is_accepted(network):
    check_operations(network[0])
    assert kept.model_from(network)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        *(("Loop", "opset5"), ("TensorIterator", "opset1"), ("If", "opset8")),
        *(("ReadValue", "opset6"), ("Assign", "opset6"), ("RandomUniform", "opset8")),
        *(("Add", "extension"), ("Add", ""), ("WriteFile", "opset1"), ("", "opset1")),
    ],
)
def test_what_does_more_than_compute_is_refused_by_name(kind, version):
    with pytest.raises(ArchiveError, match="more than compute") as caught:
        check_operations(net(("Add", "opset1"), (kind, version)))
    assert caught.value.problems == [f"{kind} ({version})"]


def test_a_loop_inside_of_another_operation_is_found():
    nested = net(("Add", "opset1")).replace(
        b'"opset1"/>',
        b'"opset1"><body><layer type="Loop" version="opset5"/></body></layer>',
    )
    with pytest.raises(ArchiveError, match="more than compute"):
        check_operations(nested)


def test_a_loop_behind_a_namespace_is_found_as_openvino_finds_it():
    hidden = net(("Add", "opset1"), ("Loop", "opset5"))
    hidden = hidden.replace(b"<net ", b'<net xmlns="u" ')
    shown = b'<z xmlns=""><layer type="Add" version="opset1"/></z></net>'
    with pytest.raises(ArchiveError, match="more than compute") as caught:
        check_operations(hidden.replace(b"</net>", shown))
    assert caught.value.problems == ["Loop (opset5)"]


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<net>",
        b"\xff\xfe<net/>",
        net(),
        b'<!DOCTYPE n [<!ENTITY a "aaaa">]>' + net(("Add", "opset1"))[21:],
        net(("Add", "opset1")).decode().encode("utf-16"),
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b" " * (MAX_XML + 1),
    ],
)
def test_what_is_no_network_is_refused(xml):
    with pytest.raises(ArchiveError):
        check_operations(xml)


def test_a_strangers_network_in_a_workspace_is_made_anew(
    network, tmp_path, monkeypatch
):
    folder = tmp_path / "MobileNetV2-0.35-0123"
    folder.mkdir()
    kept.keep(folder, kept.model_from(network))
    assert kept.kept(folder) is not None
    xml = folder / "network" / "network.xml"
    loops = xml.read_bytes().replace(b'type="ReLU"', b'type="Loop"')
    xml.write_bytes(loops if loops != xml.read_bytes() else net(("Loop", "opset5")))
    hashes = kept._hashes(folder / "network", folder)
    kept.write_json(folder / "network" / "sha256.json", hashes)
    assert kept.is_whole(folder) and kept.kept(folder) is None


def test_a_network_of_another_size_in_a_workspace_is_made_anew(network, tmp_path):
    folder = tmp_path / "MobileNetV2-0.35-0123"
    folder.mkdir()
    kept.keep(folder, kept.model_from(network))
    assert kept.kept(folder, 224, 1280) is not None
    assert kept.kept(folder, 224, 1281) is None
    assert kept.kept(folder, 299, 1280) is None
