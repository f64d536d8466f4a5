"""The example programs beside an export: short, and without carlib.

Each needs its runtime, NumPy and Pillow alone. It prepares a photo as carlib does, down
to the pixel, and prints a line of JSON a photo. What is proven of an export is what its
client prints.
"""

from collections.abc import Mapping
from string import Template

Shape = tuple[int, str]  # of a square: its side in pixels, the interpolation

_PROGRAM = Template('''\
"""Name the damage in photos of cars: python $client photo.jpg …

Needs $packages, numpy and pillow. Prints a line of JSON a photo. Where it
says "refused", better ask a person. (carlib itself also refuses a photo that is unlike
those that the model was trained on.)
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
$runtime
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
LABELS = (HERE / "labels.txt").read_text("utf-8").splitlines()
REFUSE_BELOW = $refuse_below


def opened(path, side):
    """Return a photo upright and in RGB; what is transparent is laid over white."""
    image = Image.open(path)
    image.draft(image.mode, (2 * side, 2 * side))  # decodes a large JPEG smaller
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def square(path, side, how):
    """Return a photo as a network takes it: squashed, antialiased, uint8."""
    image = opened(path, side)
    return np.array(image.resize((side, side), Image.Resampling[how]))[np.newaxis]


$network


for path in sys.argv[1:]:
    start = time.perf_counter()
    scores = probabilities(path).tolist()
    took = 1000 * (time.perf_counter() - start)
    score = max(scores)
    answer = {"photo": path, "label": LABELS[scores.index(score)], "score": score}
    answer["refused"] = score < REFUSE_BELOW
    answer["probabilities"] = dict(zip(LABELS, scores))
    answer["milliseconds"] = round(took, 2)
    print(json.dumps(answer))
''')

# Of each runtime: what to install, how to import it, and how it is used.
_RUNTIMES = {
    "saved_model": (
        "tensorflow",
        "import tensorflow as tf",
        """\
saved = tf.saved_model.load(str(HERE / "$file"))
serve = saved.signatures["serving_default"]


def probabilities(path):
    return serve(pixels=tf.constant($pixels))["probabilities"].numpy()[0]""",
    ),
    "pb": (
        "tensorflow",
        "import tensorflow as tf",
        """\
graph = tf.compat.v1.GraphDef.FromString((HERE / "$file").read_bytes())
frozen = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
serve = frozen.prune("pixels:0", "probabilities:0")


def probabilities(path):
    return serve(tf.constant($pixels)).numpy()[0]""",
    ),
    "keras": (
        "keras, tensorflow",
        "import keras",
        """\
network = keras.saving.load_model(HERE / "$file", compile=False)


def probabilities(path):
    return network.predict_on_batch($pixels)[0]""",
    ),
    "tflite": (
        "ai-edge-litert",
        "from ai_edge_litert.interpreter import Interpreter",
        """\
interpreter = Interpreter(str(HERE / "$file"))
serve = interpreter.get_signature_runner()


def probabilities(path):
    return serve(**$squares)["probabilities"][0]""",
    ),
    "onnx": (
        "onnxruntime",
        "import onnxruntime",
        """\
session = onnxruntime.InferenceSession(HERE / "$file")


def probabilities(path):
    return session.run(["probabilities"], $squares)[0][0]""",
    ),
    "openvino": (
        "openvino",
        """\
sys.modules["openvino_telemetry"] = None  # it reports each import to its maker
import openvino""",
        """\
exact = {"INFERENCE_PRECISION_HINT": "f32"}
network = openvino.Core().compile_model(HERE / "$file", "CPU", exact)


def probabilities(path):
    return network($squares)["probabilities"][0]""",
    ),
}


def client_text(
    runtime: str,
    client: str,
    file: str,
    inputs: Mapping[str, Shape],
    refuse_below: float,
) -> str:
    """Return the program that asks an export about photos.

    Args:
        runtime: One of those above.
        client: What the program is called.
        file: What the export is called; it lies beside the program.
        inputs: The squares of pixels that go in, by name.
        refuse_below: The least probability that is accepted.
    """
    packages, imported, network = _RUNTIMES[runtime]
    squares = {
        name: f'square(path, {n}, "{how.upper()}")' for name, (n, how) in inputs.items()
    }
    largest = max(side for side, _ in inputs.values())
    whole = f"np.array(opened(path, {largest}))[np.newaxis]"
    filled = {
        "file": file,
        "squares": "{" + ", ".join(f'"{n}": {s}' for n, s in squares.items()) + "}",
        "pixels": whole if len(squares) > 1 else squares["pixels"],
    }
    return _PROGRAM.substitute(
        client=client,
        packages=packages,
        runtime=imported,
        refuse_below=f"{refuse_below!r}".replace("inf", 'float("inf")'),
        network=Template(network).substitute(filled),
    )
