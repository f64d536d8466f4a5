"""Class maps: which places in a photo speak for a class, and which against it.

The features are means over a grid of places and the head is linear, so a class's logit
is the sum over the grid of what each place gives it. The map is that sum, taken apart:
exact, without a gradient, and it adds up (Zhou et al. 2016, "Learning deep features for
discriminative localization", section 2; here with the bias and the standardisation).
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np

from carlib.backbones.maps import MapNetwork
from carlib.bottlenecks.cache import open_shards
from carlib.bottlenecks.extract import unreadable
from carlib.bottlenecks.run import BLOCK
from carlib.data.photos import Photo, read_ahead
from carlib.data.sources import as_sources
from carlib.errors import OptionError
from carlib.messages import bar
from carlib.model.head import LinearHead
from carlib.model.model import ImageClassificationModel


@dataclass(frozen=True, eq=False, repr=False)
class ClassMaps:
    """What each place in some photos gives to the logits of some classes.

    A map and its bias's share add up to the logit; above 0 speaks for the class, below
    0 against it.

    Attributes:
        image_paths: The photos, n of them.
        class_names: All classes of the model.
        logits: Each photo's, float64 (n, n_classes).
        classes: The classes that there are maps of, positions in `class_names`,
            (n, n_shown).
        archs: The backbones' names.
        maps: Each backbone's, float32 (n, n_shown, height, width). Over all places and
            all backbones they add up to the logit.
    """

    image_paths: list[str]
    class_names: tuple[str, ...]
    logits: np.ndarray
    classes: np.ndarray
    archs: tuple[str, ...]
    maps: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.image_paths)

    def __repr__(self) -> str:
        sizes = " + ".join("{2} × {3}".format(*each.shape) for each in self.maps)
        return f"ClassMaps({len(self):,} photos, {' + '.join(self.archs)}, {sizes})"

    def labels(self, row: int) -> list[str]:
        """Return the names of the classes that a photo's maps are of."""
        return [self.class_names[number] for number in self.classes[row]]

    def shown_logits(self) -> np.ndarray:
        """Return the logits that the maps add up to, float64 (n, n_shown)."""
        return np.take_along_axis(self.logits, self.classes, axis=1)

    @property
    def limit(self) -> float:
        """What a picture's strongest colour stands for, the same for all photos.

        Of 200 places at most one gives more, for or against.
        """
        values = np.concatenate([np.abs(each).ravel() for each in self.maps])
        return float(np.quantile(values, 0.995))

    def together(self) -> np.ndarray:
        """Return the sum of all backbones' maps, float32 (n, n_shown, height, width).

        On the finest grid; a coarser one's place is divided evenly.
        """
        return _sum(self.maps)


def class_maps(
    model: ImageClassificationModel,
    photos: Any,
    *,
    classes: Literal["predicted", "all"] | Sequence[str] = "predicted",
    progress: bool = True,
) -> ClassMaps:
    """Take logits apart, exactly, into what each place in the photos gives to them.

    The backbones run up to the maps whose means the features are. Place (x, y) gives
    kernel · (map(x, y) - mean) / scale / n_places to a logit, and an even share of the
    bias. With mirror images it's the mean of both, the mirror image's map turned back.
    A model that was calibrated is taken apart as it is: calibration is in its head.

    Args:
        model: Whose backbones end in a mean over space: all that carlib has, and
            Keras's with pooling="avg".
        photos: As `predict` takes them.
        classes: Of which there are to be maps: "predicted", the class that each photo
            is taken for; "all"; or a list of names.
        progress: Show a bar.

    Raises:
        OptionError: A backbone ends otherwise; a class that the model doesn't know.
        ImageError: Photos that can't be read, all of them at once.

    Example:
        >>> maps = carlib.class_maps(model, test)
        >>> abs(float(maps.maps[0][0].sum() - maps.shown_logits()[0, 0])) < 1e-5
        True
    """
    wanted = _wanted(classes, model.class_names)
    sources = as_sources(photos)
    networks = [_opened(backbone, model.workspace_path) for backbone in model.backbones]
    shapes = [(each.input_size, each.interpolation) for each in model.backbones]
    rows = range(len(sources))
    read = read_ahead(sources, rows, shapes, lambda key: [True] * len(shapes))
    parts, errors = [], []
    with bar(len(sources), "Class maps", "photo", disable=not progress) as shown:
        for block in _blocks(read):
            good = [photo for photo in block if not photo.error]
            errors += [photo.error for photo in block if photo.error]
            if good and not errors:
                maps = _mean_maps(networks, good, model.augment == "flip")
                parts.append(_explained(model.head, maps, wanted))
            shown.update(len(block))
    if errors:
        raise unreadable(errors, len(sources), kept=False)
    if not parts:
        raise OptionError("Expected one photo or more. Received: none")
    logits, chosen, *maps = (np.concatenate(each) for each in zip(*parts, strict=True))
    return ClassMaps(
        image_paths=[source.name for source in sources],
        class_names=model.class_names,
        logits=logits,
        classes=chosen,
        archs=tuple(backbone.arch for backbone in model.backbones),
        maps=tuple(maps),
    )


