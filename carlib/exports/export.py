"""Export a model for programs that have no carlib: pixels in, probabilities out."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carlib.app.parts import checked_labels
from carlib.errors import CarlibError, ExportError, OptionError
from carlib.exports.clients import client_text
from carlib.exports.formats import PAGES, Format, chosen
from carlib.exports.manifest import NAME, foreign_in, manifest_of, refusal_of
from carlib.exports.proof import Checks, checks_of, prove
from carlib.exports.source import Source
from carlib.files import (
    as_path,
    atomic_folder,
    named_in_errors,
    temporary_folder,
    write_json,
    write_text,
)
from carlib.model.card import card_text
from carlib.model.frozen import LABELS, labels_text
from carlib.model.model import ImageClassificationModel

CARD = "README.md"
# Of pixels that TensorFlow resizes, in the place of Pillow: it doesn't round between
# the two directions. Measured, on drawn photos: up to 0.05.
RESIZED = 0.1


def export(
    model: ImageClassificationModel,
    folder: str | os.PathLike,
    formats: Sequence[str] = ("saved_model", "pb"),
    overwrite: bool = False,
    photos: Any = None,
    train: pd.DataFrame | None = None,
) -> dict[str, Path]:
    """Write a model in other programs' formats, and prove that they give its answers.

    - saved_model: a folder for TensorFlow Serving and `tf.saved_model.load`, with the
      signatures serving_default (pixels) and serve_encoded (JPEG or PNG).
    - pb: a frozen graph with the nodes `pixels:0` and `probabilities:0`.
    - keras: one file for `keras.saving.load_model`.
    - tflite, tflite-float16, tflite-int8: for LiteRT, on phones; one photo at a time.
    - onnx: for ONNX Runtime. openvino: for OpenVINO, `model.xml` and `model.bin`.
    - web: a page, in a folder for any web server (see `write_web`). html: the same in
      one file to mail (see `write_html`).

    The first three take pixels of any size; the others squares, resized before, as the
    example client does that lies beside each: `client_onnx.py` and so on. There are
    also labels.txt, a class a line; manifest.json, all there is to know to write a
    client of one's own; and README.md, the model's card.

    Each client is run on photos, in a fresh process. Only when all have given the
    model's own label, at float32, on each photo, and its probabilities within 1e-5 (at
    float16 0.02, in int8 0.3, and 0.1 where TensorFlow resizes a photo to two squares),
    the folder appears.

    Args:
        folder: Where to; new, or one that an earlier export made, with `overwrite`.
        overwrite: Replace what an earlier export wrote.
        photos: What to check on, and to calibrate tflite-int8 on, such as the training
            photos (of more than 1,000 some, evenly chosen); None: the drawn sample is
            checked on, and of tflite-int8 only the weights are in int8.
        train: The photos it was trained on: web and html can then be taught more, and
            forget none of these. Their features travel with the page.

    Returns:
        The path of each format.

    Raises:
        OptionError: There is no such format, or `train` is given and no page asked for.
        DataError: `train` has labels that are no classes of the model.
        ExportError: The folder holds something else, something isn't installed, or a
            format gave other answers: the worst photo is shown, and nothing is left.

    Example:
        >>> carlib.export(model, "exported", formats=["onnx"])
        {'onnx': PosixPath('exported/model.onnx')}
    """
    found, folder = chosen(formats), as_path(folder)
    _check_target(folder, overwrite)
    if train is not None:  # before minutes are spent on formats
        _check_train(model, train, found)
    exact = dataclasses.replace(model.at("float32"), workspace_path=None)
    checks = checks_of(exact, photos)
    source = Source(exact, () if photos is None else checks.contents, train)
    with (
        named_in_errors(folder),
        temporary_folder(folder) as scratch,
        atomic_folder(folder, replace=True) as temporary,
    ):
        checks.write(scratch)
        write_text(temporary / LABELS, labels_text(model))
        write_text(temporary / CARD, card_text(model))
        for name, each in found.items():
            _write(name, each, source, temporary)
        exports = {
            name: _proven(name, each, source, temporary, scratch, checks)
            for name, each in found.items()
        }
        write_json(temporary / NAME, manifest_of(source, temporary, exports, checks))
    return {name: folder / each.file for name, each in found.items()}


def _write(name: str, each: Format, source: Source, folder: Path) -> None:
    """Write one format, and its client where it has one."""
    try:
        each.write(source, folder / each.file)
    except CarlibError:
        raise
    except Exception as error:  # converters have no base of their own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"The {name} export can't be made: {lines[0][:300]}"
        ) from error
    if each.runtime:
        client = _client(name)
        text = client_text(
            each.runtime, client, each.file, source.inputs, _least(source)
        )
        write_text(folder / client, text)


def _client(name: str) -> str:
    return f"client_{name.replace('-', '_')}.py"


def _least(source: Source) -> float:
    """Return the least probability that is accepted."""
    least = refusal_of(source.model)["refuse_below"]
    return float("inf") if least is None else least


def _proven(
    name: str,
    each: Format,
    source: Source,
    folder: Path,
    photos: Path,
    checks: Checks,
) -> dict[str, Any]:
    """Return what there is to say of a format, and of how it was proven."""
    told = {"file": each.file, "megabytes": _megabytes(folder / each.file)}
    if not each.runtime:
        return told
    resizes = each.any_size and len(source.inputs) > 1
    bound = max(RESIZED, each.bound) if resizes else each.bound
    client = _client(name)
    found = prove(name, folder / client, photos, checks, bound)
    return told | {"client": client, "bound": bound} | found


def _megabytes(path: Path) -> float:
    """Return the size of a file or folder, and of the weights beside an `.xml`."""
    beside = [path.with_suffix(".bin")] if path.suffix == ".xml" else []
    files = [each for each in (path, *beside, *path.rglob("*")) if each.is_file()]
    return round(sum(each.stat().st_size for each in files) / 1e6, 3)


def _check_train(
    model: ImageClassificationModel, train: pd.DataFrame, found: Mapping[str, Format]
) -> None:
    if not found.keys() & PAGES:
        raise OptionError(
            f"Expected {' or '.join(PAGES)} among the formats, as train is given: only "
            f"these can be taught more. Received: {', '.join(found)}"
        )
    checked_labels(model, train)


def _check_target(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    foreign = foreign_in(folder) if folder.is_dir() else [folder.name]
    if foreign:
        raise ExportError(
            f"{folder} holds what no export wrote.", foreign, hint="Name a new folder."
        )
    if not overwrite:
        raise ExportError(
            f"{folder} holds an earlier export.",
            hint="Pass overwrite=True (on the command line --overwrite) to replace it.",
        )
