"""The command `carlib clinic`: a page to decide about labels in, and their worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import pandas as pd


@click.command(cls=terminal.Command)
@click.argument("data", type=DATA)
@option(
    "--output",
    metavar="FILE",
    type=PATH,
    default="clinic.html",
    help="The page to write; an older one is replaced.",
)
@option(
    "--decisions",
    metavar="FILE",
    type=PATH,
    help="What was decided before, to be saved again with the rest and not asked; else "
    "labels.patch.csv in DATA's folder, if any.",
)
@option(
    "--worth",
    metavar="FILE",
    type=PATH,
    help="Write no page, but tell what the decisions in FILE are worth.",
)
@option(
    "--arch",
    metavar="NAME",
    type=ARCH,
    default="EfficientNetLite0",
    help="The backbone whose features tell what is alike.",
)
@workspace_option()
@json_option
def clinic(
    data: str,
    output: str,
    decisions: str | None,
    worth: str | None,
    arch: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Write a page in which to decide about DATA's doubtful labels, a key each.

    It shows labels that may be wrong and photos that are there twice, and saves what
    you decide as labels.patch.csv. DATA is never changed: in Python, load_index(folder,
    patch="labels.patch.csv") reads it as you decided.

    With --worth, heads are trained on T before and after the decisions, and both are
    judged by V, as it is.

    \b
    Examples:
      carlib clinic photos.zip --output clinic.html
      carlib clinic photos.zip --worth labels.patch.csv
      carlib clinic photos.zip --decisions labels.patch.csv
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index

    if not worth:
        terminal.check_output(Path(output))
    with stdout_kept(as_json):
        folder = locate_data(data)
        photos = load_index(folder)
        if worth:
            figures, text = _worth(photos, worth, arch, workspace)
        else:
            known = decisions_in(folder, decisions)
            figures, text = _page(photos, output, known, arch, workspace)
    show(as_json, {"data": data, **figures}, text)


def _worth(
    photos: "pd.DataFrame", patch: str, arch: str, workspace: str
) -> tuple[dict[str, Any], str]:
    from carlib.evaluation.patch_worth import patch_worth

    found = patch_worth(photos, patch, arch, workspace_path=workspace)
    return {"patch": patch, **found.to_dict()}, str(found)


def _page(
    photos: "pd.DataFrame",
    output: str,
    decisions: str | None,
    arch: str,
    workspace: str,
) -> tuple[dict[str, Any], str]:
    from carlib.pages.clinic import clinic

    path = clinic(
        photos, output, decisions=decisions, arch=arch, workspace_path=workspace
    )
    size = path.stat().st_size
    text = f"Written: {path} ({size / 1e6:.1f} MB). Open it in a browser."
    return {"output": str(path), "decisions": decisions, "bytes": size}, text
