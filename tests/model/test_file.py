"""A model's file: nothing in it runs, and nothing in it is what wasn't saved."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carlib.backbones.backbone import Backbone
from carlib.errors import ArchiveError, OptionError, OutputError
from carlib.files import write_zip
from carlib.model import file, manifest
from carlib.model.model import load_model
from tests.model.members import members


def test_the_file_names_no_place_on_this_machine(saved, workspace, sample):
    manifest = members(saved)["manifest.json"].decode()
    for place in (workspace, sample, Path.home(), Path(sys.prefix)):
        assert str(place) not in manifest


def test_saving_fails_without_harm_to_what_was_there(trained, saved, tmp_path):
    path = tmp_path / "ImageModel.zip"
    path.mkdir()
    with pytest.raises(OutputError):
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


def with_member(saved, tmp_path, name, data):
    """Change a member, as somebody does who knows of the hashes."""
    path, whole = tmp_path / "odd.zip", members(saved)
    fields = json.loads(whole["manifest.json"])
    fields["sha256"][name] = hashlib.sha256(data).hexdigest()
    text = json.dumps(fields).encode()
    write_zip(path, {**whole, name: data, "manifest.json": text})
    return path


def with_text(saved, path, text):
    """Put any bytes in the place of the manifest."""
    write_zip(path, members(saved) | {"manifest.json": text})
    return path


def refusal(path):
    """The one clear error, in a few lines that a terminal may print."""
    with pytest.raises(ArchiveError, match=f"{path.name} can't be loaded") as caught:
        load_model(path)
    said = str(caught.value)
    assert said.replace("\n", "").isprintable()
    assert len(said) < 3_000
    return said


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
        ({"class_names": ["a", "b"]}, "kernel.npy .* more than"),
        ({"class_names": list("abcdefghi")}, "kernel.npy has .*, and not"),
        ({"class_names": ["a"] * 8}, "not distinct"),
        ({"class_names": list(range(8))}, "class_names must be texts"),
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
    import io
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    for data in (buffer.getvalue(), pickle.dumps(Evil())):
        with pytest.raises(ArchiveError, match="not an array"):
            load_model(with_member(saved, tmp_path, "kernel.npy", data))
    assert not (tmp_path / "canary").exists()


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DEEP, "nested too deep"),
        (b'{"format": ' + b"[" * 200 + b"]" * 200 + b"}", "nested more than"),
        (b'{"best_epoch": ' + b"1" * 5_000 + b"}", "damaged"),
        (b'{"best_epoch": ' + b"1" * 400 + b"}", "more than 100 digits"),
        (b'{"notes": ["\\ud800"]}', "not UTF-8"),
        (b'{"\\udfff": 1}', "not UTF-8"),
        (b'"\xff"', "damaged"),
        (b"", "damaged"),
        (b'"carlib model"', "not a carlib model"),
    ],
    ids=range(9),
)
def test_json_that_is_no_manifest_gets_one_clear_error(saved, tmp_path, text, says):
    assert says in refusal(with_text(saved, tmp_path / "odd.zip", text))


def test_a_manifest_larger_than_any_is_not_read(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(json, "loads", lambda *_: pytest.fail("it was read"))
    text = np.random.default_rng(1).bytes(manifest.MAX_MANIFEST + 1)
    path = with_text(saved, tmp_path / "large.zip", text)
    assert "at most 8,388,608 bytes of manifest.json" in refusal(path)


def history(**columns):
    fine = {
        "dataset": ["Train"],
        "batch_processed_count": [3],
        "epoch": [0],
        "accuracy": [0.5],
        "cross_entropy": [None],
        "learning_rate": [0.01],
    }
    return {"history": fine | columns}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"history": {}}, "history"),
        ({"history": []}, "history"),
        (history(extra=[1]), "history"),
        (history(epoch=[0, 1]), "history"),
        (history(epoch=0), "history"),
        (history(epoch=["0"]), "epoch of history"),
        (history(epoch=[0.5]), "epoch of history"),
        (history(epoch=[-1]), "epoch of history"),
        (history(dataset=[1]), "dataset of history"),
        (history(dataset=["\x1b[2J"]), "dataset of history"),
        (history(batch_processed_count=[True]), "batch_processed_count of history"),
        (history(accuracy=["much"]), "accuracy of history"),
        (history(accuracy=[{}]), "accuracy of history"),
        (history(learning_rate=[float("nan")]), "learning_rate of history"),
        (history(cross_entropy=["0.5"]), "cross_entropy of history"),
        ({"best_epoch": -7}, "best_epoch"),
        ({"best_epoch": 10**7}, "best_epoch"),
        ({"best_epoch": True}, "best_epoch"),
        ({"notes": [{}]}, "notes"),
        ({"notes": ["\x1b]0;x\a"]}, "notes"),
        ({"notes": "none"}, "notes"),
        ({"metrics": []}, "metrics"),
        ({"options": None}, "options"),
        ({"versions": {"carlib": 1}}, "versions"),
        ({"versions": {"carlib": "\x1b[2J"}}, "versions"),
        ({"data_hash": "../x"}, "data_hash"),
        ({"sha256": {"kernel.npy": 5}}, "sha256"),
        ({"augment": []}, "augment"),
        ({"backbones": [{}] * 17}, "backbones"),
        ({"backbones": [{"x": 1}, {}]}, "arch of backbone 2"),
        ({"backbone": {"arch": "auto"}}, "arch of backbone 1"),
        ({"backbone": {"arch": []}}, "arch of backbone 1"),
        ({"backbone": {"precision": "auto"}}, "precision of backbone 1"),
        ({"backbone": {"precision": {}}}, "precision of backbone 1"),
        ({"backbone": {"precision": "int8"}}, "calibration of backbone 1"),
        ({"backbone": {"weights": "random, seed x"}}, "weights of backbone 1"),
        ({"backbone": {"weights": "\x1b[2J"}}, "weights of backbone 1"),
        ({"backbone": {"own": "\x1b[2J"}}, "own of backbone 1"),
        ({"backbone": {"preprocessing": "none"}}, "preprocessing of backbone 1"),
    ],
    ids=repr,
)
def test_a_field_of_another_kind_is_named(saved, tmp_path, changes, named):
    said = refusal(with_manifest(saved, tmp_path / "odd.zip", **changes))
    assert f"\n  - {named} " in said


def test_all_fields_that_are_wrong_are_named_at_once(saved, tmp_path):
    wrong = {"best_epoch": "3", "notes": 1, "metrics": None, "data_hash": 5}
    said = refusal(with_manifest(saved, tmp_path / "odd.zip", **wrong))
    assert all(f"- {name} must be" in said for name in wrong)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a ", "\x1b[2J", "a\rb", "a\nb", "a\0b", "a\x9bb", "a\u202eb"),
        *("a\u200bb", "e\u0301", "score", "image_path", "a\u2028b", "x" * 1_000),
    ],
    ids=ascii,
)
def test_a_class_whose_name_could_mislead_is_refused(saved, tmp_path, name):
    names = [*"abcdefg", name]
    assert "class" in refusal(
        with_manifest(saved, tmp_path / "odd.zip", class_names=names)
    )


def test_no_backbone_is_looked_for_before_the_manifest_is_right(
    saved, tmp_path, monkeypatch
):
    monkeypatch.setattr(Backbone, "__init__", lambda *_, **__: pytest.fail("it was"))
    for backbone in ({"arch": "auto"}, {"arch": "Other"}, {"precision": "auto"}):
        refusal(with_manifest(saved, tmp_path / "odd.zip", backbone=backbone))


def test_the_same_network_twice_is_refused(saved, tmp_path):
    twice = json.loads(members(saved)["manifest.json"])["backbones"] * 2
    path = with_manifest(saved, tmp_path / "odd.zip", backbones=twice)
    assert "different networks" in refusal(path)


def header(text, data=b""):
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + data


def described(shape, kind="<f4", order=False):
    fields = {"descr": kind, "fortran_order": order, "shape": shape}
    return f"{fields}".replace("}", ", }").encode().ljust(117) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"PK\3\4",
        header(b"((((" * 500),
        header(b"(" * 900 + b"\n"),
        header(b"----1\n"),
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1280, 8"),
        header(b"__import__('os')\n"),
        header(described((2**44, 8)), bytes(1280 * 8 * 4)),
        header(described((-1280, -8)), bytes(1280 * 8 * 4)),
        header(described((1280, 8), ">f4"), bytes(1280 * 8 * 4)),
        header(described((1280, 8), "<i4"), bytes(1280 * 8 * 4)),
        header(described((1280, 8), "|O"), bytes(1280 * 8 * 4)),
        header(described((1280, 8), order=True), bytes(1280 * 8 * 4)),
        header(described((1280, 8)), bytes(1280 * 8 * 4 - 1)),
        header(described((8, 1280)), bytes(1280 * 8 * 4)),
        header(described((10240,)), bytes(1280 * 8 * 4)),
        header(described((1280, 8)), b"\0\0\xc0\x7f" * 1280 * 8),
    ],
    ids=range(18),
)
def test_an_array_that_is_none_is_refused_without_a_look_at_what_it_says(
    saved, tmp_path, data
):
    assert "kernel.npy" in refusal(with_member(saved, tmp_path, "kernel.npy", data))


def test_a_member_larger_than_the_network_needs_is_not_unpacked(
    saved, tmp_path, monkeypatch
):
    data = bytes(40 << 20)
    path = with_member(saved, tmp_path, "backbone.npy", data)
    read = []
    real = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, m: read.append(m) or real(self, m)
    )
    said = refusal(path)
    assert "backbone.npy has 41,943,040 bytes, more than" in said
    assert [info.filename for info in read] == ["manifest.json"]


def test_weights_of_another_network_are_found_out_on_loading(saved, tmp_path):
    data = file._npy(np.zeros(9, np.float32))
    said = refusal(with_member(saved, tmp_path, "backbone.npy", data))
    assert "backbone.npy has (9,)" in said


def test_a_zip_with_more_members_than_a_model_has_is_not_listed(saved, tmp_path):
    extra = {f"{number}.txt": b"" for number in range(100)}
    write_zip(tmp_path / "many.zip", members(saved) | extra)
    assert "members, more than" in refusal(tmp_path / "many.zip")


@pytest.mark.parametrize("arch", ["EfficientNetLite0", "MobileNetV2-0.35"])
def test_the_table_of_weights_is_right(arch):
    known = file.N_WEIGHTS[arch]
    assert len(Backbone(arch, weights=None).weights_vector()) == known


def test_what_a_newer_carlib_calls_itself_does_not_reach_the_terminal_raw(
    saved, tmp_path
):
    changes = {"format_version": 99, "versions": {"carlib": "\x1b]0;x\a" * 999}}
    refusal(with_manifest(saved, tmp_path / "odd.zip", **changes))


def test_a_model_of_another_carlib_says_so_once(saved, tmp_path, capsys):
    load_model(saved)
    assert not capsys.readouterr().out
    versions = {"carlib": "0.0.7", "keras": "2.15.0"}
    load_model(with_manifest(saved, tmp_path / "old.zip", versions=versions))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("The model was saved by carlib 0.0.7, keras 2.15.0; ")


def test_what_could_not_be_loaded_is_not_saved(trained, tmp_path):
    from dataclasses import replace

    for wrong in (
        {"class_names": ("a\nb", *trained.class_names[1:])},
        {"best_epoch": -1},
        {"metrics": {"of": object()}},
        {"metrics": {"number": 10**200}},
        {"history": trained.history.drop(columns="epoch")},
    ):
        with pytest.raises(OptionError, match="can't be saved"):
            replace(trained, **wrong).save(tmp_path / "m.zip")
    assert not list(tmp_path.iterdir())


def test_notes_of_a_photo_whose_name_is_no_text_do_not_lose_the_model(
    trained, tmp_path
):
    from dataclasses import replace

    odd = replace(trained, notes=["Left out: \udcff\x1b[2J\n.jpg"])
    (note,) = load_model(odd.save(tmp_path / "m.zip")).notes
    assert note == "Left out: ?\\x1b[2J\\n.jpg"


def test_a_confusion_matrix_too_large_to_keep_does_not_lose_the_model(
    trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(file, "MAX_MANIFEST", 40_000)
    counts = [[0] * 200] * 200
    metrics = {"micro_accuracy": 0.5, "confusion_matrix": {"counts": counts}}
    trained.save(tmp_path / "m.zip", metrics=metrics)
    trained.metrics = {}
    assert "without the confusion matrix" in capsys.readouterr().out
    assert load_model(tmp_path / "m.zip").metrics == {"micro_accuracy": 0.5}


def test_the_metrics_of_a_thousand_classes_are_kept(trained, tmp_path):
    counts = [[7] * 1_000] * 1_000
    trained.save(tmp_path / "m.zip", metrics={"confusion_matrix": {"counts": counts}})
    trained.metrics = {}
    kept = load_model(tmp_path / "m.zip").metrics
    assert kept["confusion_matrix"]["counts"] == counts


def test_a_history_too_long_to_keep_does_not_lose_the_model(
    trained, tmp_path, capsys, monkeypatch
):
    from dataclasses import replace

    monkeypatch.setattr(file, "MAX_MANIFEST", 20_000)
    monkeypatch.setattr(file, "MOST_ROWS", 50)
    long = pd.concat([trained.history] * 60, ignore_index=True)
    loaded = load_model(replace(trained, history=long).save(tmp_path / "m.zip"))
    assert "the last 50 rows are saved" in capsys.readouterr().out
    assert len(loaded.history) == 50
