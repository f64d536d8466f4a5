"""Features: of several backbones side by side, of photos and their mirror images."""

import numpy as np
import pytest
from PIL import Image

from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources
from tests.tiny import Tiny, draw_photos, features_of


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace of this module's own, so that its cache can be counted."""
    return tmp_path_factory.mktemp("joined")


def test_a_network_gets_only_the_photos_that_it_lacks(tmp_path):
    paths, place = draw_photos(tmp_path / "photos", 9), tmp_path / "w"
    assert features_of(paths[:4], Tiny(1), place).n_computed == 4
    assert features_of(paths[4:6], Tiny(2), place).n_computed == 2
    one, other = Tiny(1), Tiny(2)
    features = extract(as_sources(paths), [one, other], place, progress=False)
    assert (one.seen, other.seen) == (5, 7)
    assert (features.n_cached, features.n_computed) == (0, 9)


def test_features_that_one_network_cannot_have_are_an_error(tmp_path):
    """A photo is bad if any backbone has no features of it."""

    class Broken(Tiny):
        def features(self, pixels):
            features = super().features(pixels)
            features[pixels[:, 0, 0, 0] == 0] = np.nan
            return features

    paths = draw_photos(tmp_path, 3)
    Image.new("RGB", (16, 16)).save(paths[1])
    networks = [Tiny(1), Broken(2)]
    features = extract(
        as_sources(paths), networks, None, progress=False, on_error="skip"
    )
    assert list(features.errors) == [1]
    joined = features.of_photos()
    assert np.isfinite(joined[[0, 2]]).all() and np.isnan(joined[1]).all()


def test_rows_are_taken_in_any_order_from_photos_and_mirror_images(drawn):
    features = extract(
        as_sources(drawn), [Tiny(1), Tiny(2)], None, augment="flip", progress=False
    )
    n = len(drawn)
    both = np.concatenate([features.of_photos(), features.of_photos(True)])
    rows = [n + 3, 0, 3, 2 * n - 1, 0]
    np.testing.assert_array_equal(features.take(rows), both[rows])
    assert features.n_features == 4 and len(features.row_keys) == 2 * n
