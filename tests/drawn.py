"""Photo sets around features that are drawn: real ones, without a photo."""

import numpy as np

from carlib.bottlenecks.features import Features
from carlib.bottlenecks.shards import Shards
from carlib.training.photo_set import PhotoSet


def photo_set(features, labels):
    """A PhotoSet whose features, (n, d), lie in memory; its photos' keys are 0, 1 …"""
    keys = [number.to_bytes(32, "big") for number in range(len(labels))]
    shards = Shards(None, np.shape(features)[1])
    shards.add([shards.rows(keys, features)])
    labels = np.asarray(labels, np.int32)
    classes = tuple(f"class {number}" for number in range(labels.max() + 1))
    found = Features(keys, {}, 0, len(keys), (shards,))
    return PhotoSet(found, np.arange(len(keys)), labels, classes)
