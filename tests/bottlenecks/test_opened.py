"""A workspace stays open: nothing is read twice, and nothing is lost."""

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from carlib.bottlenecks import opened, shard_file, stat_index, status
from carlib.bottlenecks import run as run_module
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    compact_cache,
    verify_cache,
)
from carlib.bottlenecks.extract import compute_bottlenecks
from tests.bottlenecks.damage import DAMAGES, N_PHOTOS
from tests.tiny import (
    Tiny,
    counts,
    draw_photos,
    elsewhere,
    features_of,
    is_whole,
    shards,
)

ROOT = Path(__file__).resolve().parents[2]
HELD = {"hold_back": True}


@pytest.fixture
def read(monkeypatch, kept):
    """The names of the workspace's files as they are read; all are old enough."""
    seen, open_file = [], shard_file.open_file

    def noted(path):
        seen.append(Path(path).name)
        return open_file(path)

    monkeypatch.setattr(shard_file, "open_file", noted)
    monkeypatch.setattr(status, "TICK", 0)
    time.sleep(0.02)
    return seen


# --- What stays open -----------------------------------------------------------------


def test_a_further_call_reads_no_shard_and_no_index(kept, drawn, new, read):
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    read.clear()
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert counts(new[:1], Tiny(), kept, **HELD) == (0, 1)
    assert counts(new[:1], Tiny(), kept, **HELD) == (1, 0)
    assert read == []


def test_what_a_call_wrote_is_read_once_more_and_then_no_more(kept, drawn, new, read):
    counts(new, Tiny(), kept)
    time.sleep(0.02)
    for _ in range(3):
        assert counts([*drawn, *new], Tiny(), kept) == (N_PHOTOS + 8, 0)
    assert len(read) == len(set(read))


def test_a_file_that_was_just_written_is_not_trusted_by_its_status(
    kept, drawn, monkeypatch
):
    """A change within the same tick of the clock has the same times."""
    seen, open_file = [], shard_file.open_file
    monkeypatch.setattr(status, "TICK", 10**12)
    monkeypatch.setattr(
        shard_file, "open_file", lambda path: seen.append(path) or open_file(path)
    )
    for count in (2, 4):
        assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
        assert len(seen) == count


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_with_the_times_set_back_is_noticed_by_the_next_call(
    kept, drawn, right, read, damage
):
    counts(drawn, Tiny(), kept)
    (shard,) = shards(kept)
    before = shard.stat()
    shard.write_bytes(DAMAGES[damage](shard.read_bytes()))
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.warns(UserWarning, match="set aside"):
        found = features_of(drawn, Tiny(), kept)
    assert (found.n_cached, found.n_computed) == (0, N_PHOTOS)
    np.testing.assert_array_equal(found.of_photos(), right)


def test_a_shard_that_is_touched_and_whole_is_read_and_no_other(kept, drawn, new, read):
    counts(new, Tiny(), kept)
    time.sleep(0.02)
    counts(drawn, Tiny(), kept)
    read.clear()
    touched = shards(kept)[0]
    os.utime(touched)
    assert counts([*drawn, *new], Tiny(), kept) == (N_PHOTOS + 8, 0)
    assert read == [touched.name]


@pytest.mark.parametrize("removed", ["shard", "folder", "workspace"])
def test_what_is_removed_is_computed_again(kept, drawn, right, read, removed):
    counts(drawn, Tiny(), kept)
    (shard,) = shards(kept)
    if removed == "shard":
        shard.unlink()
    else:
        shutil.rmtree(shard.parent if removed == "folder" else kept)
    found = features_of(drawn, Tiny(), kept)
    assert (found.n_cached, found.n_computed) == (0, N_PHOTOS)
    np.testing.assert_array_equal(found.of_photos(), right)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)


