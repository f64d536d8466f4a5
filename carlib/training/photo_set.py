"""Photos as the head sees them: features and labels, in an order that is their own."""

import hashlib
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from carlib.bottlenecks.features import Features
from carlib.data.contents import held_out
from carlib.data.labels import labels_of
from carlib.errors import DataError, printable
from carlib.model.digests import digests_of


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """Photos as the head sees them.

    Attributes:
        features: Where their features lie, and those of others.
        rows: Which of the photos there they are, (n,).
        labels: Their classes, int32 (n,), positions in `classes`.
        classes: The names of the classes.
    """

    features: Features
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> list[bytes]:
        """The SHA-256 of each photo's bytes."""
        return [self.features.keys[row] for row in self.rows]

    @property
    def pictures(self) -> list[bytes]:
        """What stands for each photo's picture; copies, near ones too, share it."""
        return [self.features.pictures[row] for row in self.rows]

    @property
    def n_rows(self) -> int:
        """How many rows the head is trained on: mirror images count."""
        return len(self) * (1 + self.features.mirrored)

    def some(self, positions: np.ndarray) -> "PhotoSet":
        """Return some of these photos, by position or by a mask."""
        return replace(self, rows=self.rows[positions], labels=self.labels[positions])

    def readable(self) -> "PhotoSet":
        """Return those that could be read; warn of the others, all of them.

        Raises:
            DataError: Of a class there are none.
        """
        errors = self.features.errors
        if not errors:
            return self
        rest = self.some(np.array([row not in errors for row in self.rows]))
        gone = set(self.labels.tolist()) - set(rest.labels.tolist())
        if gone:
            raise DataError(
                "Of some classes no photo can be read.",
                [*(self.classes[label] for label in sorted(gone)), *errors.values()],
            )
        listed = "\n".join(f"  {printable(errors[row])}" for row in sorted(errors))
        count = f"{len(errors):,} of {len(self):,} photos"
        warnings.warn(f"Left out {count}:\n{listed}", stacklevel=3)
        return rest

    def hold_out(self, fraction: float, seed: int) -> tuple["PhotoSet", "PhotoSet"]:
        """Take a share of each class out; see `data.held_out`."""
        names = [self.classes[label] for label in self.labels]
        out = held_out([key.hex() for key in self.keys], names, fraction, seed)
        return self.some(~out), self.some(out)

    def in_order(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return features (m, d) and labels (m,), mirror images among them, shuffled.

        The seed shuffles from an order that is the photos' own, so the index may list
        them in any order, under any name: the model is the same.
        """
        views = range(1 + self.features.mirrored)
        n_photos, keys = len(self.features.keys), self.features.row_keys
        rows = np.concatenate([self.rows + view * n_photos for view in views])
        labels = np.tile(self.labels, len(views))
        own = np.lexsort((labels, np.array([keys[row] for row in rows])))
        order = np.random.default_rng(seed).permutation(own)
        return self.features.take(rows[order]), labels[order]

    def as_they_are(self, mirrored: bool = False) -> np.ndarray:
        """Return the photos' features, or their mirror images', float32 (n, d)."""
        return self.features.take(self.rows + mirrored * len(self.features.keys))


def class_names(
    train: pd.DataFrame, validation: pd.DataFrame | None
) -> tuple[str, ...]:
    """Return the sorted labels, or say why these photos can't be trained on.

    Raises:
        DataError: Photos without the columns needed; labels that name no class; fewer
            than two classes; or classes to validate with that are never trained.
    """
    for photos in (train, validation):
        if photos is not None:
            _check_columns(photos)
    names = sorted(set(labels_of(train)))
    if len(names) < 2:
        raise DataError(
            f"Expected two classes or more to tell apart. Received: {names}"
        )
    unseen = set() if validation is None else set(labels_of(validation)) - set(names)
    if unseen:
        raise DataError(
            "Some classes of the validation photos are not among the training photos, "
            "so that they could never be named.",
            sorted(unseen),
        )
    return tuple(names)


def _check_columns(photos: Any) -> None:
    kind = type(photos).__name__
    found = list(photos) if isinstance(photos, pd.DataFrame) else [f"a {kind}"]
    if not {"image_path", "damage_class"} <= set(found):
        raise DataError(
            "Expected a table of photos with the columns image_path and damage_class. "
            f"Received: {', '.join(map(str, found))}",
            hint="The class stands in the table: trainer.fit(photos), without a y.",
        )


def data_hash(*sets: PhotoSet | None) -> str:
    """Hash which photos, with which labels, were trained on and watched."""
    digest = hashlib.sha256()
    for photo_set in sets:
        rows = zip(photo_set.keys, photo_set.labels, strict=True) if photo_set else ()
        for key, label in sorted((key, int(label)) for key, label in rows):
            digest.update(key + label.to_bytes(4, "little"))
        digest.update(b"/")
    return digest.hexdigest()


def trained_on(*sets: PhotoSet | None) -> dict[str, Any]:
    """Return what a model keeps of the photos trained on and watched, by name."""
    rows = [
        (key.hex(), photo_set.classes[label])
        for photo_set in sets
        if photo_set
        for key, label in zip(photo_set.keys, photo_set.labels, strict=True)
    ]
    digests = digests_of(*zip(*rows, strict=True))
    return {"data_hash": data_hash(*sets), "trained_on": digests}


def about_skipped(*sets: PhotoSet | None) -> list[str]:
    """Return a line for each photo that couldn't be read, for a model's notes."""
    found = [photo_set.features.errors for photo_set in sets if photo_set]
    errors = {error: 0 for errors in found for error in errors.values()}
    return [f"Left out of the training: {error}" for error in errors]
