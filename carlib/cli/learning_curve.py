"""The command `carlib learning-curve`: how many more photos?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carlib.cli import terminal
from carlib.cli.compare import check_picture, drawn
from carlib.cli.terminal import (
    COUNT,
    DATA,
    PATH,
    arch_option,
    json_option,
    of_subset,
    option,
    parts_of,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import OptionError
from carlib.files import named_in_errors, write_bytes

if TYPE_CHECKING:
    from carlib.evaluation.learning_curve import Foretold, LearningCurve


@click.command("learning-curve", cls=terminal.Command)
@click.argument("data", type=DATA)
@arch_option
@option(
    "--more",
    "asked",
    metavar="CLASS=COUNT",
    multiple=True,
    help="Foretell so many more photos of a class; may be given more than once.",
)
@option("--repeats", type=COUNT, default=3, help="How often to divide DATA anew.")
@option(
    "--subset",
    type=click.Choice(["all", "T", "V"]),
    default="all",
    help="Which of DATA's photos.",
)
@option(
    "--output", metavar="FILE", type=PATH, help="Draw a picture: a .png, .svg or .pdf."
)
@workspace_option()
@json_option
def learning_curve(
    data: str,
    arch: str,
    asked: tuple[str, ...],
    repeats: int,
    subset: str,
    output: str | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Foretell what more photos would give: of all classes, and of each.

    Heads are trained on fewer photos than DATA has; from how the figures rose follows,
    with its band, what half as many again and twice as many would give.

    \b
    Examples:
      carlib learning-curve photos.zip
      carlib learning-curve photos --more bumper_scratch=40 --output figure.png
    """
    from carlib.backbones.weights import resolve_arch
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.learning_curve import learning_curve
    from carlib.training.options import RECOMMENDED
    from carlib.training.trainer import ImageClassificationTrainer

    check_picture(output)
    wanted = [count_of(each) for each in asked]
    with stdout_kept(as_json):
        photos = of_subset(load_index(locate_data(data)), subset, data)
        parts = [resolve_arch(part) for part in parts_of(arch)]
        trainer = ImageClassificationTrainer(
            arch=parts, workspace_path=workspace, **RECOMMENDED
        )
        curve = learning_curve(photos, trainer, repeats=repeats)
        foretold = [curve.foretell(more, of=name) for name, more in wanted]
        if output:
            with named_in_errors(output):
                write_bytes(output, picture_of(curve, Path(output).suffix))
    figures = {"data": data, "subset": subset, "output": output, **curve.to_dict()}
    asked_for = [vars(each) for each in foretold]
    show(as_json, figures | {"asked": asked_for}, _text(curve, foretold, output))


def count_of(asked: str) -> tuple[str, int]:
    """Return the class and the number of photos that an option asks for.

    Raises:
        OptionError: It's not CLASS=COUNT.
    """
    name, _, count = asked.rpartition("=")
    if not name or not count.isdecimal():
        raise OptionError(
            f"Expected a class and a number of photos. Received: --more {asked!r}",
            hint="Such as --more door_dent=40.",
        )
    return name, int(count)


def picture_of(curve: "LearningCurve", suffix: str) -> bytes:
    """Return the charts of a curve as the content of a picture's file."""
    from carlib.plots.learning_curve import plot_learning_curves

    return drawn(lambda: plot_learning_curves(curve)[0].figure, suffix)


def _text(
    curve: "LearningCurve", foretold: list["Foretold"], output: str | None
) -> str:
    said = [str(each)[:1].upper() + str(each)[1:] + "." for each in foretold]
    drawn = [f"Drawn: {output}"] if output else []
    return "\n".join([str(curve), *([""] if said or drawn else []), *said, *drawn])
