"""A small Keras network of one's own, and pixels for it."""

import keras
import numpy as np

from carlib.backbones.backbone import Backbone

SIZE = 48


def network(width=7, seed=1, size=SIZE, pooled=True):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((size, size, 3)),
        keras.layers.Conv2D(width, 3, strides=2, activation="relu"),
        keras.layers.BatchNormalization(),
    ]
    layers += [keras.layers.GlobalAveragePooling2D()] * pooled
    return keras.Sequential(layers)


def preprocessing(pixels):
    return keras.applications.vgg16.preprocess_input(pixels)


def own(model=None, name="Mine", **options):
    options = {"preprocessing": preprocessing, "precision": "float32"} | options
    return Backbone.from_keras(model or network(), name=name, **options)


def noise(n=5, size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)
