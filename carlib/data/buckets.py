"""Near copies among millions of pictures: by buckets, since pairs are too many.

Two hashes that differ by few bits agree, but for one bit at most, on one part of them
at least: of `2 · PARTS` parts, all that differ by less than `4 · PARTS` bits do so (the
pigeonhole principle; Norouzi, Punjani and Fleet, "Fast search in Hamming space with
multi-index hashing", CVPR 2012). So only those are compared that share a part, or all
but one bit of it. A mirror image has the odd columns' bits turned: their parts are
looked up once more, turned.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from carlib.data.hashes import BITS, PER_BLOCK, WORDS, near_pairs

ALL = 1 << 16  # pictures of which all pairs are compared
PARTS = 6  # of the even columns' bits, and as many of the odd ones'
SURE = 4 * PARTS - 1  # bits that may differ: such a pair is always found
# Bits that may differ, of more pictures than ALL. Of two million photos there are two
# million times a million pairs, and chance makes some of them alike: it did so at 73
# bits in the 731,445 pairs of the workshop's, a third more often with each bit. 31 of
# 39 pairs there that are one picture are as near as this.
NEAR = 32
LARGE = 256  # pictures of a bucket; of more, so many stand for those like them
HALF = BITS // 2


def near_links(hashes: np.ndarray, many: int = ALL) -> np.ndarray:
    """Find what holds near copies together, among few pictures or among millions.

    Of up to 65,536 all pairs that differ by up to `hashes.SAME` bits are returned. Of
    more, a forest: pairs of up to `NEAR` bits, as many as hold each group together. Two
    that differ by up to `SURE` bits are always in one group; of pairs of 24 to 32 bits
    nearly all are. In a bucket of more than 256 pictures, as one picture in a million
    files makes it, up to 256 stand for all others, so that the time doesn't grow with
    its square: what is said of `SURE` holds there as long as each is within 9 bits of
    one of these. Memory grows with the pictures, not with their pairs.

    Args:
        hashes: uint64 (n, 4), as from `picture_hash`; zeros are like none.
        many: Up to so many pictures all pairs are compared.

    Returns:
        int64 (links, 4), as of `near_pairs`.
    """
    if len(hashes) <= many:
        return near_pairs(hashes)
    rows = np.flatnonzero(hashes.any(axis=1))
    _, first, which = np.unique(
        np.ascontiguousarray(hashes[rows]).view(f"V{8 * WORDS}")[:, 0],
        return_index=True,
        return_inverse=True,
    )
    found = _forest_of(hashes[rows[np.sort(first)]])
    found[:, :2] = np.sort(first)[found[:, :2]]
    links = np.concatenate([_same(first[which]), found])
    links[:, :2] = np.sort(rows[links[:, :2]], axis=1)
    return links[np.lexsort((links[:, 1], links[:, 0]))]


def _same(first: np.ndarray) -> np.ndarray:
    """Return the links of equal hashes, each to the first of them."""
    others = np.flatnonzero(first != np.arange(len(first)))
    nothing = np.zeros(len(others), int)
    return np.stack([first[others], others, nothing, nothing], axis=1)


def _forest_of(hashes: np.ndarray) -> np.ndarray:
    """Return links that hold the groups of different hashes together."""
    kept, group = np.empty((0, 4), int), np.arange(len(hashes))
    for part in range(2 * PARTS):
        buckets, pending, waiting = _Buckets(hashes, part, group), [], 0
        for links in buckets.links():
            pending.append(links)
            waiting += len(links)
            if waiting > PER_BLOCK:
                kept, group = _forest(len(hashes), [kept, *pending])
                buckets.regroup(group)
                pending, waiting = [], 0
        kept, group = _forest(len(hashes), [kept, *pending])
    return kept


def _forest(count: int, parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the links of a minimum spanning forest, and each hash's group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    links = np.concatenate(parts)
    ends = np.sort(links[:, :2], axis=1)
    _, once = np.unique(ends[:, 0] * count + ends[:, 1], return_index=True)
    (one, other), (bits, mirrored) = ends[once].T, links[once, 2:].T
    lengths = 2 * bits + mirrored + 1  # 0 would be no link
    pairs = coo_array((lengths, (one, other)), shape=(count, count))
    tree = minimum_spanning_tree(pairs.tocsr())
    group = connected_components(tree, directed=False)[1]
    tree = tree.tocoo()
    lengths = tree.data.astype(int) - 1
    kept = np.stack([*tree.coords, lengths // 2, lengths % 2], axis=1)
    return kept.astype(int), group


class _Buckets:
    """Hashes by one part of them, those that share it side by side.

    Args:
        hashes: All different, uint64 (n, 4).
        part: Up to PARTS - 1 of the even columns' bits, from PARTS on of the odd ones'.
        group: The same number for those that are known to belong together, int (n,).
    """

    def __init__(self, hashes: np.ndarray, part: int, group: np.ndarray):
        is_odd, first = divmod(part, PARTS)
        bits = range(first, HALF, PARTS)  # slow and fast waves among them
        keys = _keys(hashes[:, 2:] if is_odd else hashes[:, :2], bits)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self._sizes = np.bincount(keys, minlength=1 << len(bits))
        self._starts = self._sizes.cumsum() - self._sizes
        self._words = [word[self._order] for word in hashes.T]
        self._shown = self._sizes.copy()  # the first of a bucket, with which all are
        for key in np.flatnonzero(self._sizes > LARGE):
            self._shown[key] = self._lead(key)
        self.regroup(group)
        every = (1 << len(bits)) - 1
        flips = [0, *(1 << place for place in range(len(bits)))]
        self._turns = flips + [flip ^ every for flip in flips] * is_odd

    def regroup(self, group: np.ndarray) -> None:
        """Take up what is known to belong together: it isn't compared any more."""
        self._group = group[self._order]

    def links(self) -> Iterator[np.ndarray]:
        """Yield the near pairs that share the part, or all but one bit of it."""
        for turn in self._turns:
            for one, other in self._candidates(turn):
                yield self._near(one, other)

    def _lead(self, key: int) -> int:
        """Put first in a bucket those that stand for others; return how many they are.

        What is near to one of the others, up to SURE bits, is near to its leader.
        """
        span = slice(self._starts[key], self._starts[key] + self._sizes[key])
        rest, leaders = np.arange(span.start, span.stop), []
        while len(rest) and len(leaders) < LARGE:
            leaders.append(rest[0])
            bits, _ = self._differing(np.full(len(rest), rest[0]), rest)
            rest = rest[bits > NEAR - SURE]
        others = np.setdiff1d(np.arange(span.start, span.stop), leaders)
        places = np.concatenate([leaders, others])
        for values in (self._order, *self._words):
            values[span] = values[places]
        return len(leaders)

    def _candidates(self, turn: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield what is compared: the smaller bucket with the first of the larger."""
        target = self._keys ^ turn
        begins, lengths = self._starts[target], self._shown[target]
        places = np.arange(len(target))
        if turn == 0:
            few = lengths == self._sizes[target]
            lengths = np.where(few, begins + lengths - places - 1, lengths)
            begins = np.where(few, places + 1, begins)
        else:
            own, other = self._sizes[self._keys], self._sizes[target]
            smaller = (own < other) | ((own == other) & (self._keys < target))
            lengths = np.where(smaller, lengths, 0)
        yield from _spread(begins, lengths)

    def _near(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return those pairs that differ by few bits, as links."""
        apart = self._group[one] != self._group[other]
        one, other = one[apart], other[apart]
        near = self._counted(one, other, 0) <= NEAR  # of others, half of 128
        one, other = one[near], other[near]
        bits, mirrored = self._differing(one, other)
        pairs = self._order[one], self._order[other], bits, mirrored
        return np.stack(pairs, axis=1)[bits <= NEAR]

    def _differing(
        self, one: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return by how many bits pairs differ, and whether they do so mirrored."""
        even, odd = (self._counted(one, other, word) for word in (0, 2))
        turned = HALF - odd
        return even + np.minimum(odd, turned), turned < odd

    def _counted(self, one: np.ndarray, other: np.ndarray, word: int) -> np.ndarray:
        """Return by how many bits pairs differ in two of the words."""
        words = self._words[word : word + 2]
        counts = [np.bitwise_count(each[one] ^ each[other]) for each in words]
        return counts[0].astype(int) + counts[1]


def _keys(words: np.ndarray, bits: Iterable[int]) -> np.ndarray:
    """Return some of 128 bits, side by side in a number, int64 (n,)."""
    keys = np.zeros(len(words), np.int64)
    for place, bit in enumerate(bits):
        found = words[:, bit // 64] >> np.uint64(bit % 64) & np.uint64(1)
        keys |= found.astype(np.int64) << place
    return keys


def _spread(
    begins: np.ndarray, lengths: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each place with all of its range, some PER_BLOCK pairs at a time."""
    rows = np.flatnonzero(lengths > 0)
    begins, lengths = begins[rows], lengths[rows]
    ends = lengths.cumsum()
    cuts = np.arange(0, ends[-1] if len(ends) else 0, PER_BLOCK)
    cuts = np.unique([*np.searchsorted(ends, cuts), len(rows)])
    for first, last in itertools.pairwise(cuts):
        some = lengths[first:last]
        within = np.arange(some.sum()) - np.repeat(some.cumsum() - some, some)
        yield (
            np.repeat(rows[first:last], some),
            np.repeat(begins[first:last], some) + within,
        )
