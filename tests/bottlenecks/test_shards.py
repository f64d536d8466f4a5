"""Whatever happens to the files, features are right or there is one clear error.

Damaged and planted shards and sidecars, photos that change under way, full disks and
read-only ones: real files all of them, and a network of two numbers.
"""

import hashlib
import io
import json
import os
import shutil
import time
import warnings

import numpy as np
import pytest

from carlib.bottlenecks import run as run_module
from carlib.bottlenecks import shard_file
from carlib.bottlenecks import shards as shards_module
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    compact_cache,
    open_index,
    verify_cache,
)
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.shards import Shards
from carlib.errors import ImageError
from carlib.files import ABANDONED
from tests.bottlenecks.damage import DAMAGES, N_PHOTOS, not_to_be_opened
from tests.tiny import (
    Tiny,
    counts,
    draw_photos,
    elsewhere,
    features_of,
    is_whole,
    leftovers,
    paths,
    shards,
)


@pytest.fixture
def small_shards(monkeypatch):
    """Have each batch of four photos written at once."""
    monkeypatch.setattr(run_module, "SECONDS_A_SHARD", -1)


def home(kept):
    """The folder of the only backbone."""
    return next(kept.glob("bottlenecks/Tiny-*"))


def rows(n_features=2, float_type="<f4", count=3):
    """Rows as a shard has them, or nearly so."""
    fields = [("photo", "u1", 32), ("features", float_type, (n_features,))]
    return np.ones(count, fields)


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def header(shape):
    """A header without rows, of as many as you like."""
    buffer = io.BytesIO()
    fields = {"descr": rows().dtype.descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


# Each under the name that its content asks for, as somebody would who plants it.
PLANTED = {
    "nothing": b"",
    "zeros": bytes(4096),
    "header only": header((3,)),
    "64 TiB": header((1 << 46,)),
    "two-dimensional": header((1, 3)) + rows().tobytes(),
    "negative": header((-1,)) + rows().tobytes(),
    "too long a header": b"\x93NUMPY\x01\x00\xff\xff" + b" " * 70_000,
    "a row and a half": header((1,)) + rows(count=2).tobytes()[:60],
    "pickle": npy(np.array([{"a": 1}], object), allow_pickle=True),
    "other features": npy(rows(3)),
    "float16": npy(rows(float_type="<f2")),
    "float64": npy(rows(float_type="<f8")),
    "big-endian": npy(rows(float_type=">f4")),
    "Fortran": npy(np.asfortranarray(np.ones((4, 2), np.float32))),
    "text": b"<html>404</html>",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_file_with_the_right_name_is_set_aside(kept, drawn, right, kind):
    name = hashlib.sha256(PLANTED[kind]).hexdigest()
    (home(kept) / f"{name}.npy").write_bytes(PLANTED[kind])
    with pytest.warns(UserWarning, match=name[:12]) as warned:
        extraction = features_of(drawn, Tiny(), kept, progress=False)
    assert len(warned) == 1
    assert (extraction.n_cached, extraction.n_computed) == (N_PHOTOS, 0)
    np.testing.assert_array_equal(extraction.of_photos(), right)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert leftovers(kept) == [f"{name}.damaged"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_costs_its_own_photos_and_no_others(kept, drawn, right, damage):
    more = draw_photos(drawn[0].parent, 8, first=100)
    counts(more, Tiny(), kept)
    shard = max(shards(kept), key=lambda path: path.stat().st_size)
    shard.write_bytes(DAMAGES[damage](shard.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        extraction = features_of(drawn, Tiny(), kept, progress=False)
    assert len(warned) == 1
    np.testing.assert_array_equal(extraction.of_photos(), right)
    assert counts(more, Tiny(), kept) == (N_PHOTOS + 8, 0)


@pytest.mark.filterwarnings("ignore:.*set aside")
def test_verify_counts_what_is_damaged_and_sets_it_aside(kept, drawn):
    assert verify_cache(kept)[0]["damaged"] == 0
    (shard,) = shards(kept)
    shard.write_bytes(DAMAGES["bit in a row"](shard.read_bytes()))
    for _ in range(2):
        (found,) = verify_cache(kept)
        assert (found["photos"], found["damaged"]) == (0, 1)
    assert counts(drawn, Tiny(), kept) == (0, N_PHOTOS)
    assert verify_cache(kept)[0]["photos"] == N_PHOTOS


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_numbers_are_never_taken_from_the_cache(
    tmp_path, drawn, right, value
):
    """As a broken machine would have left them, under a right name."""
    planted = right.copy()
    planted[5] = value, -value
    keys = [hashlib.sha256(path.read_bytes()).digest() for path in drawn]
    counts(drawn[:1], Tiny(), tmp_path / "w")
    shards = Shards(home(tmp_path / "w"), 2, look=False)
    shards.add([shards.rows(keys, planted)])
    with pytest.warns(UserWarning, match="not numbers") as warned:
        extraction = features_of(drawn, Tiny(), tmp_path / "w", progress=False)
    assert len(warned) == 1
    np.testing.assert_array_equal(extraction.of_photos(), right)


def test_features_as_large_as_float32_goes_are_cached_like_any_others(tmp_path):
    class Large(Tiny):
        def features(self, pixels):
            return super().features(pixels) * 0 + np.finfo(np.float32).max

    drawn = draw_photos(tmp_path / "photos", 4)
    assert counts(drawn, Large(), tmp_path / "w") == (0, 4)
    assert counts(drawn, Large(), tmp_path / "w") == (4, 0)


def test_features_that_are_not_numbers_are_computed_once_more_then_named(
    tmp_path, drawn, right
):
    class Broken(Tiny):
        def features(self, pixels):
            features = super().features(pixels)
            features[features[:, 0] == right[5, 0]] = np.nan
            return features

    for _ in range(2):
        with pytest.raises(ImageError, match=f"1 of {N_PHOTOS}") as caught:
            compute_bottlenecks(drawn, Broken(), tmp_path / "w", progress=False)
        assert [drawn[5].name in line for line in caught.value.problems] == [True]
    assert counts(drawn, Tiny(), tmp_path / "w") == (N_PHOTOS - 1, 1)


def test_a_shard_of_another_backbone_is_not_taken_for_this_ones(tmp_path, drawn):
    """Its name is right and its rows have the right form: it only lies elsewhere."""
    counts(drawn[:4], Tiny(), tmp_path / "w")
    own = home(tmp_path / "w")
    counts(drawn, Tiny(bias=1), tmp_path / "w")
    (other,) = set(tmp_path.glob("w/bottlenecks/Tiny-*")) - {own}
    for shard in other.glob("*.npy"):
        shutil.copy(shard, own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        features = compute_bottlenecks(drawn, Tiny(), tmp_path / "w", progress=False)
    right = compute_bottlenecks(drawn, Tiny(), None, progress=False)
    np.testing.assert_array_equal(features, right)


def test_a_cache_copied_to_another_place_is_as_good(kept, drawn, tmp_path, right):
    elsewhere = tmp_path / "some where" / "else"
    shutil.copytree(kept, elsewhere)
    shutil.rmtree(kept)
    moved = tmp_path / "moved"
    drawn[0].parent.rename(moved)
    assert counts(paths(moved), Tiny(), elsewhere) == (N_PHOTOS, 0)
    features = compute_bottlenecks(paths(moved), Tiny(), elsewhere, progress=False)
    np.testing.assert_array_equal(features, right)


def test_files_that_are_not_the_caches_are_left_alone(kept, drawn):
    """Such as a lock that another program has left."""
    strange = [home(kept) / name for name in ("cache.lock", "notes.txt", ".npy~")]
    for path in strange:
        path.write_text("mine")
    (home(kept) / "more").mkdir()
    new = draw_photos(drawn[0].parent, 4, first=100)
    assert counts(new, Tiny(), kept) == (N_PHOTOS, 4)
    assert cache_info(kept)[0]["photos"] == N_PHOTOS + 4
    compact_cache(kept)
    assert [path.read_text() for path in strange] == ["mine"] * 3


def test_a_shard_that_cannot_be_opened_is_passed_over_not_set_aside(
    kept, drawn, right, monkeypatch
):
    """Too many open files, a network that stutters: the shard may well be whole."""
    (shard,) = shards(kept)
    with not_to_be_opened(shard, monkeypatch), monkeypatch.context() as patch:
        patch.setattr(shards_module, "write_shard", lambda *_: 1 / 0)
        with pytest.warns(UserWarning, match="Too many open files"):
            Shards(home(kept), 2)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)


def test_a_search_ends_though_what_is_listed_is_never_there(kept, monkeypatch):
    """As on a disk in the network, whose lists are older than its files."""

    def gone(path):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(shard_file, "open_file", gone)
    assert len(Shards(home(kept), 2)) == 0


def test_a_shard_that_gives_way_to_a_fifo_holds_nobody_up(kept):
    found, (shard,) = Shards(home(kept), 2), shards(kept)
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(OSError, match="not a file"):
        found.gather([next(iter(found))])


def test_a_merge_leaves_what_is_damaged_meanwhile_to_the_next_look(
    tmp_path, drawn, small_shards
):
    counts(drawn, Tiny(), tmp_path / "w")
    found = Shards(home(tmp_path / "w"), 2)
    shard = shards(tmp_path / "w")[0]
    shard.write_bytes(DAMAGES["bit in a row"](shard.read_bytes()))
    before = shards(tmp_path / "w")
    found.merge(1 << 20)
    assert shards(tmp_path / "w") == before


# What lies beside the shards.

SIDECARS = ["", "[]", "7", "{}", '{"n_features": 2}', '{"n_features": "x"}', "\xff"]


@pytest.mark.parametrize("content", [*SIDECARS, '{"arch": 3, "n_features": 2}'])
def test_a_damaged_description_is_written_anew(kept, drawn, content):
    path = home(kept) / "backbone.json"
    whole = path.read_text("utf-8")
    path.write_text(content, "latin-1")
    for care in (cache_info, verify_cache, compact_cache):
        care(kept)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    new = draw_photos(drawn[0].parent, 4, first=100)
    assert counts(new, Tiny(), kept) == (N_PHOTOS, 4)
    assert path.read_text("utf-8") == whole
    assert cache_info(kept)[0]["photos"] == N_PHOTOS + 4


def test_a_description_that_errs_costs_no_shard(kept, drawn):
    path = home(kept) / "backbone.json"
    description = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(description | {"n_features": 3}), "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for care in (cache_info, verify_cache, compact_cache):
            care(kept)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)


def test_a_folder_where_a_sidecar_should_be_disturbs_nobody(kept, drawn):
    (home(kept) / "network" / "sub").mkdir(parents=True)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert verify_cache(kept)[0]["network"] is False


def test_old_temporary_files_of_killed_writers_go_with_the_next_write(kept, drawn):
    left = {
        where / f".x.npy.{age}.carlib.tmp": age
        for where in (home(kept), home(kept).parent)
        for age in (0, 2 * ABANDONED)
    }
    for path, age in left.items():
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    counts(draw_photos(drawn[0].parent, 4, first=100)[-4:], Tiny(), kept)
    assert {path for path in left if path.exists()} == {
        path for path, age in left.items() if age == 0
    }


# The stat index.


# Disks that can't be written to.


def _as_another_user(kept, mode):
    """Be nobody, if one is root: root may write to what is read-only."""
    os.chdir(kept.parent)  # he may not pass through the folders above
    drawn = paths("photos")
    features_of(drawn, Tiny(), None, progress=False)  # nor read what is imported late
    kept.chmod(mode)
    before = os.geteuid()
    os.seteuid(before or 65534)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        extraction = features_of(drawn, Tiny(), kept.name, progress=False)
        features = extraction.of_photos()
    os.seteuid(before)
    said = [str(warning.message) for warning in caught]
    return extraction.n_cached, extraction.n_computed, features, said


def _with_modes(kept, mode):
    folders = [kept, *(path for path in kept.rglob("*") if path.is_dir())]
    kept.parent.chmod(0o755)
    for folder in folders:
        folder.chmod(mode)
    try:
        return elsewhere(_as_another_user, kept, mode)
    finally:
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_read_only_workspace_is_read_and_one_warning_says_it_cannot_be_written(
    kept, drawn
):
    cached = _with_modes(kept, 0o555)
    assert (*cached[:2], cached[3]) == (N_PHOTOS, 0, [])
    new = draw_photos(drawn[0].parent, 8, first=100)
    n_cached, n_computed, features, said = _with_modes(kept, 0o555)
    assert (n_cached, n_computed) == (N_PHOTOS, 8)
    assert ["Could not keep" in text for text in said] == [True]
    right = compute_bottlenecks(new, Tiny(), None, progress=False)
    np.testing.assert_array_equal(features, right)
    assert leftovers(kept) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_workspace_that_may_not_be_entered_still_gives_features(kept, drawn, right):
    n_cached, n_computed, features, said = _with_modes(kept, 0)
    assert (n_cached, n_computed) == (0, N_PHOTOS)
    np.testing.assert_array_equal(features, right)
    assert ["Could not keep" in text for text in said] == [True]


@pytest.mark.parametrize("where", ["", "bottlenecks", "bottlenecks/Tiny-" + "0" * 16])
def test_a_file_in_the_place_of_a_folder_of_the_cache_still_gives_features(
    tmp_path, drawn, right, where
):
    blocked = tmp_path / "w" / where
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("mine")
    for care in (cache_info, verify_cache, compact_cache):
        assert care(tmp_path / "w") == []
    with pytest.warns(UserWarning, match="Could not keep") as warned:
        features = compute_bottlenecks(drawn, Tiny(), tmp_path / "w", progress=False)
    assert len(warned) == 1
    np.testing.assert_array_equal(features, right)
    assert blocked.read_text() == "mine"


def _limit_files(n_bytes):
    """Let no file grow beyond so many bytes from now on: what a full disk does."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, most))


class Filling(Tiny):
    """Computes on while the disk gets full."""

    def features(self, pixels):
        if self.seen >= 12:
            _limit_files(100)
        return super().features(pixels)


def _on_a_full_disk(folder, kept):
    run_module.SECONDS_A_SHARD = -1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        features = compute_bottlenecks(paths(folder), Filling(), kept, progress=False)
    return features, [str(warning.message) for warning in caught]


@pytest.mark.skipif(os.name == "nt", reason="RLIMIT_FSIZE")
def test_a_disk_that_gets_full_under_way_leaves_whole_shards_and_one_warning(
    tmp_path, drawn, right
):
    features, said = elsewhere(_on_a_full_disk, tmp_path / "photos", tmp_path / "w")
    np.testing.assert_array_equal(features, right)
    assert ["Could not keep" in text for text in said] == [True]
    assert leftovers(tmp_path / "w") == []
    assert all(map(is_whole, shards(tmp_path / "w")))
    assert counts(drawn, Tiny(), tmp_path / "w") == (12, N_PHOTOS - 12)


def _mapped_on_a_full_disk(folder, kept):
    shards_module.MAPPED = 1
    extraction = features_of(paths(folder), Tiny(), kept, progress=False)
    _limit_files(100)
    return type(extraction.of_photos()).__name__, extraction.of_photos()


@pytest.mark.skipif(os.name == "nt", reason="RLIMIT_FSIZE")
def test_features_for_which_there_is_no_room_on_the_disk_stay_in_memory(
    tmp_path, drawn, right
):
    kind, features = elsewhere(
        _mapped_on_a_full_disk, tmp_path / "photos", tmp_path / "w"
    )
    assert kind == "ndarray"
    np.testing.assert_array_equal(features, right)
    assert leftovers(tmp_path / "w") == []


def _compact_on_a_full_disk(kept):
    _limit_files(100)
    try:
        compact_cache(kept)
    except OSError as error:
        return error.strerror
    return ""


@pytest.mark.skipif(os.name == "nt", reason="RLIMIT_FSIZE")
def test_compacting_on_a_full_disk_says_so_and_loses_nothing(
    tmp_path, drawn, small_shards
):
    counts(drawn, Tiny(), tmp_path / "w")
    assert elsewhere(_compact_on_a_full_disk, tmp_path / "w")
    assert leftovers(tmp_path / "w") == []
    assert counts(drawn, Tiny(), tmp_path / "w") == (N_PHOTOS, 0)


# Results, counts and messages.


def test_a_large_result_lies_in_a_file_that_is_gone_with_it(
    kept, drawn, right, monkeypatch
):
    monkeypatch.setattr(shards_module, "MAPPED", 1)
    before = sorted(kept.rglob("*"))
    features = compute_bottlenecks(drawn, Tiny(), kept, progress=False)
    assert isinstance(features, np.memmap)
    np.testing.assert_array_equal(features, right)
    if os.name != "nt":
        assert sorted(kept.rglob("*")) == before
    features[:] = 7
    assert (features == 7).all()
    del features
    again = compute_bottlenecks(drawn[::-1], Tiny(), kept, progress=False)
    np.testing.assert_array_equal(again, right[::-1])
    assert leftovers(kept) == [] or os.name == "nt"


def test_a_result_is_the_same_in_memory_and_mapped_block_by_block(
    kept, drawn, right, monkeypatch
):
    monkeypatch.setattr(shards_module, "BLOCK", 3 * 40)
    asked = [*drawn[::-1], *drawn[:5], drawn[7]]
    order = [*range(N_PHOTOS)[::-1], *range(5), 7]
    for limit in (1, 1 << 30):
        monkeypatch.setattr(shards_module, "MAPPED", limit)
        features = compute_bottlenecks(asked, Tiny(), kept, progress=False)
        np.testing.assert_array_equal(features, right[order])


def test_one_broken_photo_in_a_thousand_stops_no_other(tmp_path):
    drawn = draw_photos(tmp_path / "photos", 1000)
    whole = drawn[500].read_bytes()
    drawn[500].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="1 of 1,000 photos") as caught:
        compute_bottlenecks(drawn, Tiny(), tmp_path / "w", progress=False)
    assert [drawn[500].name in line for line in caught.value.problems] == [True]
    drawn[500].write_bytes(whole)
    assert counts(drawn, Tiny(), tmp_path / "w") == (999, 1)


def test_all_that_is_broken_is_named_at_once_wherever_it_stands(tmp_path, drawn):
    bad = {0: b"", 9: b"no photo", 10: drawn[10].read_bytes()[:99], N_PHOTOS - 1: None}
    for row, content in bad.items():
        drawn[row].unlink()
        if content is not None:
            drawn[row].write_bytes(content)
    with pytest.raises(ImageError, match=f"4 of {N_PHOTOS}") as caught:
        compute_bottlenecks(drawn, Tiny(), tmp_path / "w", progress=False)
    named = [drawn[row].name for row in bad]
    assert all(n in line for n, line in zip(named, caught.value.problems, strict=True))
    good = [path for row, path in enumerate(drawn) if row not in bad]
    assert counts(good, Tiny(), tmp_path / "w") == (N_PHOTOS - 4, 0)


def test_the_counts_tell_the_cached_from_the_computed(kept, drawn, capsys):
    new = draw_photos(drawn[0].parent, 3, first=100)[-3:]
    asked = [*new[:1], *drawn, *new, drawn[0]]
    compute_bottlenecks(asked, Tiny(), kept)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"{N_PHOTOS + 5} photos: {N_PHOTOS + 1} cached, 3 computed, 1 copied"
    ]


def test_without_reuse_all_is_computed_and_kept(tmp_path, drawn, right, small_shards):
    backbone = Tiny()
    twice = [*drawn, *drawn]
    for _ in range(2):
        backbone.seen = 0
        extraction = features_of(
            twice, backbone, tmp_path / "w", reuse=False, progress=False
        )
        assert (extraction.n_cached, extraction.n_computed) == (0, N_PHOTOS)
        assert backbone.seen == N_PHOTOS
        np.testing.assert_array_equal(extraction.of_photos(), np.vstack([right, right]))
    assert counts(drawn, Tiny(), tmp_path / "w") == (N_PHOTOS, 0)


@pytest.mark.parametrize(("keeps", "progress"), [(True, False), (False, True)])
def test_what_is_said_of_an_interrupt_is_true(tmp_path, capsys, keeps, progress):
    """Without a bar there is nothing to count by; without a workspace nothing kept."""

    class Interrupted(Tiny):
        def features(self, pixels):
            if self.seen == 8:
                raise KeyboardInterrupt
            return super().features(pixels)

    drawn = draw_photos(tmp_path / "photos", 12)
    with pytest.raises(KeyboardInterrupt):
        kept = tmp_path / "w" if keeps else None
        compute_bottlenecks(drawn, Interrupted(), kept, progress=progress)
    said = capsys.readouterr().out
    assert "0 of 12" not in said
    assert keeps or "kept" not in said


def test_a_workspace_that_is_cleared_has_forgotten_the_photos_too(kept, drawn):
    assert [gone["photos"] for gone in clear_cache(kept)] == [N_PHOTOS]
    assert not any(map(open_index(kept).key_at, drawn))
    assert counts(drawn, Tiny(), kept) == (0, N_PHOTOS)
