"""A hint saves reading a shard; it proves nothing, and no feature depends on it."""

import os
import threading
import time
import warnings

import numpy as np
import pytest

from carlib.bottlenecks import opened, shard_file, shard_folder, status
from carlib.bottlenecks import run as run_module
from carlib.bottlenecks.cache import (
    cache_info,
    clear_cache,
    compact_cache,
    open_shards,
    verify_cache,
)
from carlib.bottlenecks.shards import Shards
from tests.bottlenecks.damage import DAMAGES, N_PHOTOS, not_to_be_opened
from tests.tiny import Tiny, counts, elsewhere, features_of, leftovers, shards

N_SHARDS = 3


@pytest.fixture
def hinted(tmp_path, drawn, monkeypatch):
    """A workspace with all photos in three shards, each with its hint."""
    monkeypatch.setattr(shard_file, "HINTED", 0)
    for start in range(0, N_PHOTOS, N_PHOTOS // N_SHARDS):
        part = drawn[start : start + N_PHOTOS // N_SHARDS]
        counts(part, Tiny(), tmp_path / "w")
    assert len(shards(tmp_path / "w")) == len(hints(tmp_path / "w")) == N_SHARDS
    forget()
    return tmp_path / "w"


@pytest.fixture
def read(monkeypatch, hinted):
    """The shards that are read, as they are."""
    seen, read_shard = [], shard_file.read_shard

    def noted(path, *arguments):
        seen.append(path)
        return read_shard(path, *arguments)

    monkeypatch.setattr("carlib.bottlenecks.shard_folder.read_shard", noted)
    monkeypatch.setattr(status, "TICK", 0)
    time.sleep(0.02)
    return seen


def forget():
    """Open all anew, as another process would."""
    opened._State.opened.clear()


def hints(workspace):
    return sorted(workspace.glob("bottlenecks/*/*.keys"))


def shard_of(workspace, hint):
    return hint.with_suffix(".npy")


def test_no_shard_is_read_until_a_photo_is_looked_for_that_it_may_hold(
    hinted, drawn, right, read
):
    found = open_shards(hinted, Tiny())
    assert len(found) == N_PHOTOS and bytes(32) not in found
    assert read == []
    first = features_of(drawn[:1], Tiny(), hinted)
    assert (first.n_cached, len(read)) == (1, 1)
    np.testing.assert_array_equal(first.of_photos(), right[:1])
    for _ in range(2):
        assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)
        assert sorted(read) == shards(hinted)


def test_new_photos_are_computed_and_no_shard_read(hinted, drawn, read, new):
    assert counts(new, Tiny(), hinted) == (0, len(new))
    assert read == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_behind_a_hint_costs_its_own_photos_and_no_others(
    hinted, drawn, right, damage
):
    shard = shards(hinted)[1]
    shard.write_bytes(DAMAGES[damage](shard.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        found = features_of(drawn, Tiny(), hinted)
    assert len(warned) == 1
    assert found.n_computed == N_PHOTOS // N_SHARDS
    np.testing.assert_array_equal(found.of_photos(), right)
    assert leftovers(hinted) == [shard.with_suffix(".damaged").name]
    assert {shard_of(hinted, hint) for hint in hints(hinted)} == {*shards(hinted)}
    forget()
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)


def test_a_photo_that_a_damaged_and_a_whole_shard_hold_is_not_computed(hinted, drawn):
    before = shards(hinted)
    counts(drawn, Tiny(), hinted, reuse=False)
    (shard,) = set(shards(hinted)) - set(before)
    shard.write_bytes(DAMAGES["bit in a row"](shard.read_bytes()))
    forget()
    with pytest.warns(UserWarning, match="set aside"):
        assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)


LIES = {
    "of other photos": lambda data: os.urandom(len(data)),
    "in another order": lambda data: data[32:] + data[:32],
    "of one photo, over and over": lambda data: data[:32] * (len(data) // 32),
    "of nothing": lambda data: bytes(len(data)),
    "begins alike": lambda data: b"".join(
        data[i : i + 8] + os.urandom(24) for i in range(0, len(data), 32)
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_hint_that_lies_never_gives_a_wrong_feature(hinted, drawn, right, lie):
    for hint in hints(hinted):
        hint.write_bytes(LIES[lie](hint.read_bytes()))
    for _ in range(2):
        found = features_of(drawn, Tiny(), hinted)
        np.testing.assert_array_equal(found.of_photos(), right)
    assert found.n_computed == 0
    assert verify_cache(hinted)[0]["photos"] == N_PHOTOS


def test_a_hint_that_is_found_to_lie_is_removed(hinted, drawn):
    lying, *others = hints(hinted)
    lying.write_bytes(LIES["in another order"](lying.read_bytes()))
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)
    assert hints(hinted) == others


def test_hints_of_each_others_shards_cost_their_photos_and_no_right_feature(
    hinted, drawn, right
):
    one, other, _ = hints(hinted)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    found = features_of(drawn, Tiny(), hinted)
    np.testing.assert_array_equal(found.of_photos(), right)
    assert found.n_computed <= N_PHOTOS // N_SHARDS
    forget()
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)


ODD = ["missing", "cut", "longer", "in a key", "empty", "folder", "nowhere", "circle"]


@pytest.mark.skipif(os.name == "nt", reason="no such files")
@pytest.mark.parametrize("kind", [*ODD, "fifo"])
def test_a_shard_whose_hint_is_odd_is_read(hinted, drawn, read, kind):
    """Such is a workspace, too, that was written before there were hints."""
    for hint in hints(hinted):
        data = hint.read_bytes()
        hint.unlink()
        if kind == "folder":
            hint.mkdir()
        elif kind == "fifo":
            os.mkfifo(hint)
        elif kind in ("nowhere", "circle"):
            hint.symlink_to(hint if kind == "circle" else "nowhere")
        elif kind != "missing":
            ends = {"cut": data[:-32], "longer": data + data[:32], "empty": b""}
            hint.write_bytes(ends.get(kind, data[:-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(open_shards(hinted, Tiny())) == N_PHOTOS
        assert sorted(read) == shards(hinted)
        assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)
        assert sorted(read) == shards(hinted)
        compact_cache(hinted)
    assert clear_cache(hinted)[0]["photos"] == N_PHOTOS


def test_what_another_process_merges_is_found_where_it_lies_now(
    hinted, drawn, right, read
):
    found = open_shards(hinted, Tiny())
    keys = list(found)
    elsewhere(compact_cache, hinted)
    assert len(shards(hinted)) == 1
    assert all(key in found for key in keys)
    assert sorted(map(tuple, found.gather(keys))) == sorted(map(tuple, right))
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)


def test_a_shard_that_is_gone_behind_its_hint_is_computed_again(hinted, drawn, right):
    found = open_shards(hinted, Tiny())
    keys = list(found)
    shards(hinted)[0].unlink()
    assert sum(key in found for key in keys) == N_PHOTOS * 2 // N_SHARDS
    found = features_of(drawn, Tiny(), hinted)
    assert found.n_computed == N_PHOTOS // N_SHARDS
    np.testing.assert_array_equal(found.of_photos(), right)


def test_a_shard_that_cannot_be_read_now_is_found_another_time(
    hinted, drawn, monkeypatch
):
    shard = shards(hinted)[0]
    with (
        not_to_be_opened(shard, monkeypatch),
        pytest.warns(UserWarning, match="Too many open files"),
    ):
        computed = counts(drawn, Tiny(), hinted, hold_back=True)[1]
    assert computed == N_PHOTOS // N_SHARDS
    assert shard in shards(hinted)
    forget()
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)


def test_threads_that_ask_at_once_read_each_shard_once(hinted, read):
    found, answers = Shards(shards(hinted)[0].parent, 2), []
    keys = list(found)

    def ask():
        answers.append(all(key in found for key in keys))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
    assert sorted(read) == shards(hinted)


@pytest.mark.parametrize("with_hints", [True, False])
def test_ctrl_c_while_a_workspace_is_opened_leaves_nothing_out(
    hinted, drawn, monkeypatch, with_hints
):
    for hint in hints(hinted) * (not with_hints):
        hint.unlink()
    read_hint, asked = shard_folder.read_hint, []

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return read_hint(*arguments)

    monkeypatch.setattr(shard_folder, "read_hint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        counts(drawn, Tiny(), hinted)
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)
    assert len(asked) == 2 + N_SHARDS


def test_merged_shards_have_hints_and_those_of_the_others_go(hinted, drawn, read):
    stray = shards(hinted)[0].parent / f"{'0' * 64}.keys"
    stray.write_bytes(b"of a shard that a killed process merged")
    compact_cache(hinted)
    (hint,) = hints(hinted)
    assert shard_of(hinted, hint) in shards(hinted)
    forget()
    read.clear()
    assert len(open_shards(hinted, Tiny())) == N_PHOTOS and read == []
    assert counts(drawn, Tiny(), hinted) == (N_PHOTOS, 0)


def test_compact_gives_hints_to_large_shards_that_have_none(hinted, drawn, monkeypatch):
    """Such as were written before there were any."""
    monkeypatch.setattr("carlib.bottlenecks.shards.HINTED", 0)
    monkeypatch.setattr("carlib.bottlenecks.cache.MERGED", 1)
    before = {hint: hint.read_bytes() for hint in hints(hinted)}
    for hint in before:
        hint.unlink()
    compact_cache(hinted)
    assert {hint: hint.read_bytes() for hint in hints(hinted)} == before


def test_info_counts_hints_as_bytes_and_no_photos_and_clear_removes_them(hinted):
    info = cache_info(hinted)[0]
    files = [p for p in shards(hinted)[0].parent.iterdir() if p.is_file()]
    assert info["bytes"] == sum(path.stat().st_size for path in files)
    assert (info["photos"], info["shards"]) == (N_PHOTOS, N_SHARDS)
    clear_cache(hinted)
    assert list(hinted.rglob("*.keys")) == []


def test_verify_reads_every_shard_whatever_its_hint_says(hinted, read):
    shard = shards(hinted)[2]
    shard.write_bytes(DAMAGES["bit in a row"](shard.read_bytes()))
    with pytest.warns(UserWarning, match="set aside"):
        (found,) = verify_cache(hinted)
    assert len(read) == N_SHARDS
    assert (found["photos"], found["damaged"]) == (N_PHOTOS * 2 // N_SHARDS, 1)


def test_small_shards_have_no_hint(tmp_path, drawn):
    counts(drawn, Tiny(), tmp_path / "w")
    assert len(shards(tmp_path / "w")) == 1 and hints(tmp_path / "w") == []


def test_a_hint_for_which_there_is_no_room_is_done_without(
    tmp_path, drawn, monkeypatch
):
    monkeypatch.setattr(shard_file, "HINTED", 0)
    monkeypatch.setattr(run_module, "SECONDS_A_SHARD", -1)
    write_bytes = shard_file.write_bytes

    def full(path, *chunks):
        if path.suffix == ".keys":
            raise OSError(28, "No space left on device")
        write_bytes(path, *chunks)

    monkeypatch.setattr(shard_file, "write_bytes", full)
    assert counts(drawn, Tiny(), tmp_path / "w") == (0, N_PHOTOS)
    forget()
    assert counts(drawn, Tiny(), tmp_path / "w") == (N_PHOTOS, 0)
