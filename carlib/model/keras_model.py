"""The whole model in Keras: from pixels to probabilities, in one network.

It's a copy, in which nothing trains. To train a model on photos take `fine_tune`. What
somebody trains in the copy the model doesn't know: so it refuses to go on (see
`check_untrained`) until a backbone is made of it:

    >>> network = model.keras_model.get_layer("backbone_efficientnet_lite0")
    >>> for layer in network.layers[-6:]:    # normalisations stay as they are
    ...     layer.trainable = hasattr(layer, "kernel_size")
    >>> model.keras_model.compile(...).fit(...)  # doctest: +SKIP
    >>> network.save_weights("tuned.weights.h5")  # doctest: +SKIP
    >>> tuned = carlib.Backbone(  # doctest: +SKIP
    ...     "EfficientNetLite0", "tuned.weights.h5")
    >>> newer = carlib.ImageClassificationTrainer(  # doctest: +SKIP
    ...     arch=tuned).fit(photos)
"""

import weakref
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones.backbone import Backbone
from carlib.backbones.cut import copy_of
from carlib.errors import WeightsError
from carlib.model.head import LinearHead

# The checksum of each Keras model's weights when it was made.
_AS_MADE: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


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
    networks = [_network(backbone) for backbone in backbones]
    with runtime.plain_float32():
        pixels = keras.Input((None, None, 3), dtype="uint8", name="pixels")
        squares = [resized(pixels, backbone) for backbone in backbones]
        features = _features(networks, squares)
        if augment == "flip":
            mirrored = [keras.ops.flip(square, axis=2) for square in squares]
            both = [features, _features(networks, mirrored)]
            features = keras.layers.Average(name="average")(both)
        network = keras.Model(pixels, top(head)(features), name="car_damage")
    _AS_MADE[network] = _checksum(network)
    return network


def check_untrained(model: Any) -> None:
    """Refuse to go on by a model's own weights where its Keras model has others.

    Of a model whose `keras_model` nobody asked for it costs nothing; else, with
    EfficientNetLite0, some 10 ms.

    Raises:
        WeightsError: It was trained.
    """
    network = vars(model).get("keras_model")
    if network is not None and _checksum(network) != _AS_MADE[network]:
        raise WeightsError(
            "Expected model.keras_model as it was made. Received: one with other "
            "weights, which would be passed over: the model goes by its own.",
            hint="To train on photos: carlib.fine_tune(model, photos). To use what you "
            "trained in Keras: save_weights of the backbone in it, and a trainer with "
            "Backbone(arch, weights=FILE); help(carlib.model.keras_model) has the "
            "lines. To do without: del model.keras_model.",
        )


def _checksum(network: Any) -> int:
    """Return a number that changes with any weight of a Keras model."""
    found = 0
    for weight in network.weights:
        found = zlib.crc32(np.ascontiguousarray(weight.numpy()).data, found)
    return found


def _network(backbone: Backbone) -> Any:
    """Return a copy of a backbone's network, from pixels to features, all frozen."""
    keras, made, core = runtime.keras(), backbone.architecture, copy_of(backbone)
    core.trainable = False
    with runtime.plain_float32():
        rescaling = keras.layers.Rescaling(made.scale, made.offset)
        named = keras.Model(core.inputs, core.output, name=f"backbone_{made.slug}")
    return lambda pixels: named(rescaling(pixels))


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


def top(head: LinearHead) -> Any:
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
