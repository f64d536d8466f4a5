"""The model as one file to mail: a double click opens it, offline, on a phone too."""

import base64
import gzip
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from carlib.app import vendored
from carlib.app.page import page_in_one
from carlib.app.parts import MODEL, parts_of
from carlib.errors import ExportError
from carlib.files import as_path, named_in_errors, write_bytes
from carlib.model.model import ImageClassificationModel

MOST = 40_000_000  # bytes: what mail still takes
LEVEL = 6  # of gzip; weights are as good as chance, and shrink by a tenth at any


def write_html(
    model: ImageClassificationModel,
    file: str | os.PathLike,
    train: pd.DataFrame | None = None,
) -> Path:
    """Write a model as one page: all that names a photo is in it.

    It opens by a double click, without a network, and asks nobody for anything: the
    page's own policy forbids it. Where a page would be too large to mail, the networks'
    weights are kept at float16, which moves a probability by some thousandths.

    Args:
        file: Where to, such as "ImageModel.html"; an older one is replaced.
        train: As of `write_web`.

    Returns:
        The path.

    Raises:
        ExportError: It has a backbone that a page can't hold, or would be larger than
            40 MB.
        OutputError: It can't be written there.

    Example:
        >>> carlib.write_html(model, "ImageModel.html")
        PosixPath('ImageModel.html')
    """
    file = as_path(file)
    with named_in_errors(file):
        parts = parts_of(model, file, train)
        text = _page_of(parts)
        if len(text) > MOST:
            text = _page_of(parts | {MODEL: _halved(parts[MODEL])})
        _check_size(len(text), model)
        write_bytes(file, text)
    return file


def _page_of(parts: Mapping[str, bytes]) -> bytes:
    packed = {name: gzip.compress(data, LEVEL, mtime=0) for name, data in parts.items()}
    packed[f"runtime/{vendored.WASM}"] = vendored.packed_wasm()
    return page_in_one([vendored.inline_script()], _elements(packed)).encode()


def _elements(packed: Mapping[str, bytes]) -> str:
    """Return elements that hold the parts; none of them is a script that runs."""
    return "\n".join(
        f'<script type="text/plain" data-part="{name}">'
        f"{base64.b64encode(data).decode()}</script>"
        for name, data in packed.items()
    )


def _halved(saved: bytes) -> bytes:
    """Return a model's file whose networks' weights are float16.

    The page computes in float32 with what they are then. No other program reads such a
    file: one that the page saves has float32 again.
    """
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved)) as archive,
        zipfile.ZipFile(made, "w") as halved,
    ):
        for name in archive.namelist():
            data = archive.read(name)
            is_weights = name.startswith("backbone")
            halved.writestr(name, _as_float16(data) if is_weights else data)
    return made.getvalue()


def _as_float16(npy: bytes) -> bytes:
    made = io.BytesIO()
    weights = np.load(io.BytesIO(npy), allow_pickle=False)
    np.save(made, weights.astype("<f2"), allow_pickle=False)
    return made.getvalue()


def _check_size(size: int, model: ImageClassificationModel) -> None:
    if size > MOST:
        raise ExportError(
            f"Expected a page of {MOST / 1e6:g} MB or less, which can be mailed. "
            f"Received: {size / 1e6:.0f} MB with {model.arch}",
            hint="Train on a smaller network, such as EfficientNetLite0, or write the "
            "format web, a folder for a web server.",
        )
