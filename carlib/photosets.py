"""Photos as the head sees them: features and labels, in an order that is their own."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from carlib.bottlenecks import Extraction
from carlib.errors import DataError
from carlib.index import RESERVED


@dataclass(frozen=True)
class PhotoSet:
    """Photos as the head sees them: features (n, d), labels (n,), and their hashes."""

    features: np.ndarray
    labels: np.ndarray
    photos: list[bytes]

    @classmethod
    def in_order(
        cls, extraction: Extraction, labels: np.ndarray, seed: int
    ) -> "PhotoSet":
        """Shuffle rows by the seed, from an order that is the photos' own.

        So the index may list photos in any order, under any name: the model is the
        same. As in ML.NET, the order then stays from epoch to epoch.
        """
        photos = extraction.photos
        own = sorted(range(len(photos)), key=lambda row: (photos[row], labels[row]))
        order = np.random.default_rng(seed).permutation(own)
        return cls(
            extraction.take(order), labels[order], [photos[row] for row in order]
        )

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """The features and the labels."""
        return self.features, self.labels


def class_names(
    train: pd.DataFrame, validation: pd.DataFrame | None
) -> tuple[str, ...]:
    """Return the sorted labels, or say why these photos can't be trained on."""
    for photos in (train, validation):
        if photos is not None and not {"image_path", "damage_class"} <= set(photos):
            raise DataError(
                "Expected photos with the columns image_path and damage_class. "
                f"Received: {', '.join(map(str, photos))}"
            )
    names = sorted(set(train.damage_class))
    if len(names) < 2:
        raise DataError(
            f"Expected two classes or more to tell apart. Received: {names}"
        )
    reserved = sorted(RESERVED & set(names))
    if reserved:
        raise DataError(
            "No class may be called like a column of the table of predictions.",
            reserved,
        )
    unseen = set() if validation is None else set(validation.damage_class) - set(names)
    if unseen:
        raise DataError(
            "Some classes of the validation photos are not among the training photos, "
            "so that they could never be named.",
            sorted(unseen),
        )
    return tuple(names)


def data_hash(*sets: PhotoSet | None) -> str:
    """Hash which photos, with which labels, were trained on and watched."""
    digest = hashlib.sha256()
    for photo_set in sets:
        rows = zip(photo_set.photos, photo_set.labels, strict=True) if photo_set else ()
        for photo, label in sorted((photo, int(label)) for photo, label in rows):
            digest.update(photo + label.to_bytes(4, "little"))
        digest.update(b"/")
    return digest.hexdigest()
