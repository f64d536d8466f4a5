"""A picture in 256 bits: what is left of it when it's scaled, stamped or saved anew.

The signs of the 16 × 16 slowest waves (DCT-II) of its grey values at 64 × 64, as in
Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", with
the sign in the place of "above the median": the median of the waves is close to 0, and
a mirror image has the same waves with the sign of every other column turned. So how far
a picture is from a mirrored one needs no second hash.
"""

from collections.abc import Iterator

import numpy as np

SHAPE = (64, "bilinear")  # the square that a hash is made of; see `images.squares`
WAVES = 16
WORDS = 4  # uint64: two of the even columns' bits, two of the odd ones'
BITS = WAVES * WAVES
# Least standard deviation of the grey values, of 255: the waves of a plain colour are
# noise, and such pictures alike by chance.
LEAST_CONTRAST = 2.0
# Up to so many bits that differ two photos are one picture. Of the 731,445 pairs of the
# workshop's photos 39 do so, three of them mirrored, and all of them are one picture,
# looked at one by one; of the next ones, from 73 bits on, most are not.
SAME = 64
PER_BLOCK = 1 << 21  # pairs that are compared at once


def picture_hash(square: np.ndarray) -> np.ndarray:
    """Return the hash of a picture; of a plain colour zeros, which is like none.

    Args:
        square: uint8 (64, 64, 3), RGB, as `images.squares` makes it of `SHAPE`.

    Returns:
        uint64 (4,).

    Example:
        >>> from carlib.data.images import pixels
        >>> picture_hash(pixels(content, *SHAPE))
    """
    grey = square @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    if grey.std() < LEAST_CONTRAST:
        return np.zeros(WORDS, np.uint64)
    waves = _waves(len(grey))
    bits = (waves @ grey @ waves.T) > 0
    columns = np.concatenate([bits[:, 0::2].ravel(), bits[:, 1::2].ravel()])
    return np.packbits(columns).view(np.uint64)


def _waves(side: int) -> np.ndarray:
    """Return the slowest waves of a DCT-II, (16, side)."""
    places = np.pi * (2 * np.arange(side) + 1) / (2 * side)
    return np.cos(np.outer(np.arange(WAVES), places))


def near_pairs(hashes: np.ndarray, most: int = SAME) -> np.ndarray:
    """Find the pairs of pictures that differ by few bits, or do if one is mirrored.

    All pairs are compared, some 60 million a second: no index finds every pair of so
    many bits that may differ; `data.buckets` is for more pictures than 65,536. The
    memory needed doesn't grow with their number.

    Args:
        hashes: uint64 (n, 4), as from `picture_hash`.
        most: Bits that may differ.

    Returns:
        int64 (pairs, 4), a row a pair: two positions, the smaller one first, how many
        bits differ, and whether they do so mirrored, which is 1 where that is less.
    """
    rows = np.flatnonzero(hashes.any(axis=1))
    found = [*_blocks(hashes[rows], most), np.empty((0, 4), int)]
    pairs = np.concatenate(found)
    pairs[:, :2] = rows[pairs[:, :2]]
    return pairs


def _blocks(hashes: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Yield the near pairs, of some rows and all later ones at a time."""
    step = max(1, PER_BLOCK // max(1, len(hashes)))
    for first in range(0, len(hashes), step):
        rows, rest = hashes[first : first + step], hashes[first:]
        even = _differing(rows[:, :2], rest[:, :2])
        odd = _differing(rows[:, 2:], rest[:, 2:])
        plain, mirrored = even + odd, even + np.int16(BITS // 2) - odd
        least = np.minimum(plain, mirrored)
        one, other = np.nonzero(np.triu(least <= most, 1))
        which = mirrored[one, other] < plain[one, other]
        pair = (one + first, other + first, least[one, other], which)
        yield np.stack(pair, axis=1).astype(int)


def _differing(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how many bits differ, int16 (rows, rows)."""
    words = zip(one.T, other.T, strict=True)
    counts = (np.bitwise_count(a[:, np.newaxis] ^ b) for a, b in words)
    return sum(each.astype(np.int16) for each in counts)
