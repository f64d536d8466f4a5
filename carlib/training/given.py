"""Features that somebody has already, in an array or in a file, as a photo set."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from carlib.bottlenecks.rows import Rows
from carlib.bottlenecks.shards import MAPPED
from carlib.data.labels import labels_of
from carlib.errors import DataError
from carlib.training.keras_head import blocks
from carlib.training.photo_set import PhotoSet

MOST_NAMED = 5  # rows that aren't numbers
HINT = "Such as numpy.load(path, mmap_mode='r') gives them: a row a photo."


@dataclass(frozen=True, eq=False)
class GivenFeatures:
    """Features that were given, as `bottlenecks.features.Features` has them.

    Attributes:
        array: Floats, (n, d); may be a memory map.
        copies: The same number for copies of a picture, int (n,).
        errors, sources, shards, mirrored: Nothing is known of photos or backbones.
    """

    array: np.ndarray
    copies: np.ndarray
    errors: dict[int, str] = field(default_factory=dict)
    sources: tuple[()] = ()
    shards: tuple[()] = ()
    mirrored: bool = False

    @property
    def n_features(self) -> int:
        """How many features a row has."""
        return self.array.shape[1]

    @functools.cached_property
    def keys(self) -> list[bytes]:
        """What stands for each photo: its place in the array."""
        return _as_keys(np.arange(len(self.array)))

    @property
    def row_keys(self) -> list[bytes]:
        """What stands for each row."""
        return self.keys

    @functools.cached_property
    def pictures(self) -> list[bytes]:
        """What stands for each photo's picture, the same for copies."""
        return _as_keys(self.copies)

    def take(self, rows: Sequence[int]) -> np.ndarray | Rows:
        """Return some rows, float32 (m, d); from 64 MiB on they stay where they are."""
        taken = Rows(self.array, np.asarray(rows))
        return taken if taken.nbytes >= MAPPED else taken[:]


def from_features(
    features: np.ndarray, labels: Sequence[Any], pictures: Sequence[Any] | None = None
) -> PhotoSet:
    """Take features that are there already for photos to train a head on.

    They may be larger than memory: a memory map is read in blocks, again and again, and
    never copied. 2,000,000 rows of 1,280 features, float16, take less than 4 GB to be
    trained on, evaluated and calibrated; see `benchmarks/out_of_memory.py`.

    Args:
        features: Floats of any precision, (n, d), an array or a memory map.
        labels: Their classes, n texts or whole numbers.
        pictures: The same for copies of a picture, n values of any kind; they are kept
            in one fold. None: there are no copies.

    Returns:
        What `ImageClassificationTrainer.train_head` takes, with `optimizer="lbfgs"` for
        large arrays; `some(rows)` returns some of them.

    Raises:
        DataError: These aren't n rows of numbers with a label each, of two classes or
            more.

    Example:
        >>> bottlenecks = carlib.Bottlenecks("EfficientNetLite0")
        >>> features = bottlenecks.transform(train.image_path)
        >>> photos = carlib.from_features(features, train.damage_class)
        >>> trainer = carlib.ImageClassificationTrainer(optimizer="lbfgs", l2=0.01)
        >>> trained, history = trainer.train_head(photos)
        >>> carlib.evaluate(trained.predictions(photos))
    """
    _check_shapes(features, labels, pictures)
    _check_numbers(features)
    found, names = _numbered(labels, "label")
    classes, which = np.unique(_names_of(names), return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"Expected two classes or more to tell apart. Received: {classes.tolist()}"
        )
    copies = np.arange(len(features))
    if pictures is not None:
        copies, _ = _numbered(pictures, "picture")
    return PhotoSet(
        GivenFeatures(features, copies),
        np.arange(len(features)),
        which[found].astype(np.int32),
        tuple(map(str, classes)),
    )


def _as_keys(numbers: np.ndarray) -> list[bytes]:
    data = numbers.astype(">u8").tobytes()
    return [data[i : i + 8] for i in range(0, len(data), 8)]


def _numbered(values: Sequence[Any], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each value, and the values by their numbers."""
    numbers, different = pd.factorize(np.asarray(values), sort=True)
    without = int((numbers < 0).sum())
    if without:
        raise DataError(f"Expected a {what} a row. Received: {without:,} without one")
    return numbers, different


def _names_of(labels: np.ndarray) -> np.ndarray:
    return labels_of(pd.DataFrame({"label": labels}), "label").astype(str)


def _check_shapes(features: Any, labels: Any, pictures: Any) -> None:
    shape, kind = getattr(features, "shape", ()), getattr(features, "dtype", None)
    if len(shape) != 2 or getattr(kind, "kind", "") != "f" or 0 in shape:
        raise DataError(
            "Expected features as an array of floats, (photos, features). Received: "
            f"{type(features).__name__} {kind or ''} {shape or ''}".rstrip(),
            hint=HINT,
        )
    given = {"labels": labels} | ({} if pictures is None else {"pictures": pictures})
    sizes = {name: np.shape(value) for name, value in given.items()}
    wrong = [
        f"{name} have the shape {size}"
        for name, size in sizes.items()
        if size != shape[:1]
    ]
    if wrong:
        message = f"Expected one for each of {shape[0]:,} rows. Received: others"
        raise DataError(message, wrong)


def _check_numbers(features: np.ndarray) -> None:
    """Refuse rows that hold what is no number, going through all of them once."""
    bad: list[int] = []
    for rows in blocks(features):
        whole = np.isfinite(features[rows]).all(axis=1)
        bad += (rows.start + np.flatnonzero(~whole)).tolist()
    if bad:
        named = [f"row {row:,}" for row in bad[:MOST_NAMED]]
        more = [f"and {len(bad) - MOST_NAMED:,} more"] * (len(bad) > MOST_NAMED)
        raise DataError("Some features are not numbers.", named + more)
