"""Features are computed once, belong to a photo's bytes, and survive what happens."""

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carlib.bottlenecks.cache import cache_info, shards_folder
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data import images, opening
from carlib.data.sources import as_sources
from carlib.errors import ImageError, OptionError
from tests.tiny import Tiny, counts, features_of, shards, table


def test_the_second_run_computes_nothing_and_gives_the_same(folder, tmp_path, capsys):
    backbone, photos = Tiny(), table(folder)
    first = compute_bottlenecks(photos, backbone, tmp_path / "w")
    second = compute_bottlenecks(photos, backbone, tmp_path / "w")
    np.testing.assert_array_equal(first, second)
    assert first.shape == (40, 2)
    assert backbone.seen == 40
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "40 photos: 0 cached, 40 computed",
        "40 photos: 40 cached, 0 computed",
    ]


def test_features_follow_the_photo_not_its_row_name_or_folder(folder, tmp_path):
    backbone, photos = Tiny(), table(folder)
    before = compute_bottlenecks(photos, backbone, tmp_path / "w")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for number, path in enumerate(reversed(photos.image_path)):
        shutil.copy(path, moved / f"{number:03}.png")
    assert counts(table(moved), backbone, tmp_path / "w") == (40, 0)
    after = compute_bottlenecks(table(moved), backbone, tmp_path / "w")
    np.testing.assert_array_equal(after, before[::-1])


def test_only_what_changed_or_came_is_computed(folder, tmp_path, photos):
    backbone = Tiny()
    counts(table(folder), backbone, tmp_path / "w")
    first = sorted(folder.iterdir())[0]
    stat = first.stat()
    first.write_bytes(Path(photos.image_path[50]).read_bytes())
    os.utime(first, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    shutil.copy(photos.image_path[60], folder)
    assert counts(table(folder), backbone, tmp_path / "w") == (39, 2)


def test_another_fingerprint_computes_all_and_keeps_the_others(folder, tmp_path):
    assert counts(table(folder), Tiny(), tmp_path / "w") == (0, 40)
    assert counts(table(folder), Tiny(bias=1), tmp_path / "w") == (0, 40)
    assert counts(table(folder), Tiny(), tmp_path / "w") == (40, 0)


def test_reuse_off_computes_all_again(folder, tmp_path):
    counts(table(folder), Tiny(), tmp_path / "w")
    assert counts(table(folder), Tiny(), tmp_path / "w", reuse=False) == (0, 40)
    assert counts(table(folder), Tiny(), tmp_path / "w") == (40, 0)


def test_without_a_workspace_nothing_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert counts(table(folder), Tiny(), None) == (0, 40)
    assert sorted(tmp_path.rglob("*")) == before


def test_copies_of_a_photo_are_computed_once(folder, tmp_path):
    backbone, path = Tiny(), sorted(folder.iterdir())[0]
    features = compute_bottlenecks([path, path, str(path)], backbone, tmp_path / "w")
    assert backbone.seen == 1
    assert (features == features[0]).all()


def test_photos_come_as_table_paths_bytes_or_pixels(folder):
    paths = sorted(folder.iterdir())[:3]
    encoded = [path.read_bytes() for path in paths]
    pixels = [images.decode(data) for data in encoded]
    frame = pd.DataFrame({"image_path": map(str, paths)}, index=[7, 8, 9])
    results = [
        compute_bottlenecks(photos, Tiny(), None, progress=False)
        for photos in (frame, paths, encoded, pixels, np.stack(pixels))
    ]
    for features in results[1:]:
        np.testing.assert_array_equal(features, results[0])
    one = compute_bottlenecks(paths[0], Tiny(), None, progress=False)
    np.testing.assert_array_equal(one, results[0][:1])


def test_other_things_than_photos_are_refused():
    with pytest.raises(OptionError, match="column image_path"):
        as_sources(pd.DataFrame({"path": ["a"], "other": ["b"]}))
    with pytest.raises(OptionError, match="photo 2 is a int"):
        as_sources(["a.jpeg", 3])
    with pytest.raises(OptionError, match="float64"):
        as_sources([np.zeros((4, 4, 3))])


def test_no_photos_give_no_features(tmp_path):
    assert compute_bottlenecks([], Tiny(), tmp_path).shape == (0, 2)


def test_all_bad_photos_are_named_and_the_others_kept(folder, tmp_path):
    paths = sorted(folder.iterdir())
    paths[3].write_bytes(b"")
    paths[5].write_bytes(paths[5].read_bytes()[:500])
    photos = [*paths, folder / "missing.jpeg"]
    with pytest.raises(ImageError, match="3 of 41") as caught:
        counts(photos, Tiny(), tmp_path / "w")
    named = " ".join(caught.value.problems)
    assert all(p.name in named for p in (paths[3], paths[5], photos[-1]))
    extraction = features_of(photos, Tiny(), tmp_path / "w", on_error="skip")
    assert extraction.n_cached == 38
    assert sorted(extraction.errors) == [3, 5, 40]
    assert np.isnan(extraction.of_photos()[[3, 5, 40]]).all()
    assert np.isfinite(np.delete(extraction.of_photos(), [3, 5, 40], axis=0)).all()


def test_what_is_decoded_is_what_was_hashed_though_the_file_changes(folder, tmp_path):
    """Every photo is replaced as soon as it has been read; both contents are kept."""
    paths = sorted(folder.iterdir())
    old = {path: path.read_bytes() for path in paths}
    others = dict(zip(paths, reversed(old.values()), strict=True))
    read = opening.read_with_status

    def read_then_replace(path):
        result = read(path)
        path.write_bytes(others[path])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "read_with_status", read_then_replace)
        extraction = features_of(paths, Tiny(), tmp_path / "w")
    assert [hashlib.sha256(d).digest() for d in old.values()] == extraction.keys
    again = compute_bottlenecks(list(old.values()), Tiny(), tmp_path / "w")
    np.testing.assert_array_equal(again, extraction.of_photos())
    assert counts(paths, Tiny(), tmp_path / "w") == (40, 0)


