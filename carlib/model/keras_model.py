"""The whole model in Keras: from pixels to probabilities, in one network."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones.backbone import Backbone
from carlib.model.head import LinearHead


def keras_model(
    backbones: Sequence[Backbone],
    head: LinearHead,
    augment: str | None = None,
) -> Any:
    """Return a Keras model: pixels, uint8 (n, height, width, 3), to probabilities.

    With augment="flip" it averages the features of a photo and its mirror image, and so
    their logits.
    """
    keras = runtime.keras()
    networks = [backbone.network for backbone in backbones]
    with runtime.plain_float32():
        pixels = keras.Input((None, None, 3), dtype="uint8", name="pixels")
        squares = [resized(pixels, backbone) for backbone in backbones]
        features = _features(networks, squares)
        if augment == "flip":
            mirrored = [keras.ops.flip(square, axis=2) for square in squares]
            both = [features, _features(networks, mirrored)]
            features = keras.layers.Average(name="average")(both)
        return keras.Model(pixels, _top(head)(features), name="car_damage")


def resized(pixels: Any, backbone: Backbone) -> Any:
    """Return pixels as a backbone takes them, rounded as Pillow's are."""
    layers, ops = runtime.keras().layers, runtime.keras().ops
    size, how = backbone.input_size, backbone.interpolation
    x = layers.Rescaling(1.0)(pixels)
    x = layers.Resizing(size, size, interpolation=how, antialias=True)(x)
    return ops.clip(ops.round(x), 0, 255)


def _features(networks: Sequence[Any], squares: Sequence[Any]) -> Any:
    features = [
        network(square) for network, square in zip(networks, squares, strict=True)
    ]
    if len(features) == 1:
        return features[0]
    return runtime.keras().layers.Concatenate()(features)


def _top(head: LinearHead) -> Any:
    """Return the head as a Keras model: features to probabilities."""
    keras = runtime.keras()
    n_features, n_classes = head.kernel.shape
    dense = keras.layers.Dense(n_classes, activation="softmax", name="probabilities")
    layers: list[Any] = [keras.Input((n_features,)), dense]
    if head.standardizes:
        layers.insert(1, standardizer(head.mean, head.scale))
    top = keras.Sequential(layers, name="head")
    dense.set_weights([np.asarray(head.kernel), np.asarray(head.bias)])
    return top


def standardizer(mean: np.ndarray, scale: np.ndarray) -> Any:
    """Return the Keras layer that takes a mean away and divides by a scale."""
    layers = runtime.keras().layers
    variance = scale.astype(np.float64) ** 2
    return layers.Normalization(mean=mean, variance=variance, name="standardize")
