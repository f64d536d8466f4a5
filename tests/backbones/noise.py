"""Pixels that are noise, and how far features are apart."""

import numpy as np
import pytest

from carlib.backbones import engines, precisions

OF_FLOATS = sorted(precisions.supported() - {"int8"})


needs_openvino = pytest.mark.skipif(
    engines.executor() != "openvino", reason="no OpenVINO, or a GPU"
)


def noise(n, size=224):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def near(features, expected):
    return np.linalg.norm(features - expected) / np.linalg.norm(expected)
