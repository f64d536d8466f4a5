"""Models of every kind, made of a drawn head: exported within seconds."""

import numpy as np
import pandas as pd

from carlib.backbones.backbone import Backbone
from carlib.model.calibration import HeadCalibration
from carlib.model.confidence import Confidence
from carlib.model.head import LinearHead
from carlib.model.manifest import HISTORY
from carlib.model.model import ImageClassificationModel
from tests.backbones.mine import network, own

CLASSES = ("a dent", "b scratch", "unbekannt")


def head(backbones, standardized=False, seed=1):
    rng = np.random.default_rng(seed)
    n = sum(backbone.n_features for backbone in backbones)
    kernel = rng.normal(size=(n, len(CLASSES))) / n**0.5
    mean = np.abs(rng.normal(size=n)) if standardized else np.zeros(n)
    scale = rng.uniform(0.5, 2, n) if standardized else np.ones(n)
    parts = (kernel, rng.normal(size=len(CLASSES)) / 9, mean, scale)
    return LinearHead(*(part.astype(np.float32) for part in parts))


def model_of(*backbones, standardized=False, **fields):
    fields = {
        "head": head(backbones, standardized),
        "history": pd.DataFrame({name: [] for name in HISTORY}),
        "best_epoch": 1,
        "options": {},
        "data_hash": "0" * 64,
    } | fields
    return ImageClassificationModel(backbones, CLASSES, **fields)


def small(name="Small", **options):
    """A network of three numbers a photo: converted in a second or two."""
    preprocessing = {"preprocessing": lambda pixels: pixels / 127.5 - 1}
    return own(network(width=3, size=32), name, **(preprocessing | options))


def drawn(arch="MobileNetV2-0.35"):
    """One of carlib's own networks that never saw a photo."""
    return Backbone(arch, weights=None, precision="float32")


def sure(model, threshold=0.4):
    """What makes a model refuse answers below some probability."""
    n = 40
    photos = np.zeros((n, 5), np.float32)
    photos[:, 3] = np.linspace(threshold, 1, n)
    references = np.eye(1, len(model.head.mean), dtype=np.float32)
    return Confidence(0.2, photos, references)


CALIBRATED = HeadCalibration("temperature", 1.5, (0.0, 0.0, 0.0), 40, 1.0, 0.9)
KINDS = {
    "own": lambda: model_of(small()),
    "mirrored": lambda: model_of(small(), augment="flip"),
    "standardized": lambda: model_of(small(), standardized=True),
    "calibrated": lambda: model_of(small(), calibration=CALIBRATED),
    "two sizes, mirrored": lambda: model_of(
        small(), own(), standardized=True, augment="flip"
    ),
    "two interpolations": lambda: model_of(
        small(), small("Other", interpolation="bicubic")
    ),
}
