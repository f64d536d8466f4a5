"""Many processes at once on one workspace: no lock, no torn read, no lost row.

And Ctrl-C, as it is really pressed, in a process that is in the middle of it.
"""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from carlib.bottlenecks import run as run_module
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    compact_cache,
    verify_cache,
)
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.errors import CarlibError
from tests.tiny import (
    Tiny,
    counts,
    draw_photos,
    features_of,
    is_whole,
    leftovers,
    shards,
)

SECONDS = 60  # after which something hangs


@pytest.fixture(scope="module")
def crew():
    """Four processes that can begin at the same moment."""
    context = multiprocessing.get_context("spawn")
    barriers = {count: context.Barrier(count) for count in (2, 4)}
    with ProcessPoolExecutor(4, context, _enlist, (barriers,)) as pool:
        yield pool


def _enlist(barriers):
    global together
    together = barriers


def _compute(count, photos, workspace):
    """Wait for the others; a batch takes a while, so that all are at work at once."""
    together[count].wait(SECONDS)
    run_module.SECONDS_A_SHARD = -1
    extraction = features_of(photos, Tiny(seconds=0.01), workspace, progress=False)
    return extraction.n_computed, extraction.of_photos()


def _all_at_once(crew, photo_sets, workspace):
    futures = [
        crew.submit(_compute, len(photo_sets), photos, workspace)
        for photos in photo_sets
    ]
    return [future.result(SECONDS) for future in futures]


def _right(photos):
    return compute_bottlenecks(photos, Tiny(), None, progress=False)


def _is_tidy(workspace):
    return leftovers(workspace) == [] and all(map(is_whole, shards(workspace)))


@pytest.mark.parametrize("count", [2, 4])
def test_processes_on_the_same_photos_are_all_right(crew, tmp_path, count):
    photos = draw_photos(tmp_path / "photos", 40)
    results = _all_at_once(crew, [photos] * count, tmp_path / "w")
    for _, features in results:
        np.testing.assert_array_equal(features, _right(photos))
    assert _is_tidy(tmp_path / "w")
    assert counts(photos, Tiny(), tmp_path / "w") == (40, 0)


def test_two_processes_on_the_same_photos_share_the_work(crew, tmp_path):
    """Whatever their process ids, which are often neighbours."""
    photos = draw_photos(tmp_path / "photos", 360)
    results = _all_at_once(crew, [photos] * 2, tmp_path / "w")
    assert sum(n_computed for n_computed, _ in results) < 1.6 * 360


@pytest.mark.parametrize("count", [2, 4])
def test_processes_on_different_photos_keep_them_all(crew, tmp_path, count):
    """Each shares a third of its photos with the next one."""
    photos = draw_photos(tmp_path / "photos", 30 + 20 * (count - 1))
    photo_sets = [photos[i * 20 : i * 20 + 30] for i in range(count)]
    results = _all_at_once(crew, photo_sets, tmp_path / "w")
    for own, (n_computed, features) in zip(photo_sets, results, strict=True):
        np.testing.assert_array_equal(features, _right(own))
        assert n_computed <= 30
    assert _is_tidy(tmp_path / "w")
    assert counts(photos, Tiny(), tmp_path / "w") == (len(photos), 0)


def _read_again_and_again(photos, workspace, right, stop):
    """Count the rounds; what was in the cache before must be there in each of them."""
    rounds = 0
    while not stop.exists():
        extraction = features_of(photos, Tiny(), workspace, progress=False)
        np.testing.assert_array_equal(extraction.of_photos(), right)
        assert extraction.n_computed == 0
        rounds += 1
    return rounds


def _compact_again_and_again(workspace, stop):
    rounds = 0
    while not stop.exists():
        compact_cache(workspace)
        assert cache_info(workspace)[0]["photos"] > 0
        rounds += 1
    return rounds


def _write_one_after_another(photos, workspace):
    run_module.SECONDS_A_SHARD = -1
    for start in range(0, len(photos), 20):
        some = photos[start : start + 20]
        np.testing.assert_array_equal(
            compute_bottlenecks(some, Tiny(), workspace, progress=False), _right(some)
        )


def test_compacting_beside_readers_and_writers_loses_no_row(crew, tmp_path):
    workspace, stop = tmp_path / "w", tmp_path / "stop"
    old = draw_photos(tmp_path / "old", 40)
    new = draw_photos(tmp_path / "new", 400, first=40)
    crew.submit(_write_one_after_another, old, workspace).result(SECONDS)
    reader = crew.submit(_read_again_and_again, old, workspace, _right(old), stop)
    compacting = [
        crew.submit(_compact_again_and_again, workspace, stop) for _ in range(2)
    ]
    try:
        crew.submit(_write_one_after_another, new, workspace).result(SECONDS)
    finally:
        stop.touch()
    assert reader.result(SECONDS) > 5
    assert all(future.result(SECONDS) > 5 for future in compacting)
    assert counts([*old, *new], Tiny(), workspace) == (440, 0)
    assert _is_tidy(workspace)


