"""The map of photos: the same each time, and near is alike."""

import numpy as np
import pytest

from carlib.errors import DataError
from carlib.explain.feature_map import feature_map


def test_copies_lie_together_and_the_map_is_the_same_each_time(trained, few):
    photos = few.iloc[[*range(len(few)), 0, 1]]
    places = feature_map(trained, photos, progress=False)
    assert list(places) == [*photos, "x", "y"]
    assert list(places.index) == list(photos.index)
    where = places[["x", "y"]].to_numpy()
    size = np.ptp(where, axis=0).max()
    assert np.isfinite(where).all() and size > 0
    for copy, photo in ((-2, 0), (-1, 1)):
        assert np.abs(where[copy] - where[photo]).max() < 0.1 * size
    again = feature_map(trained, photos, progress=False)
    np.testing.assert_array_equal(where, again[["x", "y"]].to_numpy())


def test_too_few_photos_make_no_map(trained, few):
    with pytest.raises(DataError, match="10 photos or more.* Received: 9"):
        feature_map(trained, few.head(9))
    with pytest.raises(DataError, match="Received: image_path, subset"):
        feature_map(trained, few.drop(columns="damage_class"))