def _wanted(classes: Any, names: Sequence[str]) -> list[int] | None:
    """Return positions of the classes asked for; None: the predicted one's."""
    if isinstance(classes, str) and classes in ("predicted", "all"):
        return None if classes == "predicted" else list(range(len(names)))
    asked = [classes] if isinstance(classes, str) else list(classes)
    unknown = [repr(name) for name in asked if name not in names]
    if unknown or not asked:
        raise OptionError(
            'Expected classes="predicted", "all", or names of classes. Received: '
            + (", ".join(unknown) or "none"),
            hint=f"The classes are {', '.join(names)}.",
        )
    return [list(names).index(name) for name in asked]


_NETWORKS: WeakKeyDictionary[Any, MapNetwork] = WeakKeyDictionary()


def _opened(backbone: Any, workspace_path: Any) -> MapNetwork:
    """Return a backbone's maps; they are opened once for as long as it's there."""
    if backbone not in _NETWORKS:
        _NETWORKS[backbone] = _open(backbone, workspace_path)
    return _NETWORKS[backbone]


def _open(backbone: Any, workspace_path: Any) -> MapNetwork:
    """Open a backbone's maps, of the converted network that a workspace keeps."""
    shards = open_shards(workspace_path, backbone)
    if shards.folder:
        backbone.keep_in(shards.folder)
        shards.prepare()
    return MapNetwork(backbone)


def _blocks(photos: Iterator[Photo]) -> Iterator[list[Photo]]:
    while block := list(itertools.islice(photos, BLOCK)):
        yield block


def _mean_maps(
    networks: Sequence[MapNetwork], photos: Sequence[Photo], mirrored: bool
) -> list[list[np.ndarray]]:
    """Return each backbone's maps, the mean of both views where there are two."""
    squares = zip(*(photo.squares for photo in photos), strict=True)
    return [
        _both_views(network, np.stack(pixels), mirrored)
        for network, pixels in zip(networks, squares, strict=True)
    ]


def _both_views(
    network: MapNetwork, pixels: np.ndarray, mirrored: bool
) -> list[np.ndarray]:
    maps = network.maps(pixels)
    if not mirrored:
        return maps
    others = network.maps(pixels[:, :, ::-1])
    pairs = zip(maps, others, strict=True)
    return [(one + other[:, :, ::-1]) / 2 for one, other in pairs]


def _explained(
    head: LinearHead, maps: Sequence[Sequence[np.ndarray]], wanted: list[int] | None
) -> tuple[np.ndarray, ...]:
    """Return logits, the classes shown, and each backbone's class maps."""
    every = list(itertools.chain.from_iterable(maps))
    means = [each.mean(axis=(1, 2), dtype=np.float64) for each in every]
    features = np.concatenate(means, axis=1)
    logits = head.logits(features)
    best = logits.argmax(axis=1)[:, np.newaxis]
    chosen = best if wanted is None else np.tile(wanted, (len(best), 1))
    given = _given(head, every, chosen)
    joined = (_sum(itertools.islice(given, len(each))) for each in maps)
    return logits, chosen, *(each.astype(np.float32) for each in joined)


def _given(
    head: LinearHead, maps: Sequence[np.ndarray], chosen: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield of each map what its places give to the chosen classes' logits.

    float64 (n, n_shown, height, width).
    """
    start, bias = 0, head.bias[chosen] / len(maps)
    for each in maps:
        n, height, width, channels = each.shape
        part = slice(start, start := start + channels)
        kernel = head.kernel[part].astype(np.float64) / head.scale[part, np.newaxis]
        weights = kernel.T[chosen]  # (n, n_shown, channels)
        places = each.reshape(n, height * width, channels).astype(np.float64)
        even = bias - weights @ head.mean[part].astype(np.float64)
        given = weights @ places.transpose(0, 2, 1) + even[:, :, np.newaxis]
        yield (given / (height * width)).reshape(n, -1, height, width)


def _sum(maps: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sum of maps on the finest grid among them."""
    every = list(maps)
    size = max(each.shape[2:] for each in every)
    return sum(_on_grid(each, size) for each in every)


def _on_grid(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return maps on another grid, the same in sum: a place is divided evenly."""
    if maps.shape[2:] == size:
        return maps
    rows, columns = (_shares(*pair) for pair in zip(maps.shape[2:], size, strict=True))
    return np.einsum("hH,wW,nkhw->nkHW", rows, columns, maps).astype(maps.dtype)


def _shares(before: int, after: int) -> np.ndarray:
    """Return which share of each of `before` equal parts lies in each of `after`."""
    one, other = np.arange(before)[:, np.newaxis] / before, np.arange(after) / after
    low, high = np.maximum(one, other), np.minimum(one + 1 / before, other + 1 / after)
    return np.clip(high - low, 0, None) * before