def test_what_another_process_adds_and_merges_is_taken_up(kept, drawn, new, read):
    counts(drawn, Tiny(), kept)
    assert elsewhere(counts, new, Tiny(), kept) == (0, 8)
    assert counts([*drawn, *new], Tiny(), kept) == (N_PHOTOS + 8, 0)
    elsewhere(compact_cache, kept)
    assert len(shards(kept)) == 1
    assert counts([*drawn, *new], Tiny(), kept) == (N_PHOTOS + 8, 0)


def test_without_reuse_nothing_that_is_open_is_seen(kept, drawn, new):
    assert counts(new, Tiny(), kept, **HELD) == (0, 8)
    assert counts([*drawn, *new], Tiny(), kept, reuse=False) == (0, N_PHOTOS + 8)
    assert counts(new, Tiny(), kept, reuse=False, **HELD) == (0, 8)


def test_verify_reads_all_whatever_is_open(kept, drawn, read):
    counts(drawn, Tiny(), kept)
    read.clear()
    assert verify_cache(kept)[0]["photos"] == N_PHOTOS
    assert read == [shards(kept)[0].name]


def test_a_relative_workspace_is_another_one_in_another_folder(
    kept, drawn, new, tmp_path, monkeypatch
):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    assert counts(drawn, Tiny(), "w") == (N_PHOTOS, 0)
    assert counts(new, Tiny(), "w", **HELD) == (0, 8)
    monkeypatch.chdir(tmp_path / "other")
    assert counts(drawn[:4], Tiny(), "w") == (0, 4)
    opened.write_all()
    assert [info["photos"] for info in cache_info(kept)] == [N_PHOTOS + 8]
    assert [info["photos"] for info in cache_info("w")] == [4]


# --- What is held back ---------------------------------------------------------------


def test_what_is_held_back_is_cached_for_this_process_and_in_no_file(kept, new, drawn):
    before = shards(kept)
    for photo in new:
        assert counts([photo], Tiny(), kept, **HELD) == (0, 1)
    assert shards(kept) == before
    found = features_of(new, Tiny(), kept)
    assert (found.n_cached, found.n_computed) == (8, 0)
    right = compute_bottlenecks(new, Tiny(), None, progress=False)
    np.testing.assert_array_equal(found.of_photos(), right)


def test_mirror_images_and_other_backbones_are_held_back_too(tmp_path, new):
    for backbone in (Tiny(), Tiny(bias=1)):
        options = {"augment": "flip"} | HELD
        first = features_of(new, backbone, tmp_path / "w", **options)
        again = features_of(new, backbone, tmp_path / "w", **options)
        assert (first.n_computed, again.n_cached) == (8, 8)
        rows = range(16)
        np.testing.assert_array_equal(again.take(rows), first.take(rows))
    assert shards(tmp_path / "w") == []


def test_five_seconds_work_of_many_calls_is_written_as_one_shard(
    tmp_path, new, monkeypatch
):
    for photo in new[:4]:
        assert counts([photo], Tiny(seconds=0.05), tmp_path / "w", **HELD) == (0, 1)
    assert shards(tmp_path / "w") == []
    monkeypatch.setattr(run_module, "SECONDS_A_SHARD", 0.2)
    assert counts(new[4:5], Tiny(), tmp_path / "w", **HELD) == (0, 1)
    (shard,) = shards(tmp_path / "w")
    assert len(np.load(shard)) == 5 and is_whole(shard)
    assert counts(new, Tiny(), tmp_path / "w", **HELD) == (5, 3)
    assert shards(tmp_path / "w") == [shard]


def test_a_large_call_writes_as_it_goes_though_small_ones_are_held_back(
    tmp_path, drawn, monkeypatch
):
    """Killed, it would else lose more than five seconds' work."""
    monkeypatch.setattr(run_module, "BYTES_A_SHARD", 12 * 40)
    assert counts(drawn, Tiny(), tmp_path / "w", **HELD) == (0, N_PHOTOS)
    (shard,) = shards(tmp_path / "w")
    assert len(np.load(shard)) == 16
    (info,) = cache_info(tmp_path / "w")
    assert info["photos"] == N_PHOTOS


