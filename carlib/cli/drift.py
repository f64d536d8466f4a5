"""The command `carlib drift`: do the photos still look like those trained on?"""

import click

from carlib.cli import terminal
from carlib.cli.predict import files_of
from carlib.cli.terminal import (
    PATH,
    json_option,
    on_error_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=PATH)
@option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    help="How often an alarm may be false.",
)
@on_error_option
@workspace_option()
@json_option
@click.pass_context
def drift(
    ctx: click.Context,
    model: str,
    photos: tuple[str, ...],
    alpha: float,
    on_error: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Tell whether photos still look like those that MODEL was trained on.

    A PHOTO is a file or a folder of them; labels aren't needed. Leaves with 1 where
    they don't, or where it can't be told.

    \b
    Examples:
      carlib drift ImageModel.zip incoming
      carlib drift ImageModel.zip monday tuesday --alpha 0.01 --json
    """
    from carlib.evaluation.drift import drift
    from carlib.model.model import load_model

    with stdout_kept(as_json):
        names = [name for photo in photos for name in files_of(photo)]
        loaded = load_model(model, workspace)
        found = drift(loaded, names, alpha=alpha, on_error=on_error)
    show(as_json, {"model": model, **found.to_dict()}, str(found))
    ctx.exit(int(found.found))
