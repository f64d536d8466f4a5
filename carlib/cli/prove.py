"""The command `carlib prove`: are a model's figures what the data say?"""

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    DATA,
    PATH,
    json_option,
    judged_option,
    show,
    stdout_kept,
    workspace_option,
)


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("data", type=DATA)
@judged_option
@workspace_option()
@json_option
@click.pass_context
def prove(
    ctx: click.Context,
    model: str,
    data: str,
    subset: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Find the figures stored in MODEL anew from DATA, and name what differs.

    Photos that changed, lack or have another label, weights, and each figure. Leaves
    with 1 where something differs.

    \b
    Examples:
      carlib prove ImageModel.zip photos.zip
      carlib prove ImageModel.zip photos --json
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.prove import prove
    from carlib.model.model import load_model

    with stdout_kept(as_json):
        loaded = load_model(model, workspace)
        photos = load_index(locate_data(data), test=subset == "test")
        found = prove(loaded, photos, subset)
    figures = {"model": model, "data": data, "subset": subset}
    show(as_json, figures | found.to_dict(), str(found))
    ctx.exit(int(not found.ok))
