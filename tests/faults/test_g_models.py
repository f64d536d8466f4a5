"""G: saved models, damaged, hostile, old or in the way; nothing in one ever runs."""

import io
import json
import os
import pickle
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from carlib import archives
from carlib.backbones.backbone import Backbone
from carlib.errors import ArchiveError, OutputError, WeightsError
from carlib.files import write_zip
from carlib.model.model import load_model
from tests.faults.resaved import resaved
from tests.model.members import members

MEMBERS = ["backbone.npy", "bias.npy", "kernel.npy", "manifest.json", "mean.npy"]


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory) -> Path:
    return trained.save(tmp_path_factory.mktemp("saved") / "ImageModel.zip")


@pytest.fixture(scope="module")
def whole(saved) -> dict[str, bytes]:
    return members(saved)


def refusal(path: Path, says: str = ".") -> str:
    """How a file is refused, of which nothing was written anywhere near."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ArchiveError, match=says) as caught:
        load_model(path)
    assert sorted(path.parent.rglob("*")) == before
    assert path.name in str(caught.value)
    return str(caught.value)


def test_g01_a_model_that_was_saved_is_the_same_elsewhere(
    trained, saved, few, tmp_path, monkeypatch
):
    """A model that was saved gives the same probabilities and labels, from anywhere."""
    paths = [Path(path).resolve() for path in few.image_path[:4]]
    monkeypatch.chdir(tmp_path)
    loaded = load_model(os.path.relpath(saved))
    assert loaded.class_names == trained.class_names
    pd.testing.assert_frame_equal(
        loaded.predict(paths, progress=False),
        trained.predict(paths, progress=False),
        check_exact=True,
    )


@pytest.mark.parametrize("content", ["half", b"", b"<html>Log in</html>", b"PK\3\4"])
def test_g02_what_is_no_model_is_refused_by_its_name(saved, tmp_path, content):
    """A file that is cut, empty or a web page is no model, and named."""
    data = saved.read_bytes()
    path = tmp_path / "my model.zip"
    path.write_bytes(data[: len(data) // 2] if content == "half" else content)
    refusal(path, "not a zip, or cut off")


@pytest.mark.parametrize("name", MEMBERS)
def test_g03_a_member_that_is_missing_or_too_many_is_named(whole, tmp_path, name):
    """A part that is missing, or has no place in a model, is named and refused."""
    path = tmp_path / "odd.zip"
    write_zip(path, {key: data for key, data in whole.items() if key != name})
    refusal(path, f"{name} is missing")
    write_zip(path, {**whole, f"x{name}": b""})
    refusal(path, f"x{name}'? has no place")


@pytest.mark.parametrize("name", MEMBERS)
def test_g04_one_changed_byte_names_the_part_that_it_is_in(whole, tmp_path, name):
    """One changed byte in any part is noticed by its hash, and the part is named."""
    data = bytearray(whole[name])
    place = data.index(b"door_dent") if name == "manifest.json" else len(data) - 7
    data[place] ^= 2
    write_zip(tmp_path / "changed.zip", {**whole, name: bytes(data)})
    refusal(tmp_path / "changed.zip", f"{name}.*was changed")


def _with_member(whole: dict[str, bytes], path: Path, info, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in whole.items():
            archive.writestr(name, data)
        archive.writestr(info, content)
    return path


@pytest.mark.parametrize("kind", ["climbs", "link", "bomb", "twice"])
def test_g05_a_hostile_zip_is_refused_before_a_part_is_read(
    whole, tmp_path, kind, monkeypatch
):
    """A model whose zip climbs out, links, floods or repeats is refused unread."""
    monkeypatch.setattr(archives, "FREE_RATIO", 2**20)
    small = {name: whole[name] for name in ("manifest.json", "bias.npy")}
    info = zipfile.ZipInfo({"climbs": "../x", "twice": "bias.npz"}.get(kind, "x"))
    info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
    info.external_attr = (0o120777 if kind == "link" else 0o100644) << 16
    content = bytes(2**21) if kind == "bomb" else b"x"
    path = _with_member(small, tmp_path / "evil.zip", info, content)
    path.write_bytes(path.read_bytes().replace(b"bias.npz", b"bias.npy"))
    says = {"climbs": "leads out", "link": "a link", "bomb": "unpacks"}
    refusal(path, says.get(kind, "collides"))


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_g06_nothing_in_a_model_or_weights_file_is_run(trained, tmp_path):
    """Pickles, Keras configs and links in a model or weights are refused, never run."""
    canary = Canary(tmp_path / "canary")
    buffer = io.BytesIO()
    np.save(buffer, np.array([canary], object), allow_pickle=True)
    for data in (buffer.getvalue(), pickle.dumps(canary)):
        path = resaved(trained, tmp_path / "m.zip", {"kernel.npy": data})
        refusal(path, r"kernel\.npy")
    (tmp_path / "secret").write_bytes(bytes(4000))
    layer = {"class_name": "Lambda", "config": {"function": "open('canary', 'w')"}}
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": layer, "config": layer})
        group = file.create_group("layer")
        file.attrs["layer_names"], group.attrs["weight_names"] = [b"layer"], [b"w"]
        outside = [(str(tmp_path / "secret"), 0, 4000)]
        group.create_dataset("w", (1000,), "f4", external=outside)
    with pytest.raises(WeightsError, match="lies in another file"):
        Backbone("MobileNetV2-0.35", tmp_path / "evil.h5").weights_vector()
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (99, "newer carlib, 7.8.*\n.*Upgrade"),
        (1, "(?s)format 1.*Train the model again"),
    ],
)
def test_g07_a_model_of_another_time_says_what_to_do(trained, tmp_path, version, says):
    """A newer carlib's model says to upgrade, and an older one's to train again."""
    versions = {"carlib": "7.8"}
    path = resaved(
        trained, tmp_path / "m.zip", format_version=version, versions=versions
    )
    refusal(path, says)


def test_g08_a_model_saved_by_other_versions_is_loaded_with_a_word(
    trained, tmp_path, capsys
):
    """A model saved by another TensorFlow or Keras is loaded, and that is said."""
    versions = {"carlib": "0.1.0", "keras": "3.1.0", "tensorflow": "2.16.1"}
    path = resaved(trained, tmp_path / "m.zip", versions=versions)
    loaded = load_model(path)
    said = capsys.readouterr().out
    assert "saved by keras 3.1.0, tensorflow 2.16.1" in said and "here is" in said
    assert loaded.class_names == trained.class_names


EIGHT = list("abcdefgh")


@pytest.mark.parametrize(
    "names",
    [
        EIGHT[:7],
        [*EIGHT, "i"],
        [*EIGHT[:7], "a"],
        [*EIGHT[:7], 8],
        [*EIGHT[:7], None],
        [*EIGHT[:7], ""],
        [*EIGHT[:7], "score"],
        [*EIGHT[:7], "\x1b[31mred"],
        [*EIGHT[:7], "two\nlines"],
        [*EIGHT[:7], "\ud800"],
    ],
    ids=["7", "9", "twice", "int", "none", "empty", "score", "esc", "lines", "lone"],
)
def test_g09_class_names_that_are_none_or_too_many_are_refused(
    trained, tmp_path, names
):
    """Class names that are too many, double, no text or reserved are refused."""
    refusal(resaved(trained, tmp_path / "m.zip", class_names=names))


def test_g10_a_save_that_dies_leaves_the_old_model(trained, tmp_path, monkeypatch):
    """A save that is cut off in the middle leaves the model that stood there."""
    path = trained.save(tmp_path / "m.zip", {"micro_accuracy": 0.5})
    before, written = path.read_bytes(), []

    def cut_off(archive, info, data, *how):
        written.append(info)
        if len(written) == 3:
            raise KeyboardInterrupt
        archive.fp.write(data[:100])

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", cut_off)
        with pytest.raises(KeyboardInterrupt):
            trained.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["m.zip"]


@pytest.mark.skipif(os.name == "nt", reason="FIFOs")
def test_g11_a_model_goes_where_a_file_can_be_and_replaces_nothing_else(
    trained, tmp_path, monkeypatch
):
    """Folders are made, ~ is home; what is no file is refused and stays as it is."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert trained.save("a/b/no suffix") == Path("a/b/no suffix")
    assert trained.save("~/m.zip") == tmp_path / "home" / "m.zip"
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine", "utf-8")
    os.mkfifo("fifo")
    for place in ("folder", "fifo", "file/m.zip"):
        with pytest.raises(OutputError, match=f"{place} can't be written"):
            trained.save(place)
    assert Path("fifo").is_fifo() and Path("file").read_text("utf-8") == "mine"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["a", "fifo", "file", "folder", "home"]


