"""The networks a backbone can be: their sizes, preprocessing and weights files.

| name | input | features | weights |
|---|---|---|---|
| InceptionV3 | 299 | 2048 | Keras, ImageNet |
| MobileNetV2, MobileNetV2-0.35 and Keras's other widths | 224 | 1280 and more | Keras |
| ResNet50V2, ResNet101V2 | 299 | 2048 | Keras, ImageNet |
| EfficientNetLite0 | 224 | 1280 | embedded in a pip package |
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carlib import runtime
from carlib.backbones import efficientnet_lite
from carlib.errors import OptionError

KERAS_WEIGHTS = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class Architecture:
    """One network: what goes in, what comes out, and where its weights lie.

    Pixels 0 … 255 are scaled as `pixel * scale + offset`. `file` is the name of the
    ImageNet weights in Keras's cache, None where they are embedded; `md5` is Keras's
    own checksum of it, None where Keras has none. `own` is empty but for somebody's own
    network, of which it is the SHA-256 (see `own.py`).
    """

    name: str
    slug: str
    input_size: int
    n_features: int
    build: Callable
    interpolation: str = "bilinear"
    scale: float = 1 / 127.5
    offset: float = -1.0
    file: str | None = None
    folder: str = ""
    md5: str | None = None
    own: str = ""

    @property
    def address(self) -> str:
        """Where Keras downloads the weights from."""
        return f"{KERAS_WEIGHTS}/{self.folder}/{self.file}"

    @property
    def cached_file(self) -> Path:
        """Where Keras keeps the weights: `models/` in KERAS_HOME, or in ~/.keras."""
        home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
        return Path(home) / "models" / str(self.file)


def _from_keras(function: str, input_size: int, **options):
    """Build one of `keras.applications` up to its pooled features, without weights."""
    return getattr(runtime.keras().applications, function)(
        include_top=False,
        weights=None,
        input_shape=(input_size, input_size, 3),
        pooling="avg",
        **options,
    )


def _mobilenet(alpha: float) -> Architecture:
    # Keras widens the last layer only beyond alpha 1, in steps of 8.
    width = int(1280 * max(alpha, 1.0) + 4) // 8 * 8
    suffix = "" if alpha == 1.0 else f"-{alpha}"
    return Architecture(
        name=f"MobileNetV2{suffix}",
        slug=f"mobilenet_v2{suffix.replace('-', '_')}",
        input_size=224,
        n_features=width,
        build=partial(_from_keras, "MobileNetV2", 224, alpha=alpha),
        file=f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
        folder="mobilenet_v2",
    )


def _resnet(depth: int, md5: str) -> Architecture:
    return Architecture(
        name=f"ResNet{depth}V2",
        slug=f"resnet_v2_{depth}",
        input_size=299,
        n_features=2048,
        build=partial(_from_keras, f"ResNet{depth}V2", 299),
        file=f"resnet{depth}v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        folder="resnet",
        md5=md5,
    )


_INCEPTION = Architecture(
    name="InceptionV3",
    slug="inception_v3",
    input_size=299,
    n_features=2048,
    build=partial(_from_keras, "InceptionV3", 299),
    file="inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    folder="inception_v3",
    md5="bcbd6486424b2319ff4ef7d526e38f63",
)
_EFFICIENTNET = Architecture(
    name="EfficientNetLite0",
    slug="efficientnet_lite0",
    input_size=224,
    n_features=1280,
    build=efficientnet_lite.build,
    interpolation="bicubic",
    scale=1 / 128,
    offset=-127 / 128,
)
_ALL = (
    _INCEPTION,
    *(_mobilenet(alpha) for alpha in (1.0, 0.35, 0.5, 0.75, 1.3, 1.4)),
    _resnet(50, md5="fac2f116257151a9d068a22e544a4917"),
    _resnet(101, md5="c0ed64b8031c3730f411d2eb4eea35b5"),
    _EFFICIENTNET,
)
ARCHS = tuple(architecture.name for architecture in _ALL)


def find(name: str) -> Architecture:
    """Return the architecture of that name, upper and lower case alike.

    Raises:
        OptionError: There is none; the message lists those there are.
    """
    for architecture in _ALL:
        if architecture.name.casefold() == str(name).casefold():
            return architecture
    raise OptionError(f"Expected one of {', '.join(ARCHS)}. Received: arch={name!r}")