def test_a_workspace_that_cannot_be_written_still_gives_features(folder, tmp_path):
    blocked = tmp_path / "w"
    blocked.write_text("a file where the workspace should be")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        features = compute_bottlenecks(table(folder), Tiny(), blocked)
    assert features.shape == (40, 2)
    assert ["Could not keep" in str(w.message) for w in caught] == [True]
    assert blocked.read_text() == "a file where the workspace should be"


def test_the_callback_hears_of_each_computed_photo_and_of_no_cached_one(folder):
    heard = []
    features_of(table(folder), Tiny(), folder.parent / "w", on_photo=heard.append)
    assert heard == list(range(1, 41))
    heard.clear()
    features_of(table(folder), Tiny(), folder.parent / "w", on_photo=heard.append)
    assert heard == []


def test_an_interrupt_keeps_what_was_computed(folder, tmp_path, capsys):
    class Interrupted(Tiny):
        def features(self, pixels):
            if self.seen == 32:
                raise KeyboardInterrupt
            return super().features(pixels)

    with pytest.raises(KeyboardInterrupt):
        compute_bottlenecks(table(folder), Interrupted(), tmp_path / "w")
    assert "32 of 40 are done and kept" in capsys.readouterr().out
    assert counts(table(folder), Tiny(), tmp_path / "w") == (32, 8)


def test_cache_info_lists_backbones_photos_and_bytes(folder, tmp_path):
    assert cache_info(tmp_path / "w") == []
    counts(table(folder), Tiny(), tmp_path / "w")
    (info,) = cache_info(tmp_path / "w")
    assert (info["arch"], info["photos"], info["shards"]) == ("Tiny", 40, 1)
    assert info["bytes"] >= shards(tmp_path / "w")[0].stat().st_size
    ignored = shards_folder(tmp_path / "w", Tiny()).parent / ".gitignore"
    assert ignored.read_text().endswith("*\n")


def test_a_call_on_cached_photos_needs_no_tensorflow(photos, workspace, trained):
    """In a process of its own, on features that training left in the workspace."""
    code = (
        "import sys, carlib\n"
        "photos = carlib.load_index(sys.argv[1])\n"
        "backbone = carlib.Backbone('EfficientNetLite0')\n"
        "train = photos[photos.subset == 'T']\n"
        "features = carlib.compute_bottlenecks(train, backbone, sys.argv[2])\n"
        "print(features.shape, 'tensorflow' in sys.modules)\n"
    )
    sample = str(Path(photos.image_path[0]).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", code, sample, str(workspace)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "(160, 1280) False"


def test_copies_are_computed_once_and_counted_as_what_they_are(folder, capsys):
    paths = [*sorted(folder.iterdir())[:5]] * 2
    heard = []
    features = features_of(paths, Tiny(), None, progress=True, on_photo=heard.append)
    assert (features.n_cached, features.n_computed) == (0, 5)
    assert heard == [1, 2, 3, 4, 5]
    line = "10 photos: 0 cached, 5 computed, 5 copied\n"
    assert capsys.readouterr().out.endswith(line)
    np.testing.assert_array_equal(features.take(range(5)), features.take(range(5, 10)))
