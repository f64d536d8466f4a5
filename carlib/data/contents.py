"""Photos by their content: what is held out, and what is there twice.

Names, paths and the order of rows have no say in either.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib.cores import usable_cores
from carlib.data.index import Row
from carlib.data.listed import Place
from carlib.data.photos import photo_key, read_content, readers
from carlib.data.sources import Source
from carlib.data.stores import AT_ONCE
from carlib.errors import DataError, ImageError, OptionError
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
    """Return the SHA-256 of each photo's bytes, 64 hex digits, in the order of rows.

    Raises:
        DataError: Some can't be read; all of them are named.
    """
    hashes, problems = [], []
    for said, is_wrong in _hashed(photos.image_path):
        (problems if is_wrong else hashes).append(said)
    if problems:
        raise DataError(f"{len(problems):,} photos can't be read.", problems)
    return hashes


def _hashed(paths: Iterable[Any]) -> Iterable[tuple[str, bool]]:
    """Return each photo's hash, or what is wrong and True; addresses many at once."""
    sources = [Source(str(path)) for path in paths]
    if all(source.is_file for source in sources):
        return map(_hash_or_fault, sources)
    with readers(max(usable_cores(), AT_ONCE)) as pool:
        return list(pool.map(_hash_or_fault, sources))


def _hash_or_fault(source: Source) -> tuple[str, bool]:
    try:
        return _hash_of(source), False
    except OSError as error:
        return f"{source.shown}: {error.strerror}", True
    except ImageError as error:
        return error.message, True


def _hash_of(source: Source) -> str:
    if source.is_file:
        return sha256_of(source.name)
    content, _ = read_content(source)
    return photo_key(content).hex()


def copies(place: Place, rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows whose files have the same bytes, group by group.

    Only files of the same size are read; of a store none, `split` and `audit` do.
    """
    same_size = _groups(rows, lambda row: place.size_of(row.image))
    same = itertools.chain(*same_size)
    return _groups(same, lambda row: file_hash(place.path_of(row.image)))


def _groups(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[list[Row]]:
    """Return the rows of which several have one key; those without a key have none."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return [group for key, group in groups.items() if key and len(group) > 1]


def file_hash(path: str) -> str:
    """Return the SHA-256 of a photo, 64 hex digits, or "" where it can't be read."""
    said, is_wrong = _hash_or_fault(Source(path))
    return "" if is_wrong else said
