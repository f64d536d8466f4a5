"""Near copies among drawn hashes, for `out_of_memory.py`, under a limit of memory."""

import time

import numpy as np
from memory import limit, watched
from processes import answer

PLANTED = 1000  # near copies of each number of bits, mirrored ones among them
MOST = 32
SHARE = 0.2  # of the hostile set's hashes: one picture in ever so many files


def run(job: dict) -> dict:
    """Draw hashes, some of them near copies of others, and look for all near copies.

    Args:
        job: count, kind ("spread"; "hostile": a fifth of them are one picture, each
            with up to four bits of its own), gigabytes.
    """
    from carlib.data.buckets import SURE, near_links
    from carlib.data.near import grouped

    limit(job["gigabytes"])
    hashes, pairs, bits = drawn(job["count"], job["kind"])
    with watched() as memory:
        began = time.perf_counter()
        links = near_links(hashes)
        seconds = time.perf_counter() - began
    groups = grouped(len(hashes), links[:, :2])
    together = groups[pairs[:, 0]] == groups[pairs[:, 1]]
    return memory | {
        "count": len(hashes),
        "kind": job["kind"],
        "seconds": seconds,
        "links": len(links),
        "sure": float(together[bits <= SURE].mean()),
        "likely": float(together[bits > SURE].mean()),
    }


def drawn(count: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hashes, the planted pairs of them, and by how many bits these differ."""
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64, (count, 4), np.uint64)
    bits = np.repeat(np.arange(1, MOST + 1), PLANTED)
    pairs = draw.permutation(count)[: 2 * len(bits)].reshape(-1, 2)
    for (one, other), n in zip(pairs, bits, strict=True):
        hashes[other] = flipped(hashes[one], draw.permutation(256)[:n])
        if n % 2:
            hashes[other, 2:] = ~hashes[other, 2:]
    if kind == "hostile":
        rest = np.setdiff1d(np.arange(count), pairs)[: int(SHARE * count)]
        hashes[rest] = hashes[rest[0]]
        for _ in range(4):
            place = draw.integers(0, 256, len(rest))
            bit = np.uint64(1) << (place % 64).astype(np.uint64)
            hashes[rest, place // 64] ^= bit
    return hashes, pairs, bits


def flipped(hash_: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return a hash with some of its bits turned."""
    bits = np.unpackbits(hash_.view(np.uint8))
    bits[places] ^= 1
    return np.packbits(bits).view(np.uint64)


if __name__ == "__main__":
    answer(run)
