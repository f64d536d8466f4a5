"""What layers see of a photo: some of their channels, as maps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from carlib.backbones.backbone import Backbone
from carlib.backbones.joined import backbones_of
from carlib.backbones.maps import MapNetwork
from carlib.data import images
from carlib.data.photos import read_content
from carlib.data.sources import as_sources
from carlib.errors import OptionError


@dataclass(frozen=True, eq=False)
class SeenByLayers:
    """What an early layer, one half-way and the last see of a photo.

    Attributes:
        name: The photo's.
        arch: The backbone's.
        pixels: What the backbone was shown, uint8 (side, side, 3), RGB.
        maps: Of each layer the channels chosen, float32 (height, width, n).
        n_channels: How many channels each layer has.
    """

    name: str
    arch: str
    pixels: np.ndarray
    maps: tuple[np.ndarray, ...]
    n_channels: tuple[int, ...]


def seen_by_layers(arch: Any, photo: Any, n: int = 6) -> SeenByLayers:
    """Find what layers see of a photo: in n channels each, those that tell most.

    The first is the channel that varies most over the photo. Each next one varies most
    in what those before it don't tell already: they are the columns that a QR
    factorisation with pivoting takes first (Golub and Van Loan, "Matrix computations",
    section 5.4.2).

    Args:
        arch: A backbone, or its name; of several, the first looks.
        photo: One, as `predict` takes it.
        n: How many channels a layer; all, if it has fewer.

    Raises:
        ImageError: The photo can't be read.
        OptionError: There are no photos, or several; the backbone's features are no
            means over space.
    """
    sources, backbone = as_sources(photo), backbones_of(arch)[0]
    if len(sources) != 1:
        raise OptionError(f"Expected one photo. Received: {len(sources):,}")
    name, pixels = sources[0].name, _pixels(sources[0], backbone)
    maps = [each[0] for each in MapNetwork(backbone, layers=True).maps(pixels[None])]
    return SeenByLayers(
        name=name,
        arch=backbone.arch,
        pixels=pixels,
        maps=tuple(each[..., _telling(each, n)] for each in maps),
        n_channels=tuple(each.shape[-1] for each in maps),
    )


def _pixels(source: Any, backbone: Backbone) -> np.ndarray:
    content, _ = read_content(source)
    shape = backbone.input_size, backbone.interpolation
    return images.pixels(content, *shape, source.shown)


def _telling(maps: np.ndarray, n: int) -> np.ndarray:
    """Return the channels that vary most over the photo, each in its own way."""
    from scipy.linalg import qr

    flat = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    return qr(flat - flat.mean(axis=0), mode="r", pivoting=True)[1][:n]