def test_g12_the_same_model_is_the_same_bytes(trained, tmp_path):
    """The same model makes the same file to the bit, whenever it is saved."""
    one, other = (trained.save(tmp_path / name, {}) for name in ("1.zip", "2.zip"))
    assert one.read_bytes() == other.read_bytes()
    again = load_model(one).save(tmp_path / "3.zip", {})
    assert members(again).keys() == members(one).keys()
    dates = {info.date_time for info in zipfile.ZipFile(one).infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}


def test_g13_two_that_save_to_one_path_leave_one_whole_model(trained, tmp_path):
    """Several that save to the same path at once: the last wins, and it is whole."""
    path = tmp_path / "m.zip"
    with ThreadPoolExecutor(4) as pool:
        saves = [pool.submit(trained.save, path, {"number": n}) for n in range(6)]
        assert {save.result() for save in saves} == {path}
    assert load_model(path).metrics["number"] in range(6)
    assert [each.name for each in tmp_path.iterdir()] == ["m.zip"]


def test_g14_a_model_is_loaded_without_network_data_or_cache(
    trained, saved, tmp_path, monkeypatch
):
    """Loading and predicting need no network, no photos trained on and no workspace."""

    def refused(*_):
        raise OSError("no network")

    pixels = np.random.default_rng(0).integers(0, 256, (2, 50, 60, 3), np.uint8)
    expected = trained.predict(pixels, progress=False)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    found = load_model(saved).predict(pixels, progress=False)
    pd.testing.assert_frame_equal(found, expected)
    assert list(tmp_path.iterdir()) == []
