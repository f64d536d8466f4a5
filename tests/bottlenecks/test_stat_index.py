"""The stat index: a photo that has not changed is not read again, and only that."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib.bottlenecks import opened, stat_index
from carlib.bottlenecks.cache import compact_cache, open_index
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.bottlenecks.shard_file import header_of
from carlib.data import opening
from carlib.errors import ImageError
from tests.bottlenecks.damage import DAMAGES, N_PHOTOS
from tests.tiny import (
    Tiny,
    counts,
    draw_photos,
    features_of,
    is_whole,
)


@pytest.fixture
def reads(monkeypatch):
    """The paths of the photos that are really read."""
    seen, read = [], opening.read_with_status

    def counted(path):
        seen.append(path)
        return read(path)

    monkeypatch.setattr(opening, "read_with_status", counted)
    return seen


def test_a_second_call_reads_no_photo_that_has_not_changed(kept, drawn, reads):
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert reads == []
    drawn[3].write_bytes(drawn[3].read_bytes())
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert reads == [drawn[3]]


def test_a_photo_that_was_just_written_is_read_again(tmp_path, drawn, reads):
    """With the caution that is real: a change in the same tick has the same status."""
    counts(drawn, Tiny(), tmp_path / "w")
    counts(drawn, Tiny(), tmp_path / "w")
    assert sorted(reads) == sorted([*drawn, *drawn])


def test_a_photo_is_as_new_as_when_it_was_read_however_slow_the_network(
    tmp_path, monkeypatch
):
    """A change right after the reading must not hide behind the time since."""
    monkeypatch.setattr(stat_index, "RACY", 300_000_000)
    drawn = draw_photos(tmp_path / "photos", 40)
    read, read_at = opening.read_with_status, {}

    def timed(path):
        read_at[path] = time.time_ns()
        return read(path)

    monkeypatch.setattr(opening, "read_with_status", timed)
    counts(drawn, Tiny(seconds=0.1), tmp_path / "w")
    known = list(filter(open_index(tmp_path / "w").key_at, drawn))
    ages = [read_at[path] - path.stat().st_ctime_ns for path in known]
    assert [age for age in ages if age < stat_index.RACY] == []


def _bmp(path, number):
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path, "BMP")


def test_an_edit_of_the_same_size_with_its_time_set_back_is_noticed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(stat_index, "RACY", 0)
    path = tmp_path / "photo.bmp"
    _bmp(path, 1)
    time.sleep(0.02)
    before, status = compute_bottlenecks(path, Tiny(), tmp_path / "w"), path.stat()
    assert open_index(tmp_path / "w").key_at(path)
    _bmp(path, 2)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    after = compute_bottlenecks(path, Tiny(), tmp_path / "w")
    np.testing.assert_array_equal(after, compute_bottlenecks(path, Tiny(), None))
    assert (after != before).any()


def test_photos_that_swap_their_names_keep_their_features(kept, drawn, right):
    aside = drawn[0].with_name("aside")
    drawn[0].rename(aside)
    drawn[1].rename(drawn[0])
    aside.rename(drawn[1])
    extraction = features_of(drawn, Tiny(), kept, progress=False)
    np.testing.assert_array_equal(
        extraction.of_photos(), right[[1, 0, *range(2, N_PHOTOS)]]
    )
    assert extraction.n_computed == 0


def test_a_link_that_leads_elsewhere_now_is_noticed(kept, drawn, right):
    link = drawn[0].parent.parent / "link.png"
    for row in (2, 3, 2):
        link.unlink(missing_ok=True)
        link.symlink_to(drawn[row])
        features = compute_bottlenecks(link, Tiny(), kept)
        np.testing.assert_array_equal(features, right[[row]])


def test_a_link_that_is_led_elsewhere_and_back_while_it_is_read_is_noticed(
    kept, drawn, right, monkeypatch
):
    """What is entered is the status of the file that was read, not of the path."""
    link = drawn[0].parent.parent / "link.png"
    link.symlink_to(drawn[2])
    stat = Path.stat

    def stat_then_lead_elsewhere(path, **options):
        status = stat(path, **options)
        if path == link:
            link.unlink()
            link.symlink_to(drawn[3])
        return status

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", stat_then_lead_elsewhere)
        features_of([link], Tiny(), kept, progress=False)
    link.unlink()
    link.symlink_to(drawn[2])
    features = compute_bottlenecks(link, Tiny(), kept)
    np.testing.assert_array_equal(features, right[[2]])


def test_a_photo_that_is_gone_is_missed_though_its_features_are_cached(kept, drawn):
    drawn[7].unlink()
    with pytest.raises(ImageError, match=f"1 of {N_PHOTOS}") as caught:
        counts(drawn, Tiny(), kept)
    assert "does not exist" in caught.value.problems[0]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_stat_index_makes_photos_read_again(
    kept, drawn, right, reads, damage
):
    (index,) = kept.glob("bottlenecks/photos-*.npy")
    index.write_bytes(DAMAGES[damage](index.read_bytes()))
    extraction = features_of(drawn, Tiny(), kept, progress=False)
    np.testing.assert_array_equal(extraction.of_photos(), right)
    assert (extraction.n_computed, len(reads)) == (0, N_PHOTOS)
    (index,) = kept.glob("bottlenecks/photos-*.npy")
    assert is_whole(index)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert len(reads) == N_PHOTOS


def test_a_stat_index_never_answers_for_another_backbone(kept, drawn, reads):
    assert counts(drawn, Tiny(bias=1), kept) == (0, N_PHOTOS)
    assert len(reads) == N_PHOTOS


def test_a_users_own_file_of_a_like_name_stays(kept, drawn):
    mine = kept / "bottlenecks" / "photos-mine.npy"
    np.save(mine, np.zeros(3))
    drawn[3].write_bytes(drawn[3].read_bytes())
    for _ in range(2):
        time.sleep(0.02)
        assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert (np.load(mine) == 0).all()


@pytest.mark.skipif(os.name == "nt", reason="no such files")
@pytest.mark.parametrize("kind", ["fifo", "folder", "circle", "200 GiB"])
def test_what_only_looks_like_an_index_costs_no_photo(kept, drawn, reads, kind):
    odd = kept / "bottlenecks" / f"photos-{'0' * 64}.npy"
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "folder":
        odd.mkdir()
    elif kind == "circle":
        odd.symlink_to(odd)
    else:
        odd.write_bytes(b"")
        os.truncate(odd, 200 << 30)
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert reads == []
    drawn[3].write_bytes(drawn[3].read_bytes())
    time.sleep(0.02)
    for _ in range(2):
        assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert reads == [drawn[3]]
    whole = [p for p in kept.glob("bottlenecks/photos-*.npy") if p != odd]
    assert len(whole) == 1
    assert odd.is_dir() == (kind == "folder") == os.path.lexists(odd)


# --- An index of millions ------------------------------------------------------------


def indexes(workspace):
    return sorted(workspace.glob("bottlenecks/photos-*.npy"))


@pytest.fixture
def large(kept, monkeypatch):
    """A workspace whose index is large, for its photos."""
    monkeypatch.setattr(stat_index, "ALWAYS_READ", 0)
    size = indexes(kept)[0].stat().st_size
    monkeypatch.setattr(stat_index, "A_PHOTO", size // 10)
    opened._State.opened.clear()
    return kept


def test_a_large_index_is_read_when_the_photos_asked_for_weigh_as_much(
    large, drawn, reads
):
    for count in (4, 8):
        assert counts(drawn[:4], Tiny(), large) == (4, 0)
        assert len(reads) == count
    assert counts(drawn, Tiny(), large) == (N_PHOTOS, 0)
    assert len(reads) == 8


def test_a_call_on_few_photos_leaves_a_large_index_as_it_is(large, drawn, new):
    before = indexes(large)
    time.sleep(0.02)
    assert counts([*new[:1], *drawn[:2]], Tiny(), large) == (2, 1)
    assert indexes(large) == before


def test_what_is_learnt_goes_into_a_file_beside_a_much_larger_one(
    kept, drawn, new, reads, monkeypatch
):
    monkeypatch.setattr(stat_index, "FEW", 0)
    monkeypatch.setattr(stat_index, "FACTOR", 3)
    before = indexes(kept)
    time.sleep(0.02)
    assert counts(new[:2], Tiny(), kept) == (0, 2)
    assert len(indexes(kept)) == 2 and set(before) < set(indexes(kept))
    assert counts(new[2:4], Tiny(), kept) == (0, 2)
    assert len(indexes(kept)) == 2 and set(before) < set(indexes(kept))
    assert all(map(is_whole, indexes(kept)))
    opened._State.opened.clear()
    reads.clear()
    assert counts([*drawn, *new[:4]], Tiny(), kept) == (N_PHOTOS + 4, 0)
    assert reads == []
    compact_cache(kept)
    assert len(indexes(kept)) == 1
    opened._State.opened.clear()
    assert counts([*drawn, *new[:4]], Tiny(), kept) == (N_PHOTOS + 4, 0)
    assert reads == []


def test_an_index_too_large_for_one_file_lies_in_several(
    kept, drawn, reads, monkeypatch
):
    header = len(header_of(stat_index.ENTRY, 12))
    monkeypatch.setattr(stat_index, "MOST", header + 8 * 88)
    drawn[3].write_bytes(drawn[3].read_bytes())
    time.sleep(0.02)
    opened._State.opened.clear()
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert len(indexes(kept)) == 3 and all(map(is_whole, indexes(kept)))
    reads.clear()
    opened._State.opened.clear()
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert reads == []


def test_what_another_process_learnt_is_known_without_reading_all_again(
    kept, drawn, new, reads, monkeypatch
):
    monkeypatch.setattr(stat_index, "FEW", 0)
    monkeypatch.setattr(stat_index, "FACTOR", 1)
    monkeypatch.setattr("carlib.bottlenecks.status.TICK", 0)
    time.sleep(0.02)
    index = open_index(kept)
    before = indexes(kept)
    other = stat_index.StatIndex(index.folder)
    other.refresh()
    for path in new:
        other.learn(path, path.stat(), time.time_ns(), bytes(range(32)))
    other.write()
    time.sleep(0.02)
    read, rows_in = [], index._rows_in
    monkeypatch.setattr(index, "_rows_in", lambda n: read.append(n) or rows_in(n))
    assert open_index(kept) is index and index.key_at(new[0]) == bytes(range(32))
    assert index.key_at(drawn[0]) and before[0].name not in read


def test_of_a_photo_that_changed_what_was_learnt_last_counts(kept, drawn, reads):
    for _ in range(3):
        drawn[3].write_bytes(drawn[3].read_bytes())
        time.sleep(0.02)
        counts(drawn, Tiny(), kept)
    opened._State.opened.clear()
    reads.clear()
    assert counts(drawn, Tiny(), kept) == (N_PHOTOS, 0)
    assert reads == []
    assert [len(np.load(path)) for path in indexes(kept)] == [N_PHOTOS]
