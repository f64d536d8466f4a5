"""Photos by their content: what is held out, and what is there twice.

Names, paths and the order of rows have no say in either.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib.data.index import Row
from carlib.errors import DataError, OptionError
from carlib.reading import sha256_of


def held_out(
    contents: Sequence[str], labels: Sequence[str], fraction: float, seed: int
) -> np.ndarray:
    """Choose the same share of every class, by the photos' content and the seed.

    Names, paths and the order of rows have no say in it. Copies of a photo within a
    class stay on one side. Of each class one photo is taken at least and one left, so
    none is taken of a class whose photos are all the same.

    Args:
        contents: The SHA-256 of each photo's bytes, 64 hex digits.
        labels: The class of each.
        fraction: Share to take, above 0 and below 1.
        seed: Another one takes other photos.

    Returns:
        A mask (n,): which are taken.

    Raises:
        OptionError: The fraction isn't between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise OptionError(
            f"Expected a fraction above 0 and below 1. Received: {fraction}"
        )
    keys = [
        int(hashlib.sha256(f"{seed}:{content}".encode()).hexdigest()[:12], 16)
        for content in contents
    ]
    table = pd.DataFrame({"key": keys, "label": list(labels)})
    by_class = table.groupby("label").key
    place = by_class.rank(method="min") - 1
    wanted = (by_class.transform("size") * fraction).round().clip(lower=1)
    return ((place < wanted) & (table.key < by_class.transform("max"))).to_numpy()


def content_hashes(photos: pd.DataFrame) -> list[str]:
    """Return the SHA-256 of each photo's file, 64 hex digits, in the order of rows.

    Raises:
        DataError: Some can't be read; all of them are named.
    """
    hashes, problems = [], []
    for path in photos.image_path:
        try:
            hashes.append(sha256_of(path))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    if problems:
        raise DataError(f"{len(problems):,} photos can't be read.", problems)
    return hashes


def copies(root: Path, rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows whose files have the same bytes, group by group.

    Only files of the same size are read.
    """
    same_size = _groups(rows, lambda row: _size(root / row.image))
    return _groups(itertools.chain(*same_size), lambda row: file_hash(root / row.image))


def _groups(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[list[Row]]:
    """Return the rows of which several have one key; those without a key have none."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return [group for key, group in groups.items() if key and len(group) > 1]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits, or "" where it can't be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""
