"""The hash of a picture: what it survives, what it tells apart, and how fast."""

import time
import tracemalloc

import imagehash
import numpy as np
import pytest
from PIL import Image

from carlib.data.hashes import BITS, SAME, SHAPE, near_pairs, picture_hash
from carlib.data.images import pixels
from carlib.data.opening import read
from tests import copied


def hash_of(path):
    return picture_hash(pixels(read(path), *SHAPE))


def bits_between(one, other):
    """By how many bits two hashes differ, and whether one is mirrored."""
    return near_pairs(np.stack([one, other]), BITS)[0, 2:].tolist()


def naive(one, other):
    a, b = (np.unpackbits(each.view(np.uint8)).astype(int) for each in (one, other))
    turned = np.concatenate([a[:128], 1 - a[128:]])
    plain, mirrored = (a != b).sum(), (turned != b).sum()
    return [min(plain, mirrored), int(mirrored < plain)]


@pytest.mark.parametrize("change", [copied.resaved, copied.stamped])
def test_a_copy_has_nearly_the_same_hash(photos, tmp_path, change):
    for number, path in enumerate(photos.image_path[::25]):
        copy = copied.put(path, change, tmp_path / f"{number}.jpg")
        bits, mirrored = bits_between(hash_of(path), hash_of(copy))
        assert bits <= SAME / 2 and not mirrored


def test_a_mirror_image_is_near_when_it_is_mirrored(photos, tmp_path):
    for number, path in enumerate(photos.image_path[::25]):
        copy = copied.put(path, copied.mirrored, tmp_path / f"{number}.jpg")
        bits, mirrored = bits_between(hash_of(path), hash_of(copy))
        assert bits <= 16 and mirrored


def test_drawn_photos_are_told_apart(photos):
    hashes = np.array([hash_of(path) for path in photos.image_path])
    assert len(near_pairs(hashes)) == 0


def test_it_is_the_hash_that_others_compute_too(photos):
    order = [*range(0, 16, 2), *range(1, 16, 2)]  # our columns: the even ones first
    for path in photos.image_path[::20]:
        square = pixels(read(path), *SHAPE)
        theirs = imagehash.phash(Image.fromarray(square), 16).hash
        ours = np.unpackbits(picture_hash(square).view(np.uint8)).reshape(2, 16, 8)
        expected = np.stack([theirs[:, order[:8]], theirs[:, order[8:]]])
        assert (ours != expected).sum() < 26  # they take the median for 0


def test_near_pairs_are_those_that_counting_bit_by_bit_gives():
    generator = np.random.default_rng(0)
    hashes = generator.integers(1, 2**63, (40, 4)).astype(np.uint64)
    hashes[7] = hashes[3] ^ np.uint64(0b1011)
    hashes[20] = hashes[5] ^ np.array([0, 0, 2**64 - 1, 2**64 - 1], np.uint64)
    expected = [
        [a, b, *naive(hashes[a], hashes[b])]
        for a in range(40)
        for b in range(a + 1, 40)
    ]
    assert near_pairs(hashes, BITS).tolist() == expected
    found = near_pairs(hashes).tolist()
    assert [3, 7, 12, 0] in found and [5, 20, 0, 1] in found
    assert found == [row for row in expected if row[2] <= SAME]


def test_a_plain_colour_is_like_nothing_not_even_another():
    plain = [picture_hash(np.full((64, 64, 3), value, np.uint8)) for value in (9, 200)]
    assert not np.any(plain)
    assert near_pairs(np.array(plain)).shape == (0, 4)
    assert near_pairs(np.empty((0, 4), np.uint64)).shape == (0, 4)


def test_ten_thousand_are_compared_in_seconds_and_little_memory():
    generator = np.random.default_rng(0)
    hashes = generator.integers(1, 2**63, (10_000, 4)).astype(np.uint64)
    hashes[9_999] = hashes[0]
    tracemalloc.start()
    began = time.process_time()
    assert near_pairs(hashes).tolist() == [[0, 9_999, 0, 0]]
    assert time.process_time() - began < 10
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


@pytest.mark.slow
def test_of_the_real_photos_only_copies_are_near(real_photos, tmp_path):
    import carlib
    from carlib.data.near import picture_hashes
    from carlib.data.sources import as_sources

    photos = carlib.load_index(carlib.locate_data(real_photos))
    _, hashes = picture_hashes(as_sources(photos))
    bits = np.sort(near_pairs(hashes, 80)[:, 2])
    assert (bits <= SAME).sum() == 39 and bits[39] > SAME + 8
