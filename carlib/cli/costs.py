"""The command `carlib costs`: what answers cost, and what a person's look saves."""

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    DATA,
    PATH,
    json_option,
    judged_option,
    of_subset,
    on_error_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("data", type=DATA)
@option(
    "--matrix",
    metavar="FILE",
    type=PATH,
    required=True,
    help="A CSV: what it costs to answer a class (columns) where another is right "
    "(rows).",
)
@option(
    "--review",
    metavar="COST",
    type=click.FloatRange(0),
    required=True,
    help="What it costs to let a person answer.",
)
@judged_option
@on_error_option
@workspace_option()
@json_option
def costs(
    model: str,
    data: str,
    matrix: str,
    review: float,
    subset: str,
    on_error: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Count what MODEL's answers to DATA's photos cost, and what a look would save.

    For each photo the answer is taken that costs least, or a person asked where that is
    cheaper. Below stands, for each class, from which probability on nobody need look.

    \b
    Examples:
      carlib costs ImageModel.zip photos.zip --matrix costs.csv --review 15
      carlib costs ImageModel.zip photos --matrix costs.csv --review 15 --json
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.costs import costs, matrix_of
    from carlib.model.model import load_model

    with stdout_kept(as_json):
        loaded = load_model(model, workspace)
        matrix_of(matrix, loaded.class_names)  # before a photo is looked at
        table = load_index(locate_data(data), test=subset == "test")
        photos = of_subset(table, subset, data)
        found = costs(loaded.predict(photos, on_error=on_error), matrix, review)
    lines = [str(found), "", "nobody need look from the probability"]
    for name, least in found.to_dict()["thresholds"].items():
        lines.append(f"  {name}: {'never' if least is None else f'{least:.2f}'}")
    figures = {"model": model, "data": data, "subset": subset}
    show(as_json, figures | found.to_dict(), "\n".join(lines))
