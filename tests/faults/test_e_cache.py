"""E: the cache of features, damaged, foreign, shared or full; features stay right."""

import hashlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib.bottlenecks import stat_index
from carlib.bottlenecks.cache import cache_info, clear_cache, verify_cache
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.shard_file import header_of, row_type
from carlib.errors import ImageError
from tests.tiny import Tiny, counts, draw_photos, is_whole, leftovers, shards

N = 6
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    return draw_photos(tmp_path / "photos", N)


@pytest.fixture
def right(photos) -> np.ndarray:
    """Their features, of no cache at all."""
    return features(photos, None)


@pytest.fixture
def w(tmp_path, photos) -> Path:
    """A workspace that keeps them all, in one shard."""
    assert counts(photos, Tiny(), tmp_path / "w") == (0, N)
    assert len(shards(tmp_path / "w")) == 1
    return tmp_path / "w"


def features(photos, workspace, backbone=None) -> np.ndarray:
    return compute_bottlenecks(photos, backbone or Tiny(), workspace, progress=False)


def planted(workspace: Path, content: bytes) -> Path:
    """Put a file in the place of the only shard, under the name that its hash gives."""
    (shard,) = shards(workspace)
    shard.unlink()
    path = shard.with_name(f"{hashlib.sha256(content).hexdigest()}.npy")
    path.write_bytes(content)
    return path


def assert_computed_again(photos, workspace, right):
    """The features are right, all were computed, and one warning says why."""
    backbone = Tiny()
    with pytest.warns(UserWarning, match="set aside") as warned:
        found = features(photos, workspace, backbone)
    np.testing.assert_array_equal(found, right)
    assert (len(warned), backbone.seen) == (1, N)
    assert counts(photos, Tiny(), workspace) == (N, 0)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-40],
        lambda data: bytes(len(data)),
        lambda data: os.urandom(len(data)),
        lambda data: data[:128],
        lambda data: b"",
    ],
    ids=["cut", "zeroed", "garbage", "header only", "empty"],
)
def test_e01_a_shard_that_is_cut_or_garbage_is_computed_again(photos, w, right, damage):
    """A file of features that is cut, empty or garbage: one warning, all computed."""
    (shard,) = shards(w)
    shard.write_bytes(damage(shard.read_bytes()))
    assert_computed_again(photos, w, right)


@pytest.mark.parametrize("place", [3, 30, 200, -1])
def test_e02_one_flipped_bit_is_noticed(photos, w, right, place):
    """One flipped bit in features that are kept is noticed, wherever it is."""
    (shard,) = shards(w)
    data = bytearray(shard.read_bytes())
    data[place] ^= 16
    shard.write_bytes(data)
    assert_computed_again(photos, w, right)


def test_e03_another_network_finds_nothing_and_leaves_what_is_there(photos, w, right):
    """Other weights, size or preprocessing: computed anew; the first features stay."""
    kept = {path: path.read_bytes() for path in shards(w)}
    np.testing.assert_array_equal(features(photos, w, Tiny(bias=1)), right + 1)
    assert kept.items() <= {path: path.read_bytes() for path in shards(w)}.items()
    assert counts(photos, Tiny(), w) == counts(photos, Tiny(bias=1), w) == (N, 0)


def test_e04_a_photo_edited_in_place_is_computed_again(photos, tmp_path, monkeypatch):
    """A photo changed with its name, size and time kept is computed again, it alone."""
    monkeypatch.setattr(stat_index, "RACY", 0)
    bmp = [path.with_suffix(".bmp") for path in photos]
    for path, other in zip(photos, bmp, strict=True):
        Image.open(path).save(other)
    time.sleep(0.02)
    before = features(bmp, tmp_path / "w")
    assert counts(bmp, Tiny(), tmp_path / "w") == (N, 0)
    status, content = bmp[2].stat(), bytearray(bmp[2].read_bytes())
    content[-200:] = bytes(200)
    bmp[2].write_bytes(content)
    os.utime(bmp[2], ns=(status.st_atime_ns, status.st_mtime_ns))
    assert bmp[2].stat().st_size == status.st_size
    backbone = Tiny()
    after = features(bmp, tmp_path / "w", backbone)
    assert backbone.seen == 1
    changed = (before != after).any(axis=1)
    assert changed.tolist() == [n == 2 for n in range(N)]


