"""The command `carlib audit`: what is wrong with the data, before it's trained on."""

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    ARCH,
    DATA,
    PATH,
    decisions_in,
    json_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)


@click.command(cls=terminal.Command)
@click.argument("data", type=DATA)
@option(
    "--arch",
    metavar="NAME",
    type=ARCH,
    default="EfficientNetLite0",
    help="The backbone whose features tell what is alike.",
)
@option(
    "--decisions",
    metavar="FILE",
    type=PATH,
    help="What was decided before; else labels.patch.csv in DATA's folder, if any.",
)
@workspace_option()
@json_option
@click.pass_context
def audit(
    ctx: click.Context,
    data: str,
    arch: str,
    decisions: str | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Look through DATA's photos and labels for what is wrong with them.

    Files that can't be read or have a false suffix; copies, near and mirrored ones too,
    above all those in T and V or under two labels; doubtful labels; odd photos; tiny
    and similar classes. Nothing is changed.

    Leaves with 1 where something must be put right: an unreadable file, a picture in
    T and V or under two labels, a class of one picture or with another's name.

    \b
    Examples:
      carlib audit photos.zip
      carlib audit photos --json > audit.json
    """
    from carlib.audits.audit import audit
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index

    with stdout_kept(as_json):
        folder = locate_data(data)
        known = decisions_in(folder, decisions)
        photos = load_index(folder, test=True)
        found = audit(photos, arch, workspace_path=workspace, decisions=known)
    figures = {"data": data, "decisions": known, **found.to_dict()}
    wrong = "\n".join(["", "To be put right:", *(f"  {each}" for each in found.wrong)])
    show(as_json, figures, f"{found}\n{wrong}" if found.wrong else str(found))
    ctx.exit(int(bool(found.wrong)))
