"""Pairs of photos that are one picture: by their hashes, or by features and a fit."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from carlib.audits.cells import EXACT, nearest_in_cells
from carlib.audits.crops import fit
from carlib.bottlenecks.rows import Rows, rows_of
from carlib.data import images
from carlib.data.buckets import near_links
from carlib.data.hashes import SHAPE, near_pairs
from carlib.data.photos import read_ahead, read_content
from carlib.data.sources import Source
from carlib.training.task import statistics

KINDS = ("file", "pixels", "near", "mirrored")
NEIGHBOURS = 5  # of each photo that are looked at
LIKE = 0.6  # the least cosine of standardised features at which they are
# Cosine plus fit from which two photos are one picture. Of the workshop's photos 15
# pairs that the hash alone doesn't find reach it, and all of them are one picture,
# looked at one by one; the nearest of two pictures has 1.56. Five pairs are missed.
CONFIRMED = 1.6
PAIRS_AT_ONCE = 4096  # whose photos are in memory together, 24 KB a pair

LEAST_SPREAD = 1e-6  # of a feature that is standardised, and least length of a row


def standardised(values: np.ndarray) -> np.ndarray | Rows:
    """Return features, (n, d), brought to mean 0 and variance 1 over the photos."""
    if not len(values):
        return values
    if len(values) > EXACT:
        mean, scale = statistics(values)
        return rows_of(values).changed(lambda block: (block - mean) / scale)
    spread = np.maximum(values.std(axis=0), LEAST_SPREAD)
    return (values - values.mean(axis=0)) / spread


def unit(values: np.ndarray | Rows) -> np.ndarray | Rows:
    """Return features, (n, d), each photo's brought to length 1."""
    if len(values) > EXACT:
        return rows_of(values).changed(_unit)
    return _unit(values)


def _unit(values: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.maximum(lengths, LEAST_SPREAD)


def find_pairs(
    sources: Sequence[Source],
    keys: Sequence[bytes],
    hashes: np.ndarray,
    features: np.ndarray | Rows,
) -> pd.DataFrame:
    """Find the pairs of photos that are one picture.

    Two ways lead there. By the hash alone: up to `hashes.SAME` bits differ. Or by the
    features: a photo is among the nearest of the other, and fits into it or into its
    mirror image, the whole of it or a cut-out. Among many photos both look less far:
    see `buckets.near_links`, and `cells` from 50,000 photos on.

    Args:
        sources: The photos, all of which can be read.
        keys: The SHA-256 of each photo's bytes.
        hashes: As from `picture_hashes`.
        features: Standardised, each of length 1, (n, d).

    Returns:
        A row a pair: a, b (positions, a < b), kind ("file": the same bytes; "pixels":
        the same once decoded; "near"; "mirrored"), bits (how many of the hash's 256
        differ), similarity (the features' cosine).
    """
    found = {(a, b): (bits, m) for a, b, bits, m in near_links(hashes).tolist()}
    found = _same_files(keys) | found
    found |= _confirmed(sources, hashes, features, found)
    rows = [
        (
            a,
            b,
            _kind(sources, keys, a, b, *how),
            how[0],
            float(features[a] @ features[b]),
        )
        for (a, b), how in sorted(found.items())
    ]
    columns = ["a", "b", "kind", "bits", "similarity"]
    return pd.DataFrame(rows, columns=columns)


def _same_files(keys: Sequence[bytes]) -> dict[tuple[int, int], tuple[int, int]]:
    """Return each photo's pair with the first of the same bytes: plain colours, too."""
    first: dict[bytes, int] = {}
    places = [first.setdefault(key, row) for row, key in enumerate(keys)]
    return {(a, b): (0, 0) for b, a in enumerate(places) if a != b}


def _kind(
    sources: Sequence[Source],
    keys: Sequence[bytes],
    a: int,
    b: int,
    bits: int,
    mirrored: int,
) -> str:
    if keys[a] == keys[b]:
        return "file"
    if bits == 0 and not mirrored:
        one, other = (_decoded(sources[row]) for row in (a, b))
        if np.array_equal(one, other):
            return "pixels"
    return "mirrored" if mirrored else "near"


def _decoded(source: Source) -> np.ndarray:
    content, _ = read_content(source)
    return content if isinstance(content, np.ndarray) else images.decode(content)


def _confirmed(
    sources: Sequence[Source],
    hashes: np.ndarray,
    features: np.ndarray | Rows,
    known: dict[tuple[int, int], tuple[int, int]],
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the pairs that features propose and a cut-out confirms."""
    proposed = [pair for pair in neighbours(features) if pair not in known]
    found = {}
    for first in range(0, len(proposed), PAIRS_AT_ONCE):
        pairs = proposed[first : first + PAIRS_AT_ONCE]
        rows = sorted({row for pair in pairs for row in pair})
        photos = read_ahead(sources, rows, [SHAPE], lambda _: [True])
        squares = {p.row: p.squares[0] for p in photos if not p.error}
        for a, b in pairs:
            if a in squares and b in squares:
                cosine = float(features[a] @ features[b])
                plain = fit(squares[a], squares[b])
                turned = fit(squares[a], squares[b][:, ::-1])
                if cosine + max(plain, turned) >= CONFIRMED:
                    found[a, b] = _bits(hashes[a], hashes[b]), int(turned > plain)
    return found


def neighbours(features: np.ndarray | Rows) -> list[tuple[int, int]]:
    """Return the pairs of which one is among the nearest of the other, and like it."""
    from sklearn.neighbors import NearestNeighbors

    if len(features) < 2:
        return []
    if len(features) > EXACT:
        distances, places = nearest_in_cells(features, NEIGHBOURS)
    else:
        count = min(NEIGHBOURS + 1, len(features))  # each is its own nearest
        search = NearestNeighbors(n_neighbors=count, metric="cosine").fit(features)
        distances, places = search.kneighbors(features)
    one, rank = np.nonzero(distances <= 1 - LIKE)
    pairs = np.sort(np.stack([one, places[one, rank]], axis=1), axis=1)
    return sorted({(a, b) for a, b in pairs.tolist() if a != b})


def _bits(one: np.ndarray, other: np.ndarray) -> int:
    """Return by how many bits two hashes differ; mirrored, if that's less."""
    both = np.stack([one, other])
    return int(near_pairs(both, most=256)[0, 2]) if both.any(axis=1).all() else 256