def test_info_and_care_count_what_was_held_back(kept, new):
    counts(new, Tiny(), kept, **HELD)
    assert [info["photos"] for info in cache_info(kept)] == [N_PHOTOS + 8]
    counts(new, Tiny(bias=1), kept, **HELD)
    assert [found["photos"] for found in verify_cache(kept)] == [N_PHOTOS + 8, 8]


def test_a_workspace_that_is_cleared_forgets_what_was_held_back(kept, drawn, new):
    counts(new, Tiny(), kept, **HELD)
    assert [gone["photos"] for gone in clear_cache(kept)] == [N_PHOTOS + 8]
    opened.write_all()
    assert shards(kept) == []
    assert counts([*drawn, *new], Tiny(), kept) == (0, N_PHOTOS + 8)


def test_what_was_longest_unused_is_written_and_closed(tmp_path, new, monkeypatch):
    monkeypatch.setattr(opened, "MOST", 2)  # a stat index, and a backbone's folder
    monkeypatch.setattr(opened._State, "opened", OrderedDict())
    counts(new, Tiny(), tmp_path / "w", **HELD)
    counts(new, Tiny(), tmp_path / "w2", **HELD)
    assert len(shards(tmp_path / "w")) == 1 and shards(tmp_path / "w2") == []
    assert len(opened._State.opened) == 2
    assert counts(new, Tiny(), tmp_path / "w") == (8, 0)


def test_a_workspace_that_was_removed_is_not_made_anew(tmp_path, new):
    counts(new, Tiny(), tmp_path / "w", **HELD)
    shutil.rmtree(tmp_path / "w")
    opened.write_all()
    assert not (tmp_path / "w").exists()
    assert counts(new, Tiny(), tmp_path / "w") == (0, 8)


def test_what_cannot_be_written_is_told_of_once_and_let_go(tmp_path, monkeypatch):
    """A server in a container: its memory must not fill with what nobody keeps."""

    def refused(*_):
        raise OSError(30, "Read-only file system")

    drawn = draw_photos(tmp_path / "photos", 12)
    counts(drawn[:1], Tiny(), tmp_path / "w")
    monkeypatch.setattr("carlib.bottlenecks.open_folder.write_shard", refused)
    monkeypatch.setattr("carlib.bottlenecks.shards.write_shard", refused)
    counts(drawn[1:10], Tiny(), tmp_path / "w", **HELD)
    with pytest.warns(UserWarning, match="Could not keep") as warned:
        opened.write_all()
    assert len(warned) == 1
    opened.write_all()
    assert counts(drawn[1:10], Tiny(), tmp_path / "w", **HELD) == (0, 9)


def test_a_workspace_that_cannot_be_made_warns_at_once(tmp_path, new):
    (tmp_path / "w").write_text("mine", "utf-8")
    with pytest.warns(UserWarning, match="Could not keep") as warned:
        found = features_of(new, Tiny(), tmp_path / "w", **HELD)
    right = compute_bottlenecks(new, Tiny(), None, progress=False)
    np.testing.assert_array_equal(found.of_photos(), right)
    assert len(warned) == 1


AT_THE_END = """
import os, signal, sys
from tests.tiny import Tiny, counts, paths, shards
photos, workspace, end = sys.argv[1:]
for photo in paths(photos):
    counts([photo], Tiny(), workspace, hold_back=True)
if end == "fork":
    child = os.fork()
    if not child:
        counts(paths(photos)[:1], Tiny(), workspace, hold_back=True)
        sys.exit()
    os.waitpid(child, 0)
print(len(shards(workspace)), flush=True)
os.chdir("/")
if end == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if end == "failed":
    raise SystemExit(3)
"""


