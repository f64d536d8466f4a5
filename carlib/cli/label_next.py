"""The command `carlib label-next`: which photos to label next."""

import click

from carlib.cli import terminal
from carlib.cli.predict import files_of
from carlib.cli.terminal import (
    COUNT,
    PATH,
    json_option,
    on_error_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import printable


@click.command("label-next", cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=PATH)
@option("--count", type=COUNT, default=20, help="How many to choose.")
@on_error_option
@workspace_option()
@json_option
def label_next(
    model: str,
    photos: tuple[str, ...],
    count: int,
    on_error: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Choose the photos to label next: unsure ones, unlike one another.

    A PHOTO is a file or a folder of them, without labels. Printed are, the first to be
    labelled first, the photo, what MODEL takes it for, and the margin: how far that is
    before the second likeliest.

    \b
    Examples:
      carlib label-next ImageModel.zip new-photos --count 20
      carlib label-next ImageModel.zip monday tuesday --json
    """
    from carlib.evaluation.label_next import label_next
    from carlib.model.model import load_model

    with stdout_kept(True):  # on stdout stand the photos alone
        names = [name for photo in photos for name in files_of(photo)]
        loaded = load_model(model, workspace)
        chosen = label_next(loaded, names, count, on_error=on_error)
    columns = ["image_path", "predicted_label", "score", "margin"]
    rows = chosen[columns].to_dict("records")
    width = max((len(printable(row["image_path"])) for row in rows), default=0)
    lines = [
        f"{printable(row['image_path']):{min(100, width)}}  {row['predicted_label']}, "
        f"by {row['margin']:.1%}"
        for row in rows
    ]
    show(as_json, {"model": model, "photos": rows}, "\n".join(lines))
