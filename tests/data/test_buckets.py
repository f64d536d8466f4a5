"""Near copies by buckets: those that comparing all pairs finds, and in linear time."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.data import buckets
from carlib.data.buckets import NEAR, SURE, near_links
from carlib.data.hashes import near_pairs
from carlib.data.near import grouped

TURNED = np.array([0, 0, 2**64 - 1, 2**64 - 1], np.uint64)


def with_bits_turned(hash_, places):
    bits = np.unpackbits(hash_.view(np.uint8))
    bits[np.asarray(places, int)] ^= 1
    return np.packbits(bits).view(np.uint64)


def random_hashes(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, (count, 4), np.uint64)


def partition(count, links):
    """The groups that links make, each as its members."""
    groups = grouped(count, links[:, :2])
    return {frozenset(np.flatnonzero(groups == g).tolist()) for g in set(groups)}


def check(hashes):
    """Links are pairs that are near; what must be together is, and nothing else."""
    found, near = near_links(hashes, many=0), near_pairs(hashes, NEAR)
    known = {(a, b): bits for a, b, bits, _ in near.tolist()}
    assert all(known[a, b] == bits for a, b, bits, _ in found.tolist())
    assert len(found) == len(hashes) - len(partition(len(hashes), found))  # a forest
    groups = grouped(len(hashes), found[:, :2])
    sure = near[near[:, 2] <= SURE]
    assert (groups[sure[:, 0]] == groups[sure[:, 1]]).all()


@st.composite
def clusters(draw):
    """Hashes in clusters, mirrored ones, equal ones and plain colours among them."""
    hashes = []
    for seed in range(draw(st.integers(1, 4))):
        centre = random_hashes(1, seed)[0]
        for _ in range(draw(st.integers(1, 8))):
            # Neighbouring bits, so that as few parts as can be are left as they were.
            first, count = draw(st.integers(0, 255)), draw(st.integers(0, SURE + 12))
            made = with_bits_turned(centre, np.arange(first, first + count) % 256)
            hashes.append(made ^ TURNED if draw(st.booleans()) else made)
            if draw(st.booleans()):
                centre = made
    hashes += [np.zeros(4, np.uint64)] * draw(st.integers(0, 2))
    return np.array(draw(st.permutations(hashes)))


@settings(max_examples=12, deadline=None)
@given(clusters())
def test_they_are_those_that_comparing_all_pairs_finds(hashes):
    check(hashes)


def test_each_pair_up_to_the_sure_bits_is_found_wherever_they_are():
    generator, centres = np.random.default_rng(0), random_hashes(300)
    turned = [generator.permutation(256)[: 1 + n % SURE] for n in range(300)]
    made = [with_bits_turned(*each) for each in zip(centres, turned, strict=True)]
    made = np.array(made) ^ np.where(np.arange(300)[:, None] % 2, TURNED, 0)
    found = near_links(np.concatenate([centres, made]), many=0)
    assert found[:, :2].tolist() == [[n, n + 300] for n in range(300)]
    assert found[:, 2].tolist() == [len(places) for places in turned]
    assert found[:, 3].tolist() == [n % 2 for n in range(300)]


def test_the_worst_case_of_the_pigeonhole_is_found():
    """Two bits in each part but one, and one bit in that."""
    centre = random_hashes(1)[0]
    places = [part + half for half in (0, 128) for part in range(6)]
    places += [place + 6 for place in places[:-1]]
    assert len(places) == SURE
    # A hash's bits count from each word's lowest one, as its parts do.
    other = centre.copy()
    for place in places:
        other[place // 64] ^= np.uint64(1) << np.uint64(place % 64)
    assert near_links(np.array([centre, other]), many=0).tolist() == [[0, 1, SURE, 0]]


def test_a_bucket_with_leaders_holds_together_what_is_near(monkeypatch):
    monkeypatch.setattr(buckets, "LARGE", 4)
    generator, centre = np.random.default_rng(0), random_hashes(1)[0]
    cluster = [
        with_bits_turned(centre, generator.permutation(256)[: n % 5]) for n in range(60)
    ]
    far = [with_bits_turned(each, np.arange(40, 60)) for each in cluster[::20]]
    check(np.array([*cluster, *far, *random_hashes(30, seed=1)]))


def test_few_are_compared_pair_by_pair():
    hashes = random_hashes(50)
    hashes[7] = with_bits_turned(hashes[3], np.arange(60))
    assert near_links(hashes).tolist() == near_pairs(hashes).tolist() == [[3, 7, 60, 0]]
    assert near_links(hashes, many=0).shape == (0, 4)


@pytest.mark.parametrize(
    "hashes", [np.empty((0, 4), np.uint64), np.zeros((9, 4), "u8")]
)
def test_of_nothing_and_of_plain_colours_there_are_none(hashes):
    assert near_links(hashes, many=0).shape == (0, 4)
    assert near_links(hashes, many=-1).shape == (0, 4)


@pytest.mark.slow
def test_one_picture_in_ever_so_many_files_takes_linear_time_and_memory():
    hashes = random_hashes(100_000)
    generator = np.random.default_rng(1)
    hashes[:40_000] = hashes[0]  # 800 million pairs
    for place in generator.integers(0, 256, (2, 20_000)):
        bit = np.uint64(1) << (place % 64).astype(np.uint64)
        hashes[np.arange(20_000), place // 64] ^= bit
    tracemalloc.start()
    began = time.process_time()
    found = near_links(hashes)
    seconds, most = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(partition(100_000, found)) == 60_001 and len(found) == 39_999
    assert seconds < 60 and most < 600e6
