"""The picture of class maps."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from carlib.errors import OptionError
from carlib.explain.class_maps import class_maps
from carlib.plots.class_maps import plot_class_maps
from carlib.plots.style import FIRST, SECOND
from tests.explain.models import fitted


@pytest.fixture(scope="module")
def maps(trained, few):
    classes = ["door_dent", "unknown"]
    return class_maps(trained, few.head(3), classes=classes, progress=False)


def test_a_row_a_photo_and_a_column_a_class(maps):
    figure = plot_class_maps(maps, n=2)
    assert len(figure.axes) == 6
    paths = [ax.get_label() for ax in figure.axes]
    assert paths == [path for path in maps.image_paths[:2] for _ in range(3)]
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == Path(maps.image_paths[0]).name
    logit = maps.shown_logits()[1, 1]
    assert titles[5] == f"unknown: {logit:+.1f}".replace("-", "−")
    assert [len(ax.images) for ax in figure.axes] == [1, 2, 2] * 2


def test_colours_and_signs_say_for_and_against_on_one_scale(maps):
    figure = plot_class_maps(maps)
    for number in range(3):
        for place in range(2):
            ax = figure.axes[3 * number + 1 + place]
            values = maps.maps[0][number, place]
            colours = ax.images[1].get_array()
            height, width = colours.shape[:2]
            rows = ((np.arange(7) + 0.5) * height / 7).astype(int)
            columns = ((np.arange(7) + 0.5) * width / 7).astype(int)
            middles = colours[np.ix_(rows, columns)]
            expected = np.clip(np.abs(values) / maps.limit, 0, 1) * 0.8
            np.testing.assert_allclose(middles[:, :, 3], expected, atol=0.06)
            for color, sign in ((FIRST, 1), (SECOND, -1)):
                strong = sign * values > 0.2 * maps.limit
                assert np.allclose(middles[strong][:, :3], to_rgb(color))
            signs = {"+": values.max(), "−": -values.min()}
            shown = [sign for sign, most in signs.items() if most > 0.25 * maps.limit]
            assert [text.get_text() for text in ax.texts] == shown
    heading = figure.get_suptitle()
    assert (
        "Blue, +: speaks for" in heading and f"{maps.limit:.2f} of a logit" in heading
    )


def test_of_several_backbones_each_has_a_picture(few, backbone, random, workspace):
    joined = fitted(few, [backbone, random], workspace, epoch=2)
    maps = class_maps(joined, few.head(1), progress=False)
    figure = plot_class_maps(maps)
    assert len(figure.axes) == 3
    titles = [ax.get_title(loc="left") for ax in figure.axes[1:]]
    for title, arch, values in zip(titles, maps.archs, maps.maps, strict=True):
        part = f"{values.sum():+.1f}".replace("-", "−")
        assert title.endswith(f", of it {part}\nby {arch}")


def test_it_may_be_drawn_into_axes_of_ones_own(maps):
    figure, axes = plt.subplots(1, 3)
    assert plot_class_maps(maps, n=1, ax=axes) is figure
    assert figure.get_suptitle() == ""
    with pytest.raises(OptionError, match="Expected 6 Axes.* Received: 3"):
        plot_class_maps(maps, n=2, ax=axes)
    with pytest.raises(OptionError, match="n must be a whole number from 1 to 20"):
        plot_class_maps(maps, n=0)
