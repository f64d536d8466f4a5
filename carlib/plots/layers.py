"""The picture of what layers see: edges and colours at first, parts of things later."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from carlib.data.addresses import file_name
from carlib.explain.layers import SeenByLayers, seen_by_layers
from carlib.plots.photos import check_count, fill, pale
from carlib.plots.style import FIRST, house_style, legible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 6  # channels a layer
SIDE, WHOLE = 1.3, 1.9  # inches of a map, and of the photo
DENSEST = 0.8  # how much of the photo the strongest colour covers
LAYERS = ("An early layer", "Half-way", "The last layer")


def plot_layers(arch: Any, photo: Any, n: int = 5) -> "Figure":
    """Show what an early layer of a backbone, one half-way and the last see of a photo.

    A row a layer, a picture a channel: the darker the blue, the more it answers there.
    Chosen are those that vary most over the photo, each in its own way. The photo is
    shown as the network gets it, squeezed to a square; its path is its Axes' label:
    `figure.axes[0].get_label()`.

    Args:
        arch: A backbone, or its name; of several, the first looks.
        photo: One, as `predict` takes it.
        n: Channels a layer, 6 at most.

    Raises:
        ImageError: The photo can't be read.
        OptionError: `n` isn't from 1 to 6; there are no photos, or several; the
            backbone's features are no means over space.

    Example:
        >>> carlib.plot_layers("EfficientNetLite0", photos["image_path"][0]);
    """
    check_count("n", n, MOST)
    seen = seen_by_layers(arch, photo, n)
    rows = len(seen.maps)
    with house_style() as plt:
        size = (WHOLE + (SIDE + 0.1) * n + 0.2, 0.6 + (SIDE + 0.3) * rows)
        figure = plt.figure(figsize=size)
        left, right = figure.subfigures(1, 2, width_ratios=(WHOLE, size[0] - WHOLE))
        whole = left.subplots()
        fill([whole], [seen.pixels])
        whole.set_title(legible(file_name(seen.name)), fontsize=10, pad=5)
        whole.set_label(seen.name)
        lines = right.subfigures(rows, 1, squeeze=False)[:, 0]
        for row, (line, pictures) in enumerate(
            zip(lines, _pictures(seen), strict=True)
        ):
            fill(line.subplots(1, n, squeeze=False)[0], pictures)
            line.suptitle(_title(seen, row), x=0.015, ha="left", fontsize=10)
        figure.suptitle(_HEADING.format(legible(seen.arch)), x=0.01, ha="left")
    return figure


_HEADING = "What layers of {} see: the darker the blue, the more a channel answers"


def _pictures(seen: SeenByLayers) -> Iterator[list[np.ndarray]]:
    """Yield each layer's pictures, uint8: channels in blue on white.

    The last layer has so few places that its channels are laid over the photo.
    """
    *before, last = (np.moveaxis(maps, -1, 0) for maps in seen.maps)
    white, photo = np.full((1, 1, 3), 255, np.uint8), pale(seen.pixels)
    for maps in before:
        yield [_blue(white, _strength(values)) for values in maps]
    wide = (_stretched(_strength(values), photo) for values in last)
    yield [_blue(photo, DENSEST * strength) for strength in wide]


def _stretched(strength: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Return a channel as large as a photo, evenly between the places' middles."""
    size = photo.shape[1::-1]
    return np.asarray(Image.fromarray(strength).resize(size, Image.Resampling.BILINEAR))


def _strength(values: np.ndarray) -> np.ndarray:
    """Return a channel as float32 from 0, its least number, to 1, its largest."""
    low, high = values.min(), values.max()
    return ((values - low) / (high - low or 1.0)).astype(np.float32)


def _blue(ground: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Lay blue over a picture, the more the stronger."""
    from matplotlib.colors import to_rgb

    share, blue = strength[..., np.newaxis], 255 * np.array(to_rgb(FIRST))
    return (ground * (1 - share) + blue * share).astype(np.uint8)


def _title(seen: SeenByLayers, row: int) -> str:
    height, width = seen.maps[row].shape[:2]
    name = LAYERS[row] if row < len(seen.maps) - 1 else LAYERS[-1]
    return f"{name}: {height} × {width} places, {seen.n_channels[row]:,} channels"
