"""The picture of what layers see, read back from its figure."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import carlib
from carlib.errors import ImageError, OptionError
from carlib.explain.layers import seen_by_layers
from carlib.plots.photos import pale
from carlib.plots.style import FIRST


def lines(figure):
    """The lines of pictures: a figure within the figure for each."""
    return figure.subfigs[1].subfigs


def test_a_line_a_layer_and_a_picture_a_channel_beside_the_photo(backbone, few):
    path = few.image_path[0]
    figure = carlib.plot_layers(backbone, path, n=3)
    whole = figure.axes[0]
    assert whole.get_label() == path
    assert whole.get_title(loc="left") == "001.jpeg"
    assert [len(line.axes) for line in lines(figure)] == [3, 3, 3]
    assert [line.get_suptitle() for line in lines(figure)] == [
        "An early layer: 112 × 112 places, 32 channels",
        "Half-way: 28 × 28 places, 240 channels",
        "The last layer: 7 × 7 places, 1,280 channels",
    ]
    assert figure.get_suptitle().startswith("What layers of EfficientNetLite0 see")
    assert len([ax for ax in figure.axes if ax.images]) == 10


def test_blue_is_where_a_channel_answers(backbone, few):
    seen = seen_by_layers(backbone, few.image_path[0], 2)
    figure = carlib.plot_layers(backbone, few.image_path[0], n=2)
    early, last = (line.axes[0].images[0].get_array() for line in lines(figure)[::2])
    values = seen.maps[0][..., 0]
    blue = (255 * np.array(to_rgb(FIRST))).astype(int)
    assert early[np.unravel_index(values.argmax(), values.shape)].tolist() == [*blue]
    assert early[np.unravel_index(values.argmin(), values.shape)].tolist() == [255] * 3
    assert last.shape == seen.pixels.shape
    silent = np.kron(
        seen.maps[2][..., 0] == seen.maps[2][..., 0].min(), np.ones((32, 32))
    )
    inner = silent.astype(bool) & (last == pale(seen.pixels)).all(axis=2)
    assert inner.any()


def test_a_channel_that_says_nothing_is_white(backbone):
    grey = np.full((64, 64, 3), 128, np.uint8)
    figure = carlib.plot_layers(backbone, grey, n=6)
    assert len([ax for ax in figure.axes if ax.images]) == 19


def test_what_cant_be_shown_is_said_before_there_is_a_figure(backbone, few, tmp_path):
    with pytest.raises(OptionError, match="n must be a whole number from 1 to 6"):
        carlib.plot_layers(backbone, few.image_path[0], n=7)
    with pytest.raises(OptionError, match="Expected one photo. Received: 32"):
        carlib.plot_layers(backbone, few)
    with pytest.raises(OptionError, match="EfficientNetLight"):
        carlib.plot_layers("EfficientNetLight", few.image_path[0])
    with pytest.raises(ImageError, match="nothing"):
        carlib.plot_layers(backbone, tmp_path / "nothing.jpg")
