"""The nearest of a photo among so many that they can't all be compared: in cells.

Features are divided into cells by k-means (Sculley, "Web-scale k-means clustering", WWW
2010) on some of the photos, and a photo's nearest looked for in its own cell. That is
an approximation: one that lies beyond the border of the cell isn't seen.
"""

from collections.abc import Iterator

import numpy as np

from carlib.bottlenecks.rows import Rows
from carlib.training.keras_head import blocks

EXACT = 50_000  # photos up to which an audit compares all, in memory
FARTHEST = 2.0  # the largest cosine distance
PER_CELL = 2048  # photos, on average
MOST = 4096  # of a cell that are compared at once; a larger one is divided by chance
SAMPLE = 1 << 15  # photos that the cells are found on


def nearest_in_cells(features: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find each photo's nearest others in its own cell, the nearest first.

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
    for rows in _parts(_cells(features)):
        block = features[rows]
        apart = 1 - block @ block.T
        np.fill_diagonal(apart, np.inf)
        found = min(count, len(rows) - 1)
        near = np.argpartition(apart, np.arange(found), axis=1)[:, :found]
        distances[rows, :found] = np.take_along_axis(apart, near, axis=1)
        places[rows, :found] = rows[near]
    return distances, places


def _cells(features: Rows) -> np.ndarray:
    """Return the number of each photo's cell, (n,)."""
    from sklearn.cluster import MiniBatchKMeans

    count = max(1, len(features) // PER_CELL)
    some = features[np.arange(0, len(features), -(-len(features) // SAMPLE))]
    means = MiniBatchKMeans(min(count, len(some)), random_state=0, n_init=1).fit(some)
    centres = means.cluster_centers_
    offsets = (centres**2).sum(axis=1) / 2
    parts = [
        (features[rows] @ centres.T - offsets).argmax(axis=1)
        for rows in blocks(features)
    ]
    return np.concatenate(parts)


def _parts(cell: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the photos of each cell, or some of them at a time."""
    order = np.argsort(cell, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
        pieces = -(-len(rows) // MOST)
        yield from (rows[first::pieces] for first in range(pieces))