def test_e05_features_follow_their_photo_in_whatever_row_it_is(photos, w, right):
    """Rows reordered, left out or added: features follow the photo, not the row."""
    more = draw_photos(photos[0].parent, 1, first=N)[-1:]
    rows = [4, 0, 4, 2]
    backbone = Tiny()
    found = features([*(photos[row] for row in rows), *more], w, backbone)
    np.testing.assert_array_equal(found[:4], right[rows])
    np.testing.assert_array_equal(found[4:], features(more, None))
    assert backbone.seen == 1


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_e06_a_pickle_in_the_cache_is_never_run(photos, w, right, tmp_path):
    """An array of objects in the cache, under a right name, is refused and not run."""
    np.save(tmp_path / "evil.npy", np.array([Canary(tmp_path / "canary")], object))
    for content in (
        (tmp_path / "evil.npy").read_bytes(),
        pickle.dumps(Canary(tmp_path / "canary")),
    ):
        planted(w, content)
        assert_computed_again(photos, w, right)
    assert not (tmp_path / "canary").exists()


def test_e07_a_header_that_asks_for_terabytes_takes_no_memory(photos, w, right):
    """A header that tells of 64 TiB is compared with the file's size, not believed."""
    (shard,) = shards(w)
    path = planted(w, header_of(row_type(shard.parent, 2), 2**40) + bytes(80))
    tracemalloc.start()
    try:
        with pytest.warns(UserWarning, match="set aside"):
            (told,) = verify_cache(w)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    assert (told["photos"], told["damaged"], path.exists()) == (0, 1, False)
    np.testing.assert_array_equal(features(photos, w), right)


class Blind(Tiny):
    """Sees no number in one photo of the batch."""

    def features(self, pixels):
        found = super().features(pixels)
        found[1] = np.nan
        return found


def test_e08_features_that_are_no_numbers_are_not_used(photos, w, right, tmp_path):
    """NaN in the cache is computed again; a network that gives NaN names the photos."""
    (shard,) = shards(w)
    rows = np.load(shard)
    rows["features"][3] = np.nan
    planted(w, header_of(rows.dtype, N) + rows.tobytes())
    assert_computed_again(photos, w, right)
    with pytest.raises(ImageError, match="not numbers") as caught:
        features(photos[:4], tmp_path / "other", Blind())
    assert len(caught.value.problems) == 1
    assert Path(caught.value.problems[0].split()[0]) in photos


