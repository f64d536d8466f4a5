"""The model as a folder for any web server: the browser computes, photos stay there."""

import os
from pathlib import Path

import pandas as pd

from carlib.app import page, vendored
from carlib.app.parts import parts_of
from carlib.files import as_path, atomic_folder, named_in_errors, write_part
from carlib.model.model import ImageClassificationModel

PAGE, RUNTIME = "index.html", "runtime"


def write_web(
    model: ImageClassificationModel,
    folder: str | os.PathLike,
    train: pd.DataFrame | None = None,
) -> Path:
    """Write a model as a page for any web server, in which the browser computes.

    The photos that are shown to it never leave the browser. It asks only for the files
    beside it: some 30 MB, of which the runtime has 14. `python -m http.server` serves
    it; opened from a disk, browsers refuse such a page: see `write_html`.

    Args:
        folder: Where to; one that an earlier call made is replaced.
        train: The photos it was trained on, a table: then the page can learn more
            without forgetting these. Their features travel with it, not the photos.

    Returns:
        The folder.

    Raises:
        ExportError: It has a backbone that a page can't hold.
        OutputError: It can't be written there.

    Example:
        >>> carlib.write_web(model, "page")
        PosixPath('page')
    """
    folder = as_path(folder)
    with named_in_errors(folder), atomic_folder(folder, replace=True) as temporary:
        for name, data in files_of(model, folder, train).items():
            write_part(temporary / name, [data])
    return folder


def files_of(
    model: ImageClassificationModel, beside: Path, train: pd.DataFrame | None = None
) -> dict[str, bytes]:
    """Return the files of such a folder, by name."""
    texts = {name: page.source(name) for name in (page.STYLE, *page.SCRIPTS)}
    texts[PAGE] = page.page_of_files("files")
    runtime = {
        vendored.SCRIPT: vendored.script(),
        vendored.WASM: vendored.wasm(),
        vendored.LICENSE: (vendored.FOLDER / vendored.LICENSE).read_bytes(),
    }
    return (
        {name: text.encode() for name, text in texts.items()}
        | {f"{RUNTIME}/{name}": data for name, data in runtime.items()}
        | parts_of(model, beside, train)
    )
