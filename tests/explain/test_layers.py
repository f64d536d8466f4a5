"""What layers see of a photo: the channels that are chosen."""

import numpy as np
import pytest

from carlib.backbones.maps import MapNetwork
from carlib.data import images
from carlib.data.opening import read
from carlib.errors import ImageError, OptionError
from carlib.explain.layers import seen_by_layers


def test_the_channels_chosen_are_the_networks_own(backbone, few):
    path = few.image_path[0]
    seen = seen_by_layers(backbone, path, n=4)
    shape = backbone.input_size, backbone.interpolation
    np.testing.assert_array_equal(seen.pixels, images.pixels(read(path), *shape))
    every = MapNetwork(backbone, layers=True).maps(seen.pixels[None])
    assert seen.n_channels == (32, 240, 1280)
    for maps, whole in zip(seen.maps, every, strict=True):
        assert maps.shape == (*whole.shape[1:3], 4)
        spread = whole[0].std(axis=(0, 1))
        np.testing.assert_array_equal(maps[..., 0], whole[0][..., spread.argmax()])
        flat = maps.reshape(-1, 4) - maps.mean(axis=(0, 1))
        alike = np.corrcoef(flat.T) - np.eye(4)
        assert np.abs(alike).max() < 0.97


def test_of_several_backbones_the_first_looks(backbone, random, few):
    assert seen_by_layers([random, backbone], few.image_path[0]).arch == random.arch
    assert seen_by_layers("EfficientNetLite0", few.image_path[0]).arch == backbone.arch


def test_it_looks_at_pixels_too_and_the_same_twice(backbone, few):
    pixels = images.decode(read(few.image_path[0]))
    one, other = (seen_by_layers(backbone, pixels) for _ in range(2))
    assert one.name == "photo 1"
    for maps, again in zip(one.maps, other.maps, strict=True):
        np.testing.assert_array_equal(maps, again)


def test_several_photos_and_what_is_none_are_refused(backbone, few, tmp_path):
    with pytest.raises(OptionError, match="Expected one photo. Received: 2"):
        seen_by_layers(backbone, few.image_path[:2])
    (tmp_path / "text.jpg").write_bytes(b"no photo")
    with pytest.raises(ImageError, match=r"text\.jpg"):
        seen_by_layers(backbone, tmp_path / "text.jpg")
