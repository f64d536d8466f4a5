"""What the server says of a photo: ranked labels, whether they are sure, and where."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import CarlibError, OptionError
from carlib.explain.class_maps import class_maps
from carlib.explain.nearest import nearest
from carlib.model.model import ImageClassificationModel
from carlib.pages.thumbnails import picture

NEAREST = 5  # training photos that are shown beside one


class Answers:
    """A model, and the photos it was trained on if they are at hand, asked in turn.

    Several threads may ask at once. They are answered one after another: the network
    takes all cores for one photo already.

    Args:
        model: Who answers.
        train: The training photos, with the columns image_path and damage_class.
    """

    def __init__(
        self, model: ImageClassificationModel, train: pd.DataFrame | None = None
    ):
        self.model, self.train = model, train
        self._turn = threading.Lock()
        self._has_maps = True

    def facts(self) -> dict[str, Any]:
        """Return what the page says of the model."""
        names = self.model.class_names
        about = f"{self.model.arch}, {len(names)} classes"
        return {"about": about, "shows_nearest": self.train is not None}

    def answer(self, photo: bytes) -> dict[str, Any]:
        """Name the damage in an encoded photo, as the page's `show` takes it.

        Raises:
            ImageError: It can't be read.
        """
        with self._turn:
            row = self.model.predict([photo], progress=False).iloc[0]
            places = self._places(photo)
        shares = {name: float(row[name]) for name in self.model.class_names}
        ranked = [
            {"label": name, "probability": shares[name]}
            for name in sorted(shares, key=lambda name: -shares[name])
        ]
        return {"ranked": ranked, "why": row.get("why", ""), "map": _as_plain(places)}

    def nearest(self, photo: bytes) -> dict[str, Any]:
        """Return the training photos that are most like a photo, with pictures."""
        if self.train is None:
            return {"photos": []}
        with self._turn:
            found = nearest(
                self.model, [photo], self.train, NEAREST, progress=False
            ).to_dict("records")
        return {"photos": [_near(each) for each in found]}

    def _places(self, photo: bytes) -> np.ndarray | None:
        """Return the predicted class's map; None where the backbone has none."""
        if not self._has_maps:
            return None
        try:
            return class_maps(self.model, [photo], progress=False).together()[0, 0]
        except OptionError:
            self._has_maps = False
        except CarlibError:
            return None
        return None


def _as_plain(places: np.ndarray | None) -> dict[str, Any] | None:
    if places is None:
        return None
    height, width = places.shape
    values = [float(value) for value in places.ravel()]
    return {"height": height, "width": width, "values": values}


def _near(found: Mapping[str, Any]) -> dict[str, Any]:
    src, _, _ = picture(found["image_path"])
    distance = float(found["distance"])
    return {"label": found["damage_class"], "src": src, "distance": distance}
