"""Which photos are one picture: the same file, or scaled, stamped, mirrored, resaved.

No network is asked; `carlib.audit` finds more, such as cut-outs of a picture.
"""

from collections.abc import Sequence

import numpy as np

from carlib.data.buckets import near_links
from carlib.data.hashes import SHAPE, WORDS, picture_hash
from carlib.data.photos import read_ahead
from carlib.data.sources import Source
from carlib.messages import bar

# The hashes of photos by their keys, of this process: whoever compares five backbones
# by cross-validation asks five times. 32 bytes a photo.
_known: dict[bytes, np.ndarray] = {}
SECONDS_UNSEEN = 3  # before a bar is shown


def picture_hashes(sources: Sequence[Source]) -> tuple[list[bytes], np.ndarray]:
    """Return what stands for each photo's bytes, and for its picture.

    Photos are read and decoded on threads, each content once in a process.

    Returns:
        keys: The SHA-256 of each photo's bytes; b"" where it can't be read.
        hashes: uint64 (n, 4), see `picture_hash`; zeros where there is no picture.
    """
    keys = [b""] * len(sources)
    photos = read_ahead(
        sources, range(len(sources)), [SHAPE], lambda key: [key not in _known]
    )
    what = "Looking for copies"
    with bar(len(sources), what, "photo", delay=SECONDS_UNSEEN) as shown:
        for photo in photos:
            shown.update()
            if not photo.error:
                keys[photo.row] = photo.key
            if not photo.error and photo.squares[0] is not None:
                _known[photo.key] = picture_hash(photo.squares[0])
    hashes = [_known[key] if key else np.zeros(WORDS, np.uint64) for key in keys]
    return keys, np.array(hashes, np.uint64).reshape(-1, WORDS)


def pictures(sources: Sequence[Source], keys: Sequence[bytes] = ()) -> list[bytes]:
    """Return what stands for each photo's picture: the least key of all its copies.

    It depends on which photos there are, not on their order or names.

    Args:
        sources: The photos.
        keys: What stands for each, where that is known already.

    Returns:
        SHA-256 sums, 32 bytes each, the same for copies. b"" for a photo that can't be
        read and isn't known.

    Example:
        >>> from carlib.data.sources import as_sources
        >>> pictures(as_sources(["a.jpeg", "copy of a.jpeg", "b.jpeg"]))
    """
    found, hashes = picture_hashes(sources)
    keys = list(keys or found)
    groups = grouped(len(keys), near_links(hashes)[:, :2])
    least: dict[int, bytes] = {}
    for key, group in sorted(zip(keys, groups.tolist(), strict=True)):
        least.setdefault(group, key)
    rows = zip(keys, groups.tolist(), strict=True)
    return [least[group] if key else b"" for key, group in rows]


def grouped(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return a number a photo, the same for those that pairs hold together.

    Args:
        count: Photos.
        pairs: Two positions a row.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), bool)
    links = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1]
