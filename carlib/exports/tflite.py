"""TFLite, of LiteRT: one file for phones and small machines, a photo at a time."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carlib import runtime
from carlib.files import write_bytes

if TYPE_CHECKING:
    from carlib.exports.source import Source

MOST = 200  # photos that int8 is calibrated on, as a backbone is


def write(source: "Source", path: Path) -> None:
    """Write it as it is, at float32: squares of pixels, uint8 (1, side, side, 3)."""
    _write(source, path, lambda converter: None)


def write_float16(source: "Source", path: Path) -> None:
    """Write its weights at float16: half the size; a chip may compute at it, too."""
    tf = runtime.tensorflow()

    def at_float16(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    _write(source, path, at_float16)


def write_int8(source: "Source", path: Path) -> None:
    """Write its weights as whole numbers from -127 to 127: a quarter of the size.

    What runs between them is in whole numbers, too, where photos of the kind that it
    shall be used on were handed in: how large it gets is learned from these.
    """
    tf = runtime.tensorflow()

    def in_int8(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if source.photos:
            converter.representative_dataset = lambda: _squares(source)

    _write(source, path, in_int8)


def _squares(source: "Source") -> Iterator[dict[str, Any]]:
    """Yield some of the photos, evenly chosen, as the network takes them."""
    from carlib.data.images import squares

    step = max(1, len(source.photos) // MOST)
    for photo in source.photos[::step][:MOST]:
        made = squares(photo, source.inputs.values())
        pairs = zip(source.inputs, made, strict=True)
        yield {name: square[None] for name, square in pairs}


def _write(source: "Source", path: Path, choose: Callable[[Any], None]) -> None:
    """Convert a model for one photo: with a batch of any size phones are slower."""
    tf, frozen = runtime.tensorflow(), source.frozen
    module = tf.Module()
    one = [
        tf.TensorSpec((1, side, side, 3), tf.uint8, name=name)
        for name, (side, _) in source.inputs.items()
    ]
    module.serve = tf.function(
        lambda *squares: {"probabilities": frozen(*squares)[0]},
        input_signature=one,
        autograph=False,
    )
    made = module.serve.get_concrete_function()
    with warnings.catch_warnings(), runtime.quiet_log("ERROR"):
        warnings.simplefilter("ignore")  # the converter's, about its own code
        converter = tf.lite.TFLiteConverter.from_concrete_functions([made], module)
        choose(converter)
        write_bytes(path, converter.convert())
