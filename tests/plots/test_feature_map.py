"""The picture of a map of photos."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.offsetbox import AnnotationBbox

from carlib.errors import DataError, OptionError
from carlib.plots.feature_map import plot_feature_map


@pytest.fixture
def places(few):
    rng = np.random.default_rng(0)
    return few.assign(x=rng.normal(size=len(few)), y=rng.normal(size=len(few)))


def pictures(ax):
    boxes = [artist for artist in ax.artists if isinstance(artist, AnnotationBbox)]
    return {box.offsetbox.get_label(): box.xy for box in boxes}


def test_a_point_a_photo_and_a_marker_a_class(places):
    ax = plot_feature_map(places)
    assert len(ax.collections) == places.damage_class.nunique() == 8
    for points in ax.collections:
        name = points.get_label().removesuffix(" (4)")
        rows = places[places.damage_class == name]
        np.testing.assert_allclose(points.get_offsets(), rows[["x", "y"]])
    looks = {tuple(points.get_facecolor()[0]) for points in ax.collections}
    markers = {points.get_paths()[0].vertices.tobytes() for points in ax.collections}
    assert len(looks) == len(markers) == 8
    assert ax.get_title(loc="left").startswith("32 photos")


def test_of_many_classes_the_largest_have_their_own_colour():
    names = [f"class {number}" for number in range(12) for _ in range(12 - number)]
    where = np.arange(len(names))
    table = pd.DataFrame({"damage_class": names, "x": where, "y": where % 7})
    ax = plot_feature_map(table)
    labels = [points.get_label() for points in ax.collections]
    assert labels == [*(f"class {n} ({12 - n})" for n in range(8)), "4 others (10)"]


def test_pictures_stand_in_their_place_and_none_covers_another(places):
    ax = plot_feature_map(places, pictures=100)
    shown = pictures(ax)
    assert 3 < len(shown) <= len(places)
    rows = places.set_index("image_path")
    for path, place in shown.items():
        assert place == tuple(rows.loc[path, ["x", "y"]])
    span = np.ptp(places[["x", "y"]], axis=0)
    where = np.array(list(shown.values())) / np.asarray(span)
    apart = np.abs(where[:, None] - where).max(axis=2) + np.eye(len(where))
    assert apart.min() >= 0.08
    assert len(pictures(plot_feature_map(places, pictures=3))) == 3


def test_it_may_be_drawn_into_axes_of_ones_own(places):
    _, ax = plt.subplots()
    assert plot_feature_map(places, ax=ax) is ax
    with pytest.raises(OptionError, match="pictures must be a whole number"):
        plot_feature_map(places, pictures=101)
    with pytest.raises(DataError, match="no column 'x'|columns"):
        plot_feature_map(places.drop(columns="x"))
