"""A model's file: nothing in it runs, and nothing in it is what wasn't saved."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from carlib.errors import ArchiveError
from carlib.files import write_zip
from carlib.model import file
from carlib.model.model import load_model
from tests.model.members import members


def test_the_file_names_no_place_on_this_machine(saved, workspace, sample):
    manifest = members(saved)["manifest.json"].decode()
    for place in (workspace, sample, Path.home(), Path(sys.prefix)):
        assert str(place) not in manifest


def test_saving_fails_without_harm_to_what_was_there(trained, saved, tmp_path):
    path = tmp_path / "ImageModel.zip"
    path.mkdir()
    with pytest.raises(OSError):
        trained.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["ImageModel.zip"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\3\4 and no more"])
def test_what_is_not_a_model_is_refused_by_name(tmp_path, content):
    path = tmp_path / "not-a-model.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"not-a-model\.zip"):
        load_model(path)
    with pytest.raises(ArchiveError, match=r"none\.zip"):
        load_model(tmp_path / "none.zip")


def test_another_zip_is_refused(tmp_path):
    write_zip(tmp_path / "photos.zip", {"index.csv": b"image,class,subset"})
    with pytest.raises(ArchiveError, match="not a carlib model"):
        load_model(tmp_path / "photos.zip")


@pytest.mark.parametrize(
    "name",
    ["backbone.npy", "bias.npy", "kernel.npy", "mean.npy", "manifest.json"],
)
def test_a_member_that_is_missing_added_or_changed_is_refused(saved, tmp_path, name):
    whole = members(saved)
    path = tmp_path / "changed.zip"
    write_zip(path, {k: v for k, v in whole.items() if k != name})
    with pytest.raises(ArchiveError, match="not a carlib model"):
        load_model(path)
    write_zip(path, {**whole, "extra.py": b"import os"})
    with pytest.raises(ArchiveError, match=r"extra\.py"):
        load_model(path)
    changed = bytearray(whole[name])
    changed[-9] ^= 64
    if name == "manifest.json":
        changed = whole[name].replace(b"door_dent", b"door_rent")
    write_zip(path, {**whole, name: bytes(changed)})
    with pytest.raises(ArchiveError, match=f"{name}.*was changed"):
        load_model(path)


def with_manifest(saved, path, **changes):
    """Change the manifest, as somebody does who knows of its hash."""
    whole = members(saved)
    manifest = json.loads(whole["manifest.json"])
    manifest["backbones"][0] |= changes.pop("backbone", {})
    manifest |= changes
    if isinstance(manifest["sha256"], dict):
        manifest["sha256"]["manifest.json"] = file._hash_of_fields(manifest)
    write_zip(path, {**whole, "manifest.json": json.dumps(manifest).encode()})
    return path


NEWER = "newer carlib.*Upgrade"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format_version": 99}, "Upgrade"),
        (
            {"format_version": 99, "options": 1, "history": None},
            NEWER,
        ),
        (
            {"format_version": 99, "versions": None, "sha256": 1},
            NEWER,
        ),
        ({"format_version": 2}, "before carlib's first release"),
        ({"format_version": "4"}, "format_version"),
        ({"format": "keras"}, "not a carlib model"),
        ({"backbone": {"arch": "os.system"}}, "os.system"),
        ({"backbone": {"weights": None}}, "weights"),
        ({"backbones": []}, "backbones"),
        ({"backbones": ["EfficientNetLite0"]}, "arch"),
        ({"augment": "rotate"}, "augment"),
        ({"class_names": ["a", "b"]}, "head does not fit"),
        ({"class_names": ["a"] * 8}, "not distinct"),
        ({"class_names": list(range(8))}, "not distinct"),
        ({"backbone": {"preprocessing": {"scale": 1}}}, "scales pixels otherwise"),
        ({"class_names": None}, "manifest"),
        ({"sha256": []}, "manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(saved, tmp_path, changes, says):
    path = with_manifest(saved, tmp_path / "odd.zip", **changes)
    with pytest.raises(ArchiveError, match=f"(?s){says}"):
        load_model(path)


def test_a_pickle_in_the_place_of_an_array_does_not_run(saved, tmp_path):
    import hashlib
    import io
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    whole = members(saved)
    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    for data in (buffer.getvalue(), pickle.dumps(Evil())):
        manifest = json.loads(whole["manifest.json"])
        manifest["sha256"]["kernel.npy"] = hashlib.sha256(data).hexdigest()
        text = json.dumps(manifest).encode()
        write_zip(
            tmp_path / "evil.zip",
            {**whole, "kernel.npy": data, "manifest.json": text},
        )
        with pytest.raises(ArchiveError, match="not an array"):
            load_model(tmp_path / "evil.zip")
    assert not (tmp_path / "canary").exists()
