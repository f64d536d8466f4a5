"""Class maps as pictures."""

import base64
import io

import numpy as np
from PIL import Image

from carlib.pages.overlay import overlay, where


def pixels_of(uri):
    data = base64.b64decode(uri.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_a_place_is_blue_for_orange_against_and_the_denser_the_more():
    pixels = pixels_of(overlay(np.array([[1.0, -1.0], [0.5, 0.0]]), 1.0))
    assert pixels.shape == (2, 2, 4)
    assert pixels[0, 0, 2] > pixels[0, 0, 0] and pixels[0, 1, 0] > pixels[0, 1, 2]
    alpha = pixels[..., 3].astype(int)
    assert alpha[0, 0] == alpha[0, 1] > alpha[1, 0] > alpha[1, 1] == 0


def test_a_map_of_nothing_is_clear():
    assert not pixels_of(overlay(np.zeros((7, 7)), 0.0))[..., 3].any()


def test_the_strongest_place_is_told_in_words():
    places = np.zeros((7, 7))
    places[6, 0] = 1
    assert where(places) == "at the bottom left"
    places[3, 3] = 2
    assert where(places) == "in the middle"
