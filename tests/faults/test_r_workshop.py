"""What people report of programs of this kind: photos, pictures, runs and caches."""

import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import carlib
from carlib.data.images import decode
from carlib.errors import ArchiveError, ImageError
from carlib.files import write_zip
from tests.evaluation.predicted import predictions
from tests.faults.made import damaged_exif, encoded, quarters, with_exif
from tests.faults.resaved import resaved
from tests.model.members import members
from tests.tiny import Tiny, counts, draw_photos, shards

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("turn", [1, 6])
def test_r13_damaged_exif_is_passed_by_without_a_word(turn):
    """Damage in a photo's EXIF warns nobody, and the turn behind it is found."""
    shape = decode(with_exif(damaged_exif(turn), quarters())).shape
    assert shape == ((30, 20, 3) if turn == 6 else (20, 30, 3))


@pytest.mark.filterwarnings("error")
def test_r14_a_phones_malformed_mpo_is_a_photo():
    """A phone's MPO whose table is damaged is read as its first picture."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = bytearray(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    place = data.index(b"MPF\0") + 8
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    assert decode(bytes(data))[4, 4, 0] > 250


def test_r34_pictures_and_print_of_hundreds_of_classes_have_bounds():
    """With 300 classes at most 30 are drawn, print stays short, and both say so."""
    names = [f"class {n:03}" for n in range(300)]
    scores = np.full((300, 300), 1 / 600) + np.eye(300) / 2
    metrics = carlib.evaluate(predictions(names, scores, names))
    assert len(str(metrics)) < 10_000 and "30 of 300 classes" in str(metrics)
    axes = carlib.plot_confusion(metrics)
    assert len(axes.get_yticks()) <= 30 and "30 of 300" in axes.get_title(loc="left")


def test_r35_large_photos_are_shown_at_the_size_they_are_looked_at(tmp_path):
    """Photos of 12 megapixels cost a picture of them a few megabytes each."""
    path = tmp_path / "large.jpg"
    Image.new("RGB", (4000, 3000), "red").save(path)
    photos = pd.DataFrame({"image_path": [str(path)] * 8, "damage_class": "a"})
    tracemalloc.start()
    try:
        carlib.show_photos(photos, per_class=8)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


def test_r37_photos_of_every_mode_are_read_and_others_named_for_what_they_are():
    """Any mode becomes RGB; pointers, web pages and cut files are named as such."""
    for mode in ("L", "LA", "P", "CMYK", "1", "I;16"):
        kind = "TIFF" if mode == "CMYK" else "PNG"
        assert decode(encoded(Image.new(mode, (6, 4)), kind)).shape == (4, 6, 3)
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    for data in (b"", pointer, b"<html>", b"\xff\xd8\xff\xe0"):
        with pytest.raises(ImageError, match=r"x\.jpg (is|looks)"):
            decode(data, "x.jpg")


def test_r41_a_model_that_was_moved_and_renamed_answers_alike(
    trained, photos, tmp_path, monkeypatch
):
    """A model knows no path: moved, renamed, elsewhere it gives the same answer."""
    trained.save(tmp_path / "m.zip")
    (tmp_path / "other").mkdir()
    shutil.move(tmp_path / "m.zip", tmp_path / "other" / "renamed")
    monkeypatch.chdir(tmp_path)
    loaded = carlib.load_model("other/renamed")
    path = photos.image_path[0]
    given, expected = (m.predict(path, progress=False) for m in (loaded, trained))
    assert given.score[0] == pytest.approx(expected.score[0], abs=1e-6)


def test_r47_a_file_of_an_older_format_is_called_old_and_not_damaged(trained, tmp_path):
    """A model of an older format is told to be so, and what to do about it."""
    whole = members(resaved(trained, tmp_path / "m.zip", format_version=1))
    manifest = json.loads(whole["manifest.json"])
    del manifest["sha256"]["manifest.json"]  # which that format didn't have
    whole["manifest.json"] = json.dumps(manifest).encode()
    write_zip(tmp_path / "m.zip", whole)
    with pytest.raises(ArchiveError, match="saved in format 1(.|\n)*Train the model"):
        carlib.load_model(tmp_path / "m.zip")


def test_r48_what_two_runs_compute_is_computed_once(tmp_path):
    """Whatever came first in a workspace, the next run takes from its cache."""
    photos = draw_photos(tmp_path / "photos", 12)
    assert counts(photos[:6], Tiny(), tmp_path / "w") == (0, 6)
    assert counts(photos, Tiny(), tmp_path / "w") == (6, 6)
    carlib.compact_cache(tmp_path / "w")
    assert counts(photos, Tiny(), tmp_path / "w") == (12, 0)
    assert len(shards(tmp_path / "w")) == 1


def test_r49_the_command_runs_as_a_module():
    """Where the script isn't on the PATH, python -m carlib is the same."""
    command = [sys.executable, "-m", "carlib", "--version"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert told.stdout.startswith("carlib ") and told.returncode == 0
