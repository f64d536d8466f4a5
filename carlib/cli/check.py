"""The command `carlib check`: gates for CI, with an exit code and JUnit's XML."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    DATA,
    PATH,
    json_option,
    judged_option,
    of_subset,
    option,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import DataError
from carlib.files import as_path, named_in_errors, write_text

if TYPE_CHECKING:
    import pandas as pd

SHARE = click.FloatRange(0, 1)


class Recall(click.ParamType):
    """A floor for each class, such as 0.5, or for one, such as door_dent=0.6."""

    name = "recall"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str | None, float]:
        """Return the class, None for each, and its floor."""
        if isinstance(value, tuple):
            return value
        name, _, floor = value.rpartition("=")
        return name or None, SHARE.convert(floor, param, ctx)


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("data", type=DATA)
@option("--min-macro", type=SHARE, help="The least macro-accuracy.")
@option("--min-micro", type=SHARE, help="The least micro-accuracy.")
@option("--max-log-loss", type=click.FloatRange(0), help="The highest log-loss.")
@option(
    "--min-recall",
    "recalls",
    metavar="[CLASS=]FLOOR",
    type=Recall(),
    multiple=True,
    help="The least recall of each class, or of one; may be given more than once.",
)
@option(
    "--golden",
    metavar="FILE",
    type=PATH,
    help="A CSV with the columns image and class: photos that must come out right.",
)
@option(
    "--not-worse-than",
    "old",
    metavar="OLD",
    type=PATH,
    help="A saved model that MODEL must not be significantly worse than.",
)
@judged_option
@option("--junit", metavar="FILE", type=PATH, help="Write the results as JUnit's XML.")
@workspace_option()
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    model: str,
    data: str,
    min_macro: float | None,
    min_micro: float | None,
    max_log_loss: float | None,
    recalls: tuple[tuple[str | None, float], ...],
    golden: str | None,
    old: str | None,
    subset: str,
    junit: str | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Judge MODEL, a saved one, on DATA's photos by gates.

    Leaves with 1 where it fails one of them.

    \b
    Examples:
      carlib check ImageModel.zip photos.zip --min-macro 0.75 --min-recall 0.5
      carlib check new.zip photos --min-recall 0.5 --min-recall door_dent=0.6 \\
          --golden golden.csv --not-worse-than old.zip --junit results.xml
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.check import check
    from carlib.model.model import load_model

    if junit:
        terminal.check_output(Path(junit))
    by_class = dict(recalls)
    least = by_class.pop(None, None)
    with stdout_kept(as_json):
        loaded = load_model(model, workspace)
        table = load_index(locate_data(data), test=subset == "test")
        found = check(
            loaded,
            of_subset(table, subset, data),
            min_micro=min_micro,
            min_macro=min_macro,
            max_log_loss=max_log_loss,
            min_recall=least,
            min_recalls=by_class,
            golden=read_golden(golden) if golden else None,
            not_worse_than=load_model(old, workspace) if old else None,
        )
    if junit:
        with named_in_errors(junit):
            write_text(junit, found.junit())
    figures = {"model": model, "data": data, "subset": subset, "junit": junit}
    show(as_json, figures | found.to_dict(), str(found))
    ctx.exit(int(not found.ok))


def read_golden(path: str) -> "pd.DataFrame":
    """Read golden photos: a CSV whose photos lie where it lies, or below.

    Raises:
        DataError: It's no such table.
    """
    from carlib.data.spreadsheet import read_csv

    table = read_csv(path)
    table = table.rename(columns={"image": "image_path", "class": "damage_class"})
    needed = ["image_path", "damage_class"]
    if not set(needed) <= set(table) or len(set(table)) < len(table.columns):
        raise DataError(
            f"{path}: expected the columns image and class, each once. Received: "
            f"{', '.join(map(repr, table.columns))}"
        )
    folder = as_path(path).absolute().parent
    photos = [str(folder / name) for name in table["image_path"]]
    return table[needed].assign(image_path=photos)
