"""How well one picture fits into another."""

import numpy as np
import pytest
from PIL import Image

from carlib.audits.crops import SIDE, fit
from carlib.data.images import resize
from tests import copied


@pytest.fixture(scope="module")
def pictures(photos):
    made = []
    for path in photos.image_path[:8]:
        with Image.open(path) as image:
            made.append(image.convert("RGB"))
    return made


def square(image):
    return resize(np.asarray(image), SIDE)


def test_a_cut_out_fits_whichever_of_the_two_is_the_whole(pictures):
    for image in pictures:
        whole, part = square(image), square(copied.cropped(image))
        assert fit(whole, part) == pytest.approx(fit(part, whole))
        assert fit(whole, part) > 0.9


def test_the_same_picture_fits_and_another_one_does_not(pictures):
    for one, other in zip(pictures, pictures[1:], strict=False):
        assert fit(square(one), square(one)) == pytest.approx(1, abs=1e-5)
        assert fit(square(one), square(other)) < 0.9


def test_a_plain_colour_fits_nothing():
    plain = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert fit(plain, plain) == 0
