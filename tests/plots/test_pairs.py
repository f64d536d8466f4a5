"""The picture of an audit's pairs."""

import dataclasses

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from carlib.audits.found import Audit
from carlib.errors import OptionError
from carlib.plots.pairs import plot_pairs


@pytest.fixture
def audit(photos):
    paths = photos.image_path[:6].tolist()
    row = {"damage_class": "a", "other_damage_class": "b", "subset": "T"}
    row |= {"other_subset": "V", "crosses": True, "contradicts": True, "kind": "near"}
    pairs = [
        row | {"image_path": a, "other_image_path": b}
        for a, b in zip(paths[::2], paths[1::2], strict=True)
    ]
    none = pd.DataFrame()
    return Audit(6, none, pd.DataFrame(pairs), none, none, none)


def test_both_photos_of_a_pair_stand_side_by_side(audit):
    figure = plot_pairs(audit, n=2)
    shown = [ax for ax in figure.axes if ax.images]
    pairs = audit.pairs.head(2)
    paths = pairs[["image_path", "other_image_path"]].to_numpy().ravel().tolist()
    assert [ax.get_label() for ax in shown] == paths
    titles = [ax.get_title(loc="left") for ax in shown]
    assert titles[0].split("\n") == ["001.jpeg", "a T", "near, two labels"]
    assert titles[1].split("\n") == ["002.jpeg", "b V", "T and V"]
    assert figure.get_suptitle() == "2 of 3 pairs of photos that are one picture"


def test_it_draws_into_axes_that_it_is_given(audit):
    figure, axes = plt.subplots(1, 6)
    assert plot_pairs(audit, n=3, ax=axes) is figure
    assert all(ax.images for ax in axes)


def test_a_wrong_number_of_axes_is_refused(audit):
    with pytest.raises(OptionError, match="two Axes a pair, 4"):
        plot_pairs(audit, n=2, ax=plt.subplots(1, 3)[1])
    with pytest.raises(OptionError, match="n must be"):
        plot_pairs(audit, n=0)
    assert plt.get_fignums() == [1]


def test_no_pairs_are_a_sentence(audit):
    none = dataclasses.replace(audit, pairs=audit.pairs.head(0))
    (ax,) = plot_pairs(none).axes
    assert ax.texts[0].get_text() == "No two of 6 photos are one picture."
