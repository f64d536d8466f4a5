"""A model as its exports see it: at float32, from squares of pixels to probabilities.

A square is what a backbone takes of a photo: so many pixels, resized in such a way. Two
backbones of one size whose resizing differs take two squares.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib import runtime
from carlib.backbones.backbone import Backbone
from carlib.data.images import Shape
from carlib.model.model import ImageClassificationModel


class Source:
    """Hold what formats are written from; what takes time is made when first asked for.

    Attributes:
        model: One that computes at float32, as exports do.
        photos: Encoded, those that were handed in; none: it was the sample.
        train: The photos it was trained on, whose features a page shall have.
        inputs: The squares by name, each its side and interpolation: `pixels` where all
            backbones take the same, else `pixels_224_bicubic` and so on.
    """

    def __init__(
        self,
        model: ImageClassificationModel,
        photos: Sequence[bytes] = (),
        train: pd.DataFrame | None = None,
    ):
        self.model, self.photos, self.train = model, photos, train
        shapes = list(dict.fromkeys(map(shape_of, self.model.backbones)))
        names = [f"pixels_{side}_{how}" for side, how in shapes]
        names = names if len(shapes) > 1 else ["pixels"]
        self.inputs: dict[str, Shape] = dict(zip(names, shapes, strict=True))

    @functools.cached_property
    def frozen(self) -> Any:
        """A TensorFlow function: squares in the order of `inputs` to probabilities.

        Its weights are constants, and each is in it once: a photo and its mirror image
        go through a network together, as two photos.
        """
        tf = runtime.tensorflow()
        squares = [
            tf.TensorSpec((None, side, side, 3), tf.uint8, name=name)
            for name, (side, _) in self.inputs.items()
        ]
        # Made before they are traced: in a trace no weight would be set.
        networks = [backbone.network for backbone in self.model.backbones]
        return runtime.freeze(lambda *s: self._probabilities(networks, s), *squares)

    def _probabilities(self, networks: Sequence[Any], squares: Sequence[Any]) -> Any:
        tf, head = runtime.tensorflow(), self.model.head
        by_shape = dict(zip(self.inputs.values(), squares, strict=True))
        pairs = zip(networks, map(shape_of, self.model.backbones), strict=True)
        parts = [self._features(network, by_shape[shape]) for network, shape in pairs]
        features = tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]
        if head.standardizes:
            features = features - head.mean
        logits = features @ scaled_kernel(head) + head.bias
        return tf.nn.softmax(logits, name="probabilities")

    def _features(self, network: Any, square: Any) -> Any:
        """Return the features of photos, or their mean with those of mirror images."""
        tf = runtime.tensorflow()
        pixels = tf.cast(square, tf.float32)
        if self.model.augment != "flip":
            return network(pixels)
        both = tf.concat([pixels, pixels[:, :, ::-1]], axis=0)
        photo, mirrored = tf.split(network(both), 2, axis=0)
        return (photo + mirrored) / 2


def shape_of(backbone: Backbone) -> Shape:
    """Return the square that a backbone takes."""
    return backbone.input_size, backbone.interpolation


def scaled_kernel(head: Any) -> np.ndarray:
    """Return a head's kernel for features that are not yet divided by their scale."""
    kernel = head.kernel.astype(np.float64) / head.scale[:, np.newaxis]
    return kernel.astype(np.float32)