@pytest.mark.skipif(os.name == "nt", reason="neither fork nor SIGKILL there")
@pytest.mark.parametrize("end", ["well", "failed", "fork", "killed"])
def test_a_process_writes_what_it_held_back_at_its_end(tmp_path, new, end):
    """Its child by a fork doesn't: it would write what is its parent's once more."""
    arguments = [sys.executable, "-c", AT_THE_END, str(new[0].parent), "w", end]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options = {"cwd": tmp_path, "env": environment, "timeout": 60}
    run = subprocess.run(arguments, capture_output=True, text=True, **options)
    assert (run.stdout, run.stderr) == ("1\n" if end == "fork" else "0\n", "")
    expected = {"killed": (0, 8), "fork": (8, 0)}.get(end, (8, 0))
    assert len(shards(tmp_path / "w")) == {"killed": 0, "fork": 2}.get(end, 1)
    assert counts(new, Tiny(), tmp_path / "w") == expected


def test_the_stat_index_is_written_with_what_many_calls_learnt(
    kept, drawn, new, monkeypatch
):
    def entries():
        (index,) = kept.glob("bottlenecks/photos-*.npy")
        return len(np.load(index))

    monkeypatch.setattr(stat_index, "MOST_HELD_BACK", 5)
    time.sleep(0.02)
    for photo in new[:5]:
        counts([photo], Tiny(), kept, **HELD)
    assert entries() == N_PHOTOS
    counts(new[5:6], Tiny(), kept, **HELD)
    assert entries() == N_PHOTOS + 6


# --- Several at once, and for long ---------------------------------------------------


def test_eight_threads_get_the_same_answers_and_none_waits_for_anothers_network(
    kept, drawn, new, monkeypatch
):
    monkeypatch.setattr(run_module, "SECONDS_A_SHARD", 0.2)
    photos = [*drawn, *new]
    right = compute_bottlenecks(photos, Tiny(), None, progress=False)

    def answers(first):
        backbone = Tiny(seconds=0.02)
        order = np.roll(np.arange(len(photos)), first)
        found = {
            int(row): features_of([photos[row]], backbone, kept, **HELD).of_photos()[0]
            for row in order
        }
        return np.stack([found[row] for row in range(len(photos))])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ThreadPoolExecutor(8) as pool:
            runs = [pool.submit(answers, 4 * number) for number in range(8)]
            for run in runs:
                np.testing.assert_array_equal(run.result(60), right)
    opened.write_all()
    assert all(map(is_whole, shards(kept)))
    assert counts(photos, Tiny(), kept) == (len(photos), 0)


class Waiting(Tiny):
    """Waits in its network for others to be done."""

    def __init__(self, others):
        super().__init__()
        self.others = others

    def features(self, pixels):
        self.others()
        return super().features(pixels)


def test_a_call_is_answered_while_anothers_network_computes(kept, drawn, new):
    def others():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(counts, new[4:6], Tiny(), kept, **HELD).result(10)
            pool.submit(counts, drawn, Tiny(), kept).result(10)

    assert counts(new[:1], Waiting(others), kept, **HELD) == (0, 1)


def test_many_calls_on_new_photos_take_no_more_memory_than_their_keys(
    tmp_path, monkeypatch
):
    """And leave few files: of a server's 10,000 photos not 10,000."""

    class Wide(Tiny):
        n_features = 1280

        def features(self, pixels):
            return np.repeat(super().features(pixels)[:, :1], 1280, axis=1)

    monkeypatch.setattr(run_module, "BYTES_A_SHARD", 50 * 1280 * 4)
    drawn = [path.read_bytes() for path in draw_photos(tmp_path / "photos", 1)]
    sizes = []
    tracemalloc.start()
    try:
        for number in range(1, 201):
            photo = drawn[0] + number.to_bytes(4, "big")
            assert counts([photo], Wide(), tmp_path / "w", **HELD) == (0, 1)
            if number % 100 == 0:
                opened.write_all()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 100 * 1024  # of 100 × 5 KB
    assert len(shards(tmp_path / "w")) <= 6
