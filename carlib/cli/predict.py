"""The command `carlib predict`: a line a photo, or JSON."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    COUNT,
    PATH,
    json_option,
    on_error_option,
    option,
    show,
    stdout_kept,
)
from carlib.errors import OptionError, printable

if TYPE_CHECKING:
    import pandas as pd

SURE = ("refused", "why", "distance")  # what a model with confidence tells, too


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=PATH)
@option(
    "--top",
    type=COUNT,
    default=3,
    help="Classes to show a photo.",
)
@on_error_option
@json_option
def predict(
    model: str, photos: tuple[str, ...], top: int, on_error: str, as_json: bool
) -> None:
    """Name the damage in each PHOTO by MODEL, a saved one.

    A PHOTO is a file, a folder of them, or - for one photo on stdin.

    \b
    Examples:
      carlib predict ImageModel.zip photo.jpg folder
      carlib predict ImageModel.zip - --json < photo.jpg
    """
    from carlib.model.model import load_model

    with stdout_kept(True):  # on stdout stand the answers alone
        names = [name for photo in photos for name in files_of(photo)]
        loaded = load_model(model)
        contents = [content_of(name) for name in names]
        table = loaded.predict(contents, on_error=on_error, progress=len(names) > 32)
    rows = prediction_rows(names, table, loaded.class_names)
    text = predictions_text(rows, top)
    show(as_json, {"model": model, "predictions": rows}, text)


def files_of(photo: str) -> list[str]:
    """Return the files that an argument names: itself, or a folder's photos.

    Raises:
        ImageError: A folder without a photo.
    """
    from carlib.data.sources import photos_in

    folder = Path(photo)
    return [str(path) for path in photos_in(folder)] if folder.is_dir() else [photo]


def content_of(name: str) -> Any:
    """Return a photo's name, or for - stdin, of which one photo is read.

    Raises:
        OptionError: There is no stdin.
    """
    if name == "-" and sys.stdin is None:
        raise OptionError("- stands for a photo on stdin, and there is no stdin.")
    return sys.stdin.buffer if name == "-" else name


def prediction_rows(
    names: list[str], table: "pd.DataFrame", class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return predictions as plain values, the classes from likely to unlikely."""
    rows = zip(names, table.to_dict("records"), strict=True)
    return [_prediction_row(name, row, class_names) for name, row in rows]


def _prediction_row(
    name: str, row: dict[str, Any], class_names: Sequence[str]
) -> dict[str, Any]:
    if row.get("error"):
        return {"image_path": name, "error": row["error"]}
    ranked = sorted(class_names, key=lambda class_name: -row[class_name])
    return {
        "image_path": name,
        "predicted_label": row["predicted_label"],
        "score": float(row["score"]),
        **{name: row[name] for name in SURE if name in row},
        "probabilities": {class_name: float(row[class_name]) for class_name in ranked},
    }


def predictions_text(rows: list[dict[str, Any]], top: int) -> str:
    """Return a line a photo: its name, and its likeliest classes or what is wrong."""
    names = [printable(row["image_path"]) for row in rows]
    width = min(100, max(map(len, names)))
    answers = [
        f"{n:{width}}  {_answer(r, top)}" for n, r in zip(names, rows, strict=True)
    ]
    return "\n".join(answers)


def _answer(row: dict[str, Any], top: int) -> str:
    if "error" in row:
        return f"not read: {printable(row['error'])}"
    shown = list(row["probabilities"].items())[:top]
    answer = ", ".join(f"{name} {share:.1%}" for name, share in shown)
    return f"{answer}  ({row['why']})" if row.get("why") else answer
