"""The picture of a photo's nearest training photos."""

import pandas as pd
import pytest

import carlib
from carlib.errors import DataError


@pytest.fixture
def asked(photos):
    paths = photos.image_path[:3].tolist()
    return pd.DataFrame(
        {"image_path": paths, "damage_class": "dent", "predicted_label": "lamp"}
    )


@pytest.fixture
def near(photos):
    rows = [
        {"row": row, "rank": rank, "image_path": photos.image_path[10 + row + rank]}
        for row in range(3)
        for rank in (1, 2)
    ]
    return pd.DataFrame(rows).assign(damage_class=["lamp", "dent"] * 3, distance=0.25)


def test_a_photo_and_those_most_like_it_stand_in_a_line(asked, near):
    figure = carlib.plot_nearest(near, asked)
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_label() for ax in shown[::3]] == asked["image_path"].tolist()
    beside = [ax.get_label() for ax in shown if ax not in shown[::3]]
    assert beside == near["image_path"].tolist()
    first, same, other = (ax.get_title(loc="left") for ax in shown[:3])
    assert first.split("\n")[1:] == ["actual: dent", "predicted: lamp"]
    assert same.split("\n") == ["lamp", "distance 0.25", "as answered"]
    assert other.split("\n") == ["dent", "distance 0.25", ""]


def test_a_photo_takes_180_pixels_or_more_on_a_page(asked, near):
    figure = carlib.plot_nearest(near, asked)
    figure.canvas.draw()
    for ax in figure.axes:
        assert ax.get_window_extent().width / figure.dpi * 100 >= 180


def test_photos_that_nobody_asked_about_are_refused(asked, near):
    with pytest.raises(DataError, match="3 or more. Received: 1"):
        carlib.plot_nearest(near, asked.head(1))
    with pytest.raises(DataError, match="distance"):
        carlib.plot_nearest(near.drop(columns="distance"), asked)