def test_two_that_compact_at_once_lose_no_row(crew, tmp_path):
    photos = draw_photos(tmp_path / "photos", 200)
    right = _right(photos)
    for _ in range(5):
        crew.submit(_write_one_after_another, photos, tmp_path / "w").result(SECONDS)
        futures = [crew.submit(_compact_together, tmp_path / "w") for _ in range(4)]
        for future in futures:
            future.result(SECONDS)
        extraction = features_of(photos, Tiny(), tmp_path / "w", progress=False)
        np.testing.assert_array_equal(extraction.of_photos(), right)
        assert (extraction.n_cached, len(shards(tmp_path / "w"))) == (200, 1)
        clear_cache(tmp_path / "w")


def _compact_together(workspace):
    together[4].wait(SECONDS)
    compact_cache(workspace)


@pytest.mark.parametrize("reuse", [True, False])
def test_features_asked_for_after_a_merge_are_found_where_they_are_now(tmp_path, reuse):
    photos = draw_photos(tmp_path / "photos", 16)
    counts(photos[:8], Tiny(), tmp_path / "w")
    options = {"reuse": reuse, "progress": False}
    extraction = features_of(photos, Tiny(), tmp_path / "w", **options)
    compact_cache(tmp_path / "w")
    np.testing.assert_array_equal(extraction.of_photos(), _right(photos))


def test_a_shard_that_comes_again_after_it_was_merged_is_found_again(tmp_path):
    """As when one who merges writes late what another has merged already."""
    photos = draw_photos(tmp_path / "photos", 8)
    counts(photos[:4], Tiny(), tmp_path / "w")
    extraction = features_of(photos[:4], Tiny(), tmp_path / "w", progress=False)
    (first,) = shards(tmp_path / "w")
    content = first.read_bytes()
    counts(photos[4:], Tiny(), tmp_path / "w")
    compact_cache(tmp_path / "w")
    extraction.shards[0].refresh()
    (merged,) = shards(tmp_path / "w")
    merged.unlink()
    first.write_bytes(content)
    np.testing.assert_array_equal(extraction.of_photos(), _right(photos[:4]))


def test_features_that_were_cleared_meanwhile_are_an_error_in_words(tmp_path):
    photos = draw_photos(tmp_path / "photos", 8)
    extraction = features_of(photos, Tiny(), tmp_path / "w", progress=False)
    clear_cache(tmp_path / "w")
    with pytest.raises(CarlibError, match="again"):
        extraction.take([0])


PRESSED = """
import sys, time
from pathlib import Path
from tests.tiny import Tiny, paths
from carlib.bottlenecks import run
from carlib.bottlenecks.extract import compute_bottlenecks

class Slow(Tiny):
    def wait(self, pixels):
        time.sleep(float(sys.argv[3]) if self.seen >= 8 else 0)
        return self.features(pixels)

run.SECONDS_A_SHARD = float(sys.argv[4])
compute_bottlenecks(paths(sys.argv[1]), Slow(), sys.argv[2])
"""


def _begin(photos, workspace, *arguments):
    """Start a run; return when its first shard is there."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRESSED, photos, workspace, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + SECONDS
    while not shards(workspace) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def _end(process):
    """Wait for the end, and return what it printed."""
    try:
        said, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT, errors
    return said


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to another process")
def test_ctrl_c_keeps_what_was_computed_and_says_how_much(tmp_path):
    photos = draw_photos(tmp_path / "photos", 200)
    process = _begin(tmp_path / "photos", tmp_path / "w", 0.02, 0.1)
    time.sleep(0.25)
    process.send_signal(signal.SIGINT)
    said = _end(process)
    (done, of), *others = re.findall(r"Stopped: (\d+) of (\d+) .*kept", said)
    assert others == [] and of == "200"
    assert 8 < int(done) < 200
    assert leftovers(tmp_path / "w") == []
    assert counts(photos, Tiny(), tmp_path / "w") == (int(done), 200 - int(done))


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to another process")
def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    """The network hangs; what was kept before is there all the same."""
    photos = draw_photos(tmp_path / "photos", 40)
    process = _begin(tmp_path / "photos", tmp_path / "w", 1000, -1)
    for _ in range(2):
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    _end(process)
    assert verify_cache(tmp_path / "w")[0]["damaged"] == 0
    assert counts(photos, Tiny(), tmp_path / "w") == (8, 32)
