"""SavedModel: a folder for TensorFlow Serving, and `tf.saved_model.load`.

| signature | takes | gives |
|---|---|---|
| serving_default | pixels, uint8 (n, height, width, 3), RGB | probabilities, float32 |
| serve_encoded | encoded, (n,): the bytes of JPEG or PNG files | the same |

TensorFlow Serving's clients send the second `{"b64": …}`. TensorFlow turns no photo
upright: of one that is marked as turned, send the pixels.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from carlib import runtime

if TYPE_CHECKING:
    from carlib.exports.source import Source


def write(source: "Source", path: Path) -> None:
    """Write a model; its weights are constants, and both signatures share them."""
    tf, frozen = runtime.tensorflow(), source.frozen
    pixels = tf.TensorSpec((None, None, None, 3), tf.uint8, name="pixels")
    encoded = tf.TensorSpec((None,), tf.string, name="encoded")

    def serve(pixels: Any) -> dict[str, Any]:
        return {"probabilities": frozen(*_squares(source, pixels))[0]}

    def serve_encoded(encoded: Any) -> dict[str, Any]:
        shapes = source.inputs.values()
        kinds = [tf.TensorSpec((side, side, 3), tf.uint8) for side, _ in shapes]
        squares = tf.map_fn(
            lambda data: [square[0] for square in _squares(source, _decoded(data))],
            encoded,
            fn_output_signature=kinds,
        )
        return {"probabilities": frozen(*squares)[0]}

    module = tf.Module()
    how = {"autograph": False}
    module.serve = tf.function(serve, input_signature=[pixels], **how)
    module.serve_encoded = tf.function(serve_encoded, input_signature=[encoded], **how)
    names = {"serving_default": module.serve, "serve_encoded": module.serve_encoded}
    with runtime.quiet_log():
        tf.saved_model.save(module, path, signatures=names)


def _decoded(data: Any) -> Any:
    """Return the pixels of one encoded photo, as Pillow decodes it; (1, h, w, 3)."""
    tf = runtime.tensorflow()
    accurate = {"dct_method": "INTEGER_ACCURATE"}
    return tf.io.decode_jpeg(data, channels=3, **accurate)[tf.newaxis]


def _squares(source: "Source", pixels: Any) -> list[Any]:
    """Resize pixels to each of the squares that the networks take."""
    from carlib.exports.source import shape_of
    from carlib.model.keras_model import resized

    tf = runtime.tensorflow()
    takers = {shape_of(backbone): backbone for backbone in source.model.backbones}
    squares = (resized(pixels, takers[shape]) for shape in source.inputs.values())
    return [tf.cast(square, tf.uint8) for square in squares]
