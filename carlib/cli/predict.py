"""The command `carlib predict`: a line a photo, or JSON."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import COUNT, json_option, option, show, stdout_kept
from carlib.data.locate import PHOTO_SUFFIXES
from carlib.errors import ImageError

if TYPE_CHECKING:
    import pandas as pd


@click.command(cls=terminal.Command)
@click.argument("model")
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@option(
    "--top",
    type=COUNT,
    default=3,
    help="Classes to show a photo.",
)
@option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="What to do about a photo that can't be read.",
)
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

    with stdout_kept(as_json):
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
    if not Path(photo).is_dir():
        return [photo]
    files = (path for path in Path(photo).rglob("*") if path.is_file())
    found = sorted(str(f) for f in files if f.suffix.lower() in PHOTO_SUFFIXES)
    if not found:
        raise ImageError(f"No photos in {photo}.")
    return found


def content_of(name: str) -> str | bytes:
    """Return a photo's name, or for - the bytes of the photo on stdin."""
    return sys.stdin.buffer.read() if name == "-" else name


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
        "probabilities": {class_name: float(row[class_name]) for class_name in ranked},
    }


def predictions_text(rows: list[dict[str, Any]], top: int) -> str:
    """Return a line a photo: its name, and its likeliest classes or what is wrong."""
    width = max(len(row["image_path"]) for row in rows)
    return "\n".join(
        f"{row['image_path']:{width}}  {_answer(row, top)}" for row in rows
    )


def _answer(row: dict[str, Any], top: int) -> str:
    if "error" in row:
        return f"not read: {row['error']}"
    shown = list(row["probabilities"].items())[:top]
    return ", ".join(f"{name} {share:.1%}" for name, share in shown)
