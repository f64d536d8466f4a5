"""The command `carlib predict`: a line a photo, JSON, or a CSV that grows."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from carlib.cli import terminal
from carlib.cli.answers import answers_text, names_on_stdin, write_answers
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
@option(
    "--csv",
    "table",
    metavar="FILE",
    type=PATH,
    help="Write a row a photo as they come; photos with a row there are left out.",
)
@on_error_option
@json_option
@click.pass_context
def predict(
    ctx: click.Context,
    model: str,
    photos: tuple[str, ...],
    top: int,
    table: str | None,
    on_error: str,
    as_json: bool,
) -> None:
    """Name the damage in each PHOTO by MODEL, a saved one.

    A PHOTO is a file, a folder or a tar of them, or - for one photo on stdin. A file,
    folder or tar may have an address, such as s3://bucket/photo.jpg; a folder's ends
    in a slash.

    With --csv there may be any number of photos, a - stands for their paths on stdin,
    and one that can't be read is a row that says why. The same command again goes on
    where it was stopped or killed.

    \b
    Examples:
      carlib predict ImageModel.zip photo.jpg folder
      carlib predict ImageModel.zip - --json < photo.jpg
      carlib predict ImageModel.zip folder --csv answers.csv
      find . -name "*.jpg" | carlib predict ImageModel.zip - --csv answers.csv
    """
    from carlib.model.model import load_model

    if table:
        if ctx.get_parameter_source("on_error") == ParameterSource.COMMANDLINE:
            raise click.UsageError("--csv has a row for each photo: no --on-error.")
        _write(model, photos, table, as_json)
        return
    with stdout_kept(True):  # on stdout stand the answers alone
        names = [name for photo in photos for name in files_of(photo)]
        loaded = load_model(model)
        contents = [content_of(name) for name in names]
        table = loaded.predict(contents, on_error=on_error, progress=len(names) > 32)
    rows = prediction_rows(names, table, loaded.class_names)
    text = predictions_text(rows, top)
    show(as_json, {"model": model, "predictions": rows}, text)


def _write(model: str, photos: tuple[str, ...], table: str, as_json: bool) -> None:
    """Write the answers to a CSV, and say how many there are."""
    from carlib.model.model import load_model

    terminal.check_output(Path(table), "--csv", "answers.csv")
    with stdout_kept(as_json):
        names = [name for photo in photos for name in _listed(photo)]
        counts = write_answers(load_model(model), model, names, table)
    figures = {"model": model, "csv": table, **counts}
    show(as_json, figures, answers_text(table, counts))


def _listed(photo: str) -> list[str]:
    return names_on_stdin() if photo == "-" else files_of(photo)


def files_of(photo: str) -> list[str]:
    """Return the files that an argument names: itself, or a folder's or tar's photos.

    Raises:
        CarlibError: As from `photos_in`.
    """
    from carlib.data.sources import holds_photos, photos_in

    return photos_in(photo) if holds_photos(photo) else [photo]


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
