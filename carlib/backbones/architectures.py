"""The networks a backbone can be: their sizes, preprocessing and weights files.

| name | input | features | weights |
|---|---|---|---|
| InceptionV3 | 299 | 2048 | Keras, ImageNet |
| MobileNetV2, MobileNetV2-0.35 and Keras's other widths | 224 | 1280 and more | Keras |
| ResNet50V2, ResNet101V2 | 299 | 2048 | Keras, ImageNet |
| EfficientNetLite0 | 224 | 1280 | embedded in a pip package |
| EfficientNetLite1 | 240 | 1280 | the same, in `carlib[more-backbones]` |
| EfficientNetLite2 | 260 | 1280 | the same, in `carlib[more-backbones]` |
| EfficientNetLite0-288 | 288 | 1280 | EfficientNetLite0's |
| each of the last four, `-layers` | | 1984 (Lite2: 2048) | the same |

With `-layers` the features are those of several layers: the means of the last maps of
stages 4 to 7, in front of the head's. Cross-validated on 1,210 photos of damaged cars
(benchmarks/README.md), EfficientNetLite0's macro-accuracy rises by that from 0.782 to
0.795, and the log-loss falls from 0.550 to 0.507, at no more time a photo.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from carlib import runtime
from carlib.backbones import efficientnet_lite
from carlib.backbones.efficientnet_lite import LITES, Lite
from carlib.errors import OptionError

KERAS_WEIGHTS = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class Architecture:
    """One network: what goes in, what comes out, and where its weights lie.

    Pixels 0 … 255 are scaled as `pixel * scale + offset`. `file` is the name of the
    ImageNet weights in Keras's cache, None where pip brings them, as those of `lite`;
    `md5` is Keras's own checksum of it, None where Keras has none. `own` is empty but
    for somebody's own network, of which it is the SHA-256 (see `own.py`).
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
    lite: Lite | None = None
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


def _efficientnet(lite: Lite, size: int, layers: bool) -> Architecture:
    suffix = f"-{size}" * (size != lite.input_size) + "-layers" * layers
    return Architecture(
        name=f"EfficientNetLite{lite.number}{suffix}",
        slug=f"efficientnet_lite{lite.number}{suffix.replace('-', '_')}",
        input_size=size,
        n_features=efficientnet_lite.n_features(lite, layers),
        build=partial(efficientnet_lite.build, lite, size, layers),
        interpolation="bicubic",
        scale=1 / 128,
        offset=-127 / 128,
        lite=lite,
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
_EFFICIENTNETS = (
    _efficientnet(lite, input_size, layers)
    for lite, *sizes in ((LITES[0], 224, 288), (LITES[1], 240), (LITES[2], 260))
    for input_size in sizes
    for layers in (False, True)
)
_ALL = (
    _INCEPTION,
    *(_mobilenet(alpha) for alpha in (1.0, 0.35, 0.5, 0.75, 1.3, 1.4)),
    _resnet(50, md5="fac2f116257151a9d068a22e544a4917"),
    _resnet(101, md5="c0ed64b8031c3730f411d2eb4eea35b5"),
    *_EFFICIENTNETS,
)
ARCHS = tuple(architecture.name for architecture in _ALL)
# Which to join: cross-validated best on the workshop's photos, of the networks that
# come with carlib[more-backbones], and with a small one of Keras's in addition.
RECOMMENDED_ARCHS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "wheels": ("EfficientNetLite0-layers", "EfficientNetLite2-layers"),
        "keras": (
            "EfficientNetLite0-layers",
            "EfficientNetLite0-288-layers",
            "EfficientNetLite2-layers",
            "MobileNetV2-0.35",
        ),
    }
)


def find(name: str) -> Architecture:
    """Return the architecture of that name, upper and lower case alike.

    Raises:
        OptionError: There is none; the message lists those there are.
    """
    known = {architecture.name.casefold(): architecture for architecture in _ALL}
    if str(name).casefold() in known:
        return known[str(name).casefold()]
    meant = difflib.get_close_matches(str(name).casefold(), known)
    raise OptionError(
        f"Expected one of {', '.join(ARCHS)}. Received: arch={name!r}"
        + (f"; did you mean {known[meant[0]].name}?" if meant else "")
    )
