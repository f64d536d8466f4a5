"""A model names photos, and is the same after its way through a file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carlib import runtime
from carlib.backbones import kept, precisions
from carlib.data import images
from carlib.errors import ArchiveError, ImageError, OptionError
from carlib.model import file, manifest
from carlib.model.model import load_model
from tests.model.members import members


@pytest.fixture(scope="module")
def validation(photos):
    return photos[photos.subset == "V"].reset_index(drop=True)


def test_a_prediction_is_a_row_with_label_score_and_probabilities(trained, validation):
    table = trained.predict(validation)
    names = list(trained.class_names)
    fixed = ["image_path", "damage_class", "subset", "predicted_label", "score"]
    assert list(table) == fixed + names
    assert names == sorted(names)
    scores = table[names].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (table.score == scores.max(axis=1)).all()
    assert list(table.predicted_label) == [names[i] for i in scores.argmax(axis=1)]
    assert (table.predicted_label == table.damage_class).mean() > 0.4


def test_paths_bytes_and_pixels_get_the_same_scores(trained, validation):
    paths = list(validation.image_path[:3])
    encoded = [Path(path).read_bytes() for path in paths]
    pixels = [images.decode(data) for data in encoded]
    by_path = trained.predict(paths)
    assert list(by_path.image_path) == paths
    for photos in (encoded, pixels, np.stack(pixels)):
        table = trained.predict(photos)
        assert "image_path" not in table
        np.testing.assert_array_equal(table.score, by_path.score)
    one = trained.predict(paths[0])
    assert len(one) == 1
    assert one.score[0] == by_path.score[0]


def test_probabilities_alone_are_the_tables_in_the_order_of_the_classes(
    trained, validation, capfd
):
    paths = list(validation.image_path[:3])
    scores = trained.predict_proba(paths)
    said = capfd.readouterr()
    assert said.out == said.err == ""
    assert (scores.dtype, scores.shape) == (np.float32, (3, 8))
    assert isinstance(trained.classes_, np.ndarray)
    assert trained.classes_.tolist() == list(trained.class_names)
    table = trained.predict(paths, progress=False)
    expected = table[list(trained.classes_)].astype(np.float32)
    np.testing.assert_array_equal(scores, expected)
    best = trained.classes_[scores.argmax(axis=1)]
    assert best.tolist() == table["predicted_label"].tolist()
    assert trained.predict_proba([]).shape == (0, 8)
    with pytest.raises(ImageError, match="missing"):
        trained.predict_proba("missing.jpg")


def test_predicting_again_on_predictions_gives_the_same_table(trained, validation):
    once = trained.predict(validation)
    pd.testing.assert_frame_equal(trained.predict(once), once)


def test_no_photos_give_an_empty_table(trained):
    table = trained.predict([])
    assert len(table) == 0
    assert list(table)[-8:] == list(trained.class_names)


def test_an_unreadable_photo_is_an_error_or_a_row_that_says_so(
    trained, validation, tmp_path
):
    bad = tmp_path / "bad.jpeg"
    bad.write_bytes(b"<html>not found</html>")
    paths = [validation.image_path[0], str(bad), validation.image_path[1]]
    with pytest.raises(ImageError, match=r"bad\.jpeg looks like HTML"):
        trained.predict(paths)
    table = trained.predict(paths, on_error="skip")
    assert list(table.error.str.contains("HTML")) == [False, True, False]
    assert table.predicted_label.isna().tolist() == [False, True, False]
    assert table.loc[1, ["score", *trained.class_names]].isna().all()
    good = trained.predict(paths[::2])
    assert list(table.score[[0, 2]]) == list(good.score)
    with pytest.raises(OptionError, match="ignore"):
        trained.predict(paths, on_error="ignore")


def test_a_loaded_model_knows_what_it_is(trained, saved):
    loaded = load_model(saved)
    for name in ("class_names", "best_epoch", "options", "data_hash", "notes"):
        assert getattr(loaded, name) == getattr(trained, name)
    assert loaded.arch == "EfficientNetLite0"
    assert loaded.metrics == {"micro_accuracy": 0.5}
    assert loaded.backbones[0].weights_name == "imagenet"
    pd.testing.assert_frame_equal(loaded.history, trained.history, check_dtype=False)


def test_a_model_saved_twice_or_saved_again_after_loading_is_the_same_file(
    trained, saved, tmp_path
):
    trained.save(tmp_path / "again.zip", metrics={"micro_accuracy": 0.5})
    load_model(saved).save(tmp_path / "reloaded.zip")
    assert (tmp_path / "again.zip").read_bytes() == saved.read_bytes()
    assert members(tmp_path / "reloaded.zip") == members(saved)


def test_another_process_needs_the_file_alone(trained, validation, saved, tmp_path):
    """No data, no cache, no network: another folder, an empty home."""
    photo = tmp_path / "photo.jpeg"
    photo.write_bytes(Path(validation.image_path[0]).read_bytes())
    code = (
        "import carlib, sys\n"
        "row = carlib.load_model(sys.argv[1]).predict(sys.argv[2], progress=False)\n"
        "print(row.predicted_label[0], float(row.score[0]).hex())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, saved, photo],
        cwd=tmp_path,
        env={"HOME": str(tmp_path / "home"), "CUDA_VISIBLE_DEVICES": "-1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    row = trained.predict(str(photo)).iloc[0]
    assert result.stdout.split() == [row.predicted_label, float(row.score).hex()]
    assert {p.name for p in tmp_path.iterdir()} <= {"photo.jpeg", "home"}


def test_a_loaded_model_takes_up_what_its_backbone_computed_before_it_was_saved(
    saved, photos, workspace, trained, capsys
):
    train = photos[photos.subset == "T"]
    load_model(saved, workspace_path=workspace).predict(train)
    assert "160 photos: 160 cached, 0 computed" in capsys.readouterr().out


def test_with_a_workspace_a_loaded_model_computes_each_photo_once(
    saved, validation, tmp_path, capsys
):
    for _ in range(2):
        load_model(saved, workspace_path=tmp_path).predict(validation[:5])
    said = [line for line in capsys.readouterr().out.splitlines() if "photos:" in line]
    assert said == ["5 photos: 0 cached, 5 computed", "5 photos: 5 cached, 0 computed"]


def test_a_path_from_the_home_folder_is_found(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved.parent))
    monkeypatch.setenv("USERPROFILE", str(saved.parent))
    assert load_model(f"~/{saved.name}").class_names


needs_int8 = pytest.mark.skipif(
    "int8" not in precisions.supported(), reason="no OpenVINO, or a GPU"
)


def network(width=1280, size=224, channels=3, weight=0.5):
    """A network such as an int8 one could be, of one layer."""
    ops = runtime.openvino().opset13
    pixels = ops.parameter([-1, size, size, channels], np.uint8)
    mean = ops.reduce_mean(ops.convert(pixels, "f32"), np.array([1, 2]), True)
    upright = ops.transpose(mean, np.array([0, 3, 1, 2]))
    kernel = np.full((width, channels, 1, 1), weight, np.float32)
    flat = ([1, 1], [0, 0], [0, 0], [1, 1])
    features = ops.convolution(upright, ops.constant(kernel), *flat)
    features = ops.reduce_mean(features, np.array([2, 3]))
    return kept.network_of(runtime.openvino().Model([features], [pixels]))


def with_network(saved, path, parts):
    """A model of which somebody says that its network is this one."""
    whole = members(saved) | dict(zip(file.int8_members(0), parts, strict=True))
    card = whole.pop("README.md").decode()
    fields = manifest.parsed(whole.pop("manifest.json"))
    changes = {"precision": "int8", "calibration": "0" * 64}
    fields["backbones"][0] |= changes
    arrays = {n: np.ones(1, np.float32) for n in whole if n.endswith(".npy")}
    for name in arrays:
        arrays[name] = file._array(name, whole[name], (None,) * _ndim(name))
    for name in ("format", "format_version", "sha256"):
        del fields[name]
    networks = {name: whole[name] for name in file.int8_members(0)}
    file.write_model(path, fields, arrays, networks, card)
    return path


def _ndim(name):
    return 2 if name == "kernel.npy" else 1


@needs_int8
@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (lambda: (b"<html>", b""), "damaged"),
        (lambda: (b"", b""), "damaged"),
        (lambda: (network()[0], network()[1][:-64]), "damaged|not numbers"),
        (lambda: network(width=7), "not one of EfficientNetLite0"),
        (lambda: network(size=32), "damaged|not one of EfficientNetLite0"),
        (lambda: network(channels=1), "damaged|not one of EfficientNetLite0"),
        (lambda: network(weight=np.nan), "not numbers"),
        (lambda: network(weight=np.inf), "not numbers"),
        (lambda: (network()[0].ljust(5 << 20), network()[1]), "int8.xml has"),
        (lambda: (network()[0], bytes(16 << 20)), "int8.bin has"),
    ],
    ids=range(10),
)
def test_an_int8_network_that_is_none_is_refused_on_loading(
    saved, tmp_path, parts, says
):
    path = with_network(saved, tmp_path / "odd.zip", parts())
    with pytest.raises(ArchiveError, match=f"(?s)odd.zip can't be loaded.*({says})"):
        load_model(path)


@needs_int8
def test_an_int8_network_that_fits_is_loaded(saved, tmp_path, validation):
    path = with_network(saved, tmp_path / "fine.zip", network())
    loaded = load_model(path)
    assert loaded.precision == "int8"
    assert np.isfinite(loaded.predict(validation[:2], progress=False).score).all()
