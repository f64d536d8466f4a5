"""A class map as a picture that a page lays over its photo."""

import io

import numpy as np

from carlib.pages.thumbnails import data_uri

FOR, AGAINST = (0, 114, 178), (213, 94, 0)  # FIRST and SECOND of plots.style
DENSEST = 0.85
_ROWS, _COLUMNS = (
    ("at the top", "in the middle", "at the bottom"),
    ("left", "", "right"),
)


def overlay(places: np.ndarray, scale: float) -> str:
    """Return what places give to a logit as a data URI of a small PNG.

    A pixel a place: blue where it speaks for the class, orange where against, the
    denser the more. A browser makes it as large as the photo.

    Args:
        places: (height, width).
        scale: What is drawn at its densest; the same for all maps of a page.
    """
    from PIL import Image

    share = np.abs(places) / scale if scale > 0 else np.zeros_like(places)
    colours = np.where((places > 0)[..., np.newaxis], FOR, AGAINST)
    alpha = 255 * DENSEST * share.clip(0, 1)[..., np.newaxis]
    pixels = np.concatenate([colours, alpha], axis=2).round().astype(np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(buffer, "PNG")
    return data_uri("image/png", buffer.getvalue())


def where(places: np.ndarray) -> str:
    """Say where the largest value of a map is: "at the top left"."""
    row, column = np.unravel_index(places.argmax(), places.shape)
    height, width = places.shape
    words = _ROWS[3 * int(row) // height], _COLUMNS[3 * int(column) // width]
    return " ".join(filter(None, words))
