"""The command `carlib report`: a page to mail to a colleague."""

from pathlib import Path

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    DATA,
    PATH,
    json_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("data", type=DATA)
@option(
    "--output",
    metavar="FILE",
    type=PATH,
    default="report.html",
    help="The page to write; an older one is replaced.",
)
@option(
    "--subset",
    type=click.Choice(["V", "T", "all"]),
    default="V",
    help="Which of DATA's photos to judge by; all: T and V.",
)
@option("--audit/--no-audit", "audits", default=True, help="Or leave it out: faster.")
@option("--title", default="What this model is worth", help="The page's own.")
@workspace_option()
@json_option
def report(
    model: str,
    data: str,
    output: str,
    subset: str,
    audits: bool,
    title: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Write a page on how good MODEL is on DATA's photos, and why.

    One HTML file that needs no network: figures with intervals, a confusion matrix
    whose cells open their photos, the worst mistakes and what can be told of why, each
    class, calibration, what an audit of DATA finds, the training. Photos that can't be
    read are listed.

    \b
    Examples:
      carlib report ImageModel.zip photos.zip
      carlib report ImageModel.zip sample --subset all --output all.html
    """
    from carlib.audits.audit import audit
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.model.model import load_model
    from carlib.pages.report import report

    terminal.check_output(Path(output))
    with stdout_kept(as_json):
        loaded = load_model(model, workspace)
        photos = load_index(locate_data(data))
        found = audit(photos, workspace_path=workspace) if audits else None
        path = report(loaded, photos, output, subset=subset, audit=found, title=title)
    figures = {"model": model, "data": data, "subset": subset, "output": str(path)}
    size = path.stat().st_size
    text = f"Written: {path} ({size / 1e6:.1f} MB). Open it in a browser."
    show(as_json, figures | {"bytes": size}, text)
