"""The formats there are: a line each, with what it takes to write and to prove it."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carlib.errors import ExportError, OptionError
from carlib.exports import keras, onnx, openvino, pb, saved_model, tflite

if TYPE_CHECKING:
    from carlib.exports.source import Source

KERAS = ("tensorflow", "keras")
ONNX = (*KERAS, "tf2onnx", "onnx", "onnxruntime")
LITERT = (*KERAS, "ai-edge-litert")


@dataclass(frozen=True)
class Format:
    """Say how a format is written and proven.

    Attributes:
        file: What it is called in the folder of an export: a file, or a folder.
        write: Writes it to a path, from a `Source`.
        needs: The packages that this and its proof take, as pip calls them.
        runtime: Whose client proves it (see `clients`); "": it is proven elsewhere.
        bound: How far a probability may be from the model's own.
        any_size: Whether it takes pixels of any size, and resizes them itself.
    """

    file: str
    write: Callable[["Source", Path], None]
    needs: Sequence[str] = ()
    runtime: str = ""
    bound: float = 1e-5
    any_size: bool = False


def _write_web(source: "Source", path: Path) -> None:
    from carlib.app.web import write_web

    write_web(source.model, path, source.train)


def _write_html(source: "Source", path: Path) -> None:
    from carlib.app.html import write_html

    write_html(source.model, path, source.train)


PAGES = ("web", "html")  # they are proven as they are written (see app.proof)
FORMATS = {
    "saved_model": Format(
        "saved_model", saved_model.write, KERAS, "saved_model", any_size=True
    ),
    "pb": Format("model.pb", pb.write, KERAS, "pb", any_size=True),
    "keras": Format("model.keras", keras.write, KERAS, "keras", any_size=True),
    "tflite": Format("model.tflite", tflite.write, LITERT, "tflite"),
    "tflite-float16": Format(
        "model-float16.tflite", tflite.write_float16, LITERT, "tflite", 0.02
    ),
    "tflite-int8": Format(
        "model-int8.tflite", tflite.write_int8, LITERT, "tflite", 0.3
    ),
    "onnx": Format("model.onnx", onnx.write, ONNX, "onnx"),
    "openvino": Format("model.xml", openvino.write, ("openvino",), "openvino"),
    "web": Format("web", _write_web, ("onnx",)),
    "html": Format("model.html", _write_html, ("onnx",)),
}


def chosen(names: Sequence[str]) -> dict[str, Format]:
    """Return the formats that were named.

    Raises:
        OptionError: There is no such format, or none was named.
        ExportError: What they need isn't installed; all of it is told at once.
    """
    if isinstance(names, str) or not names or not set(names) <= set(FORMATS):
        raise OptionError(
            f"Expected formats of {', '.join(FORMATS)}. Received: {names!r}"
        )
    found = {name: FORMATS[name] for name in dict.fromkeys(names)}
    needed = dict.fromkeys(need for each in found.values() for need in each.needs)
    missing = [need for need in needed if not _is_installed(need)]
    if missing:
        raise ExportError(
            f"Expected what {', '.join(found)} need{'s' * (len(found) == 1)}. "
            f"Received: an installation without {', '.join(missing)}",
            hint=f"Run: pip install {' '.join(missing)}",
        )
    return found


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package.replace("-", "_")) is not None