@pytest.mark.parametrize("kind", ["a file", "full"])
@pytest.mark.skipif(os.name == "nt", reason="limits are a Unix matter")
def test_e09_where_nothing_can_be_kept_features_are_used_all_the_same(
    photos, right, tmp_path, kind
):
    """A workspace that is a file, or a disk that is full: features, and one warning."""
    import resource

    size, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    if kind == "a file":
        (tmp_path / "w").write_text("mine", "utf-8")
    try:
        if kind == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
        with pytest.warns(UserWarning, match="Could not keep") as warned:
            found = features(photos, tmp_path / "w")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    np.testing.assert_array_equal(found, right)
    assert len(warned) == 1 and leftovers(tmp_path) == []
    if kind == "a file":
        assert (tmp_path / "w").read_text("utf-8") == "mine"


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.tiny import Tiny, counts, paths
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
counts(paths(sys.argv[1]), Tiny(), sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_e10_a_kill_while_features_are_written_leaves_no_half_of_them(
    photos, right, tmp_path
):
    """Killed before a file of features has its name: it doesn't count, and goes."""
    arguments = [sys.executable, "-c", KILLED, photos[0].parent, tmp_path / "w"]
    killed = subprocess.run(list(map(str, arguments)), cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert shards(tmp_path / "w") == [] and leftovers(tmp_path / "w")
    for path in (tmp_path / "w").rglob("*.tmp"):
        os.utime(path, (time.time() - 10 * 86_400,) * 2)
    np.testing.assert_array_equal(features(photos, tmp_path / "w"), right)
    assert leftovers(tmp_path / "w") == []


def test_e11_several_at_once_are_all_right_and_tear_nothing(photos, right, tmp_path):
    """Several that compute the same photos at once all get the right features."""
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(features, photos, tmp_path / "w", Tiny(seconds=0.02))
            for _ in range(4)
        ]
        for run in runs:
            np.testing.assert_array_equal(run.result(30), right)
    assert leftovers(tmp_path / "w") == []
    assert all(map(is_whole, shards(tmp_path / "w")))
    assert counts(photos, Tiny(), tmp_path / "w") == (N, 0)


def test_e12_what_dead_processes_left_holds_nobody_up(photos, w):
    """A lock or temporary file of a process that is gone makes nobody wait."""
    folder = shards(w)[0].parent
    for name in ("lock", f"{shards(w)[0].name}.lock", ".x.npy.0.1.2.carlib.tmp"):
        (folder / name).write_text("999999", "utf-8")
    started = time.monotonic()
    more = draw_photos(photos[0].parent, 2, first=N)
    assert counts(more, Tiny(), w) == (N, 2)
    assert time.monotonic() - started < 2


def test_e13_what_describes_other_features_is_taken_for_absent(photos, w, right):
    """Another network's features are refused; a lost description is made again."""
    folder = shards(w)[0].parent
    (folder / "backbone.json").write_text('{"arch": "Other"}', "utf-8")
    assert cache_info(w) == []
    more = draw_photos(photos[0].parent, 1, first=N)
    assert counts(more, Tiny(), w) == (N, 1)
    assert [each["photos"] for each in cache_info(w)] == [N + 1]
    shutil.rmtree(folder)
    counts(photos, Tiny(bias=1), w)
    folder.mkdir()
    shards(w)[0].rename(folder / shards(w)[0].name)
    assert_computed_again(photos, w, right)


@pytest.mark.parametrize("kind", [">f4", "<f8", "<f2", "fortran"])
def test_e14_numbers_of_another_kind_are_not_misread(photos, w, right, tmp_path, kind):
    """Features in 16 or 64 bits, another byte or array order are not misread."""
    (shard,) = shards(w)
    rows = np.load(shard)
    if kind == "fortran":
        np.save(tmp_path / "other.npy", np.asfortranarray(rows["features"]))
    else:
        own, (name, _, *shape) = rows.dtype.descr[0], rows.dtype.descr[1]
        np.save(tmp_path / "other.npy", rows.astype([own, (name, kind, *shape)]))
    planted(w, (tmp_path / "other.npy").read_bytes())
    assert_computed_again(photos, w, right)


def test_e15_a_cache_that_moved_with_its_photos_is_still_one(photos, w, tmp_path):
    """A workspace and photos that moved to another place compute nothing again."""
    shutil.copytree(w, tmp_path / "elsewhere" / "w2")
    shutil.copytree(photos[0].parent, tmp_path / "elsewhere" / "p2")
    moved = sorted((tmp_path / "elsewhere" / "p2").iterdir())
    assert counts(moved, Tiny(), tmp_path / "elsewhere" / "w2") == (N, 0)


def test_e16_the_cache_tells_its_size_and_goes_only_when_it_is_told_to(photos, w):
    """What is kept is told, stays for as long as nobody clears it, and then goes."""
    others = draw_photos(photos[0].parent.with_name("others"), 30, first=50)
    counts(others, Tiny(), w)
    counts(others, Tiny(bias=1), w)
    told = cache_info(w)
    assert [each["photos"] for each in told] == [N + 30, 30]
    assert all(each["bytes"] > 40 * each["photos"] for each in told)
    assert counts(photos, Tiny(), w) == (N, 0)
    assert clear_cache(w) == told
    assert cache_info(w) == [] and shards(w) == []


def test_e17_features_hardly_depend_on_what_executes_the_network(backbone):
    """What executes a network changes its features in their last digits only."""
    is_exact = backbone.precision == "float32"
    exact = backbone if is_exact else backbone.at("float32")
    size = exact.input_size
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    found, reference = exact.features(pixels), np.asarray(exact.network(pixels))
    assert np.abs(found - reference).max() < 1e-4 * np.abs(reference).max()
    np.testing.assert_array_equal(exact.features(pixels[1:2]), found[1:2])
    assert is_exact or backbone.fingerprint != exact.fingerprint


def test_nothing_of_these_warns_where_nothing_is_wrong(photos, w, right):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(features(photos, w), right)
