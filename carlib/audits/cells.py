"""The nearest of a photo among so many that they can't all be compared: in cells.

Features are divided into cells by k-means (Sculley, "Web-scale k-means clustering", WWW
2010) on some of the photos, and a photo's nearest looked for in its own cell and among
those for which it is the second best. That is an approximation: of two photos on either
side of a border one is nearly always such a guest, but one far beyond isn't seen.
"""

from collections.abc import Iterator

import numpy as np

from carlib.bottlenecks.rows import Rows
from carlib.training.keras_head import blocks

EXACT = 50_000  # photos up to which an audit compares all, in memory
FARTHEST = 2.0  # the largest cosine distance
PER_CELL = 2048  # photos, on average
# Photos of a cell, and of its guests, among which is searched; more are divided by
# chance, and copies with them. Of drawn features 65 % lie in cells twice the average.
MOST = 4 * PER_CELL
AT_ONCE = 256  # photos that are compared with all of their cell and its guests
SAMPLE = 1 << 15  # photos that the cells are found on


def nearest_in_cells(features: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find each photo's nearest others in its cell and near it, the nearest first.

    Args:
        features: Each of length 1, (n, d).
        count: How many.

    Returns:
        Cosine distances, float32, and the positions of the others, (n, count) each;
        where a cell has fewer, the largest distance, 2, and the photo itself.
    """
    shape = (len(features), count)
    distances = np.full(shape, FARTHEST, np.float32)
    places = np.broadcast_to(np.arange(shape[0])[:, np.newaxis], shape).copy()
    for own, guests in _parts(*_cells(features)):
        rows = np.concatenate([own, guests])
        block, found = features[rows], min(count, len(rows) - 1)
        for first in range(0, len(own), AT_ONCE):
            some = own[first : first + AT_ONCE]
            apart = 1 - block[first : first + len(some)] @ block.T
            itself = np.arange(len(some))
            apart[itself, first + itself] = np.inf
            near = np.argpartition(apart, np.arange(found), axis=1)[:, :found]
            distances[some, :found] = np.take_along_axis(apart, near, axis=1)
            places[some, :found] = rows[near]
    return distances, places


def _cells(features: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of photos' cells, and of the next best, or -1: each (n,)."""
    from sklearn.cluster import MiniBatchKMeans

    count = max(1, len(features) // PER_CELL)
    some = features[np.arange(0, len(features), -(-len(features) // SAMPLE))]
    means = MiniBatchKMeans(min(count, len(some)), random_state=0, n_init=1).fit(some)
    centres = means.cluster_centers_
    offsets = (centres**2).sum(axis=1) / 2
    cells, others = [], []
    for rows in blocks(features):
        near = features[rows] @ centres.T - offsets
        cells.append(near.argmax(axis=1))
        near[np.arange(len(near)), cells[-1]] = -np.inf
        others.append(np.where(len(centres) > 1, near.argmax(axis=1), -1))
    return np.concatenate(cells), np.concatenate(others)


def _parts(
    cell: np.ndarray, other: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the photos of each cell and its guests, or some of them at a time."""
    of_cell, of_other = _places(cell), _places(other)
    for number, own in of_cell.items():
        guests = of_other.get(number, own[:0])
        pieces = -(-len(own) // MOST)
        every = max(pieces, -(-len(guests) // MOST))
        yield from ((own[i::pieces], guests[i::every]) for i in range(pieces))


def _places(numbers: np.ndarray) -> dict[int, np.ndarray]:
    """Return where each number stands."""
    order = np.argsort(numbers, kind="stable")
    found, first = np.unique(numbers[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, first[1:]), strict=True))
