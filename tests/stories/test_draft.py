"""Large JPEGs are decoded at a reduced scale: nearly the same, several times faster."""

import io

import numpy as np
import pytest
from PIL import Image

from carlib.data import images, opening
from carlib.errors import ImageError


def detailed(path, size, seed=0):
    """A photo made large, with detail of its own at every scale."""
    rng = np.random.default_rng(seed)
    pixels = np.asarray(Image.open(path).resize(size, Image.Resampling.BICUBIC), float)
    for scale in (1, 4, 16):
        grain = rng.integers(0, 256, (size[1] // scale, size[0] // scale, 3), np.uint8)
        grain = Image.fromarray(grain).resize(size, Image.Resampling.BICUBIC)
        pixels += (np.asarray(grain, float) - 128) / 16
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def large(photos):
    return [
        jpeg(detailed(photos.image_path[number], (2000, 1500), number))
        for number in (0, 60, 120)
    ]


def in_full(data, size, interpolation):
    return images.resize(images.decode(data), size, interpolation)


@pytest.mark.parametrize(("size", "by"), [(224, "bicubic"), (299, "bilinear")])
def test_pixels_differ_from_a_full_decode_by_a_level_here_and_there(large, size, by):
    for data in large:
        full, reduced = in_full(data, size, by), images.pixels(data, size, by)
        difference = np.abs(full.astype(int) - reduced)
        assert 0 < difference.mean() < 0.5
        assert difference.max() <= 8


def test_features_differ_by_a_few_percent_at_most(large, backbone):
    exact = backbone.at("float32")
    full = exact.features(np.stack([in_full(d, 224, "bicubic") for d in large]))
    reduced = exact.features(
        np.stack([images.pixels(d, 224, "bicubic") for d in large])
    )
    norms = np.linalg.norm(full, axis=1) * np.linalg.norm(reduced, axis=1)
    assert ((full * reduced).sum(axis=1) / norms).min() > 0.995


def test_the_decoder_never_goes_below_twice_the_size(large, monkeypatch):
    seen = []
    load = images._loaded
    monkeypatch.setattr(
        images, "_loaded", lambda image: seen.append(image.size) or load(image)
    )
    for size in (30, 93, 94, 224, 374, 376, 800):
        images.pixels(large[0], size)
    reduced = [(250, 188)] * 2 + [(500, 375)] + [(1000, 750)] * 2
    assert seen == [*reduced, (2000, 1500), (2000, 1500)]


def test_a_photo_that_is_not_large_is_decoded_in_full(photos):
    for path in photos.image_path[:5]:
        data = opening.read(path)
        np.testing.assert_array_equal(
            images.pixels(data, 224, "bicubic"), in_full(data, 224, "bicubic")
        )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_photo_is_upright_whatever_its_exif_says(photos, orientation):
    image = detailed(photos.image_path[3], (1600, 1000))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(image, exif=exif)
    full, reduced = in_full(data, 224, "bilinear"), images.pixels(data, 224)
    assert np.abs(full.astype(int) - reduced).mean() < 0.6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_large_grey_and_cmyk_jpegs_are_rgb_as_ever(photos, mode):
    data = jpeg(detailed(photos.image_path[3], (1600, 1200)).convert(mode))
    full, reduced = in_full(data, 224, "bilinear"), images.pixels(data, 224)
    assert np.abs(full.astype(int) - reduced).mean() < 1


def test_a_large_photo_that_is_cut_off_is_an_error(large):
    with pytest.raises(ImageError, match="cut off"):
        images.pixels(large[0][: len(large[0]) // 2], 224)
