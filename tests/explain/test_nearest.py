"""The nearest training photos: by angle, ranked, and copies told."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.preprocessing import StandardScaler

from carlib.data.sources import as_sources
from carlib.errors import DataError, OptionError
from carlib.explain.nearest import nearest
from carlib.explain.views import features_of, mean_of_views


def test_the_nearest_are_those_by_the_cosine_of_standardised_features(
    joined, photos, few
):
    asked = photos[photos.subset == "V"].head(4)
    found = nearest(joined, asked, few, n=3, progress=False)
    columns = ["row", "rank", "image_path", "damage_class", "distance", "is_copy"]
    assert list(found) == columns
    assert found["row"].to_list() == np.repeat(range(4), 3).tolist()
    assert found["rank"].to_list() == [1, 2, 3] * 4
    known, seen = (
        mean_of_views(features_of(joined, as_sources(each), progress=False))
        for each in (few, asked)
    )
    scaler = StandardScaler().fit(known)
    known, seen = scaler.transform(known), scaler.transform(seen)
    lengths = [np.linalg.norm(each, axis=1) for each in (seen, known)]
    distances = 1 - seen @ known.T / np.outer(*lengths)
    order = distances.argsort(axis=1)[:, :3]
    expected = np.take_along_axis(distances, order, axis=1).ravel()
    np.testing.assert_allclose(found["distance"], expected, atol=1e-6)
    assert found["image_path"].to_list() == few.image_path.iloc[order.ravel()].to_list()
    labels = few.damage_class.iloc[order.ravel()].to_list()
    assert found["damage_class"].to_list() == labels


def test_copies_of_a_photo_are_marked_mirrored_ones_too(joined, few, tmp_path):
    path = few.image_path[3]
    with Image.open(path) as photo:
        ImageOps.mirror(photo).save(tmp_path / "mirrored.png")
    asked = [path, tmp_path / "mirrored.png"]
    found = nearest(joined, asked, few, n=2, progress=False)
    assert found["is_copy"].to_list() == [True, False] * 2
    assert set(found.loc[found["is_copy"], "image_path"]) == {path}
    assert found["distance"].min() >= 0


def test_of_few_training_photos_all_are_listed(trained, few):
    found = nearest(trained, few.image_path[0], few.head(2), n=9, progress=False)
    assert sorted(found["image_path"]) == sorted(few.image_path[:2])


def test_what_cannot_be_searched_is_refused_in_words(trained, few):
    with pytest.raises(OptionError, match="n must be .* Received: 0"):
        nearest(trained, few, few, n=0)
    with pytest.raises(OptionError, match="one photo or more"):
        nearest(trained, [], few)
    with pytest.raises(DataError, match="image_path and damage_class.*no rows"):
        nearest(trained, few, few.head(0))
    with pytest.raises(DataError, match="Received: image_path, subset"):
        nearest(trained, few, few.drop(columns="damage_class"))
