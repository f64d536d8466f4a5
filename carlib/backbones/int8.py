"""int8: weights and activations in 8 bits, their ranges taken from some photos.

NNCF's post-training quantisation, of the network as OpenVINO has it. It is calibrated
once; what it was calibrated on is part of the backbone's fingerprint, and the network
that results is kept with the bottlenecks and in a saved model.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from carlib import runtime
from carlib.data import images
from carlib.data.photos import photo_key, read_content
from carlib.data.sources import Source, as_sources
from carlib.errors import ImageError, OptionError

AT_MOST = 200  # photos; more take longer and change little


@dataclass(frozen=True)
class Calibration:
    """What an int8 network was, or is to be, calibrated on.

    `identity` is the SHA-256 of the photos' own; `sources` are those photos, where they
    are at hand, and `network` is the result (xml, weights), where that is.
    """

    identity: str
    sources: tuple[Source, ...] = ()
    network: tuple[bytes, bytes] | None = None

    @property
    def paths(self) -> list[str] | None:
        """The photos' paths, where they are at hand and all are files."""
        files = [source.name for source in self.sources if source.is_file]
        return files if files and len(files) == len(self.sources) else None

    @classmethod
    def given(cls, photos: Any, precision: str) -> "Calibration | None":
        """Return what was handed in as `Backbone`'s calibration.

        Raises:
            OptionError: It doesn't go with the precision.
            ImageError: A photo can't be read.
        """
        if (precision == "int8") != (photos is not None):
            raise OptionError(
                'precision="int8" and calibration=photos go together. Received: '
                f"precision={precision!r} and calibration "
                + ("None" if photos is None else "photos"),
                hint="Some 200 of the training photos will do.",
            )
        return photos if isinstance(photos, Calibration | None) else cls.on(photos)

    @classmethod
    def on(cls, photos: Any) -> "Calibration":
        """Choose up to 200 photos, evenly over those handed in, and hash them.

        Raises:
            ImageError: One can't be read.
            OptionError: There are none.
        """
        sources = as_sources(photos)
        if not sources:
            raise OptionError("Expected photos to calibrate on. Received: none")
        step = max(1, len(sources) / AT_MOST)
        count = min(AT_MOST, len(sources))
        return cls.of([sources[int(i * step)] for i in range(count)])

    @classmethod
    def of(cls, chosen: Sequence[Source]) -> "Calibration":
        """Hash these photos, in whatever order they come."""
        keys = {photo_key(read_content(source)[0]): source for source in chosen}
        identity = hashlib.sha256(b"".join(sorted(keys))).hexdigest()
        return cls(identity, tuple(keys[key] for key in sorted(keys)))


def quantize(
    model: Any, calibration: Calibration, input_size: int, interpolation: str
) -> Any:
    """Return an OpenVINO model, uint8 pixels to features, with int8 inside.

    Raises:
        OptionError: NNCF isn't installed.
        ImageError: A photo changed since it was chosen.
    """
    nncf = _nncf()

    def pixels(source: Source) -> np.ndarray:
        content, _ = read_content(source)
        return images.pixels(content, input_size, interpolation, source.name)[None]

    if Calibration.of(calibration.sources).identity != calibration.identity:
        raise ImageError("Photos to calibrate on changed meanwhile; run again.")
    dataset = nncf.Dataset(calibration.sources, pixels)
    return nncf.quantize(model, dataset, subset_size=len(calibration.sources))


def _nncf() -> Any:
    try:
        with runtime.no_telemetry():
            import nncf
    except ImportError as error:
        raise OptionError(
            'precision="int8" needs NNCF, which isn\'t installed.',
            hint="Run: pip install nncf",
        ) from error
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
