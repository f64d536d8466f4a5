"""The command `carlib compare`: backbones side by side, as a table and a picture."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    ARCH,
    COUNT,
    DATA,
    PATH,
    json_option,
    of_subset,
    on_error_option,
    option,
    parts_of,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import OptionError
from carlib.files import named_in_errors, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from carlib.evaluation.compare import Comparison

PICTURES = (".png", ".svg", ".pdf")


@click.command(cls=terminal.Command)
@click.argument("data", type=DATA)
@option(
    "--arch",
    "archs",
    metavar="NAME[+NAME…]",
    type=ARCH,
    multiple=True,
    required=True,
    help="A backbone, or joined ones; give it twice or more.",
)
@option("--folds", type=click.IntRange(2), default=5, help="Parts to divide DATA into.")
@option("--seeds", type=COUNT, default=3, help="How often to divide DATA anew.")
@option(
    "--subset",
    type=click.Choice(["all", "T", "V"]),
    default="all",
    help="Which of DATA's photos; T leaves those in V for a last judgement.",
)
@option(
    "--recommended",
    is_flag=True,
    help="Train as carlib train --recommended does; it takes minutes.",
)
@on_error_option
@option(
    "--output", metavar="FILE", type=PATH, help="Draw a picture: a .png, .svg or .pdf."
)
@workspace_option()
@json_option
def compare(
    data: str,
    archs: tuple[str, ...],
    folds: int,
    seeds: int,
    subset: str,
    recommended: bool,
    on_error: str,
    output: str | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Compare backbones on DATA's photos by cross-validation.

    A row a backbone: micro-accuracy, macro-accuracy and log-loss with their
    intervals, photos a second, size, and the difference from the first row with the p
    of a paired test. Below it what that comes to, in words, and how many photos would
    tell where these don't. All are judged on the same folds, by the same options.

    \b
    Examples:
      carlib compare photos.zip --arch EfficientNetLite0 --arch InceptionV3
      carlib compare photos --arch EfficientNetLite0 \\
          --arch EfficientNetLite0+MobileNetV2-0.35 --output figure.png
      carlib compare sample --arch A --arch B --folds 3 --seeds 1 --json
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.compare import compare
    from carlib.training.options import RECOMMENDED, TrainingOptions

    check_picture(output)
    with stdout_kept(as_json):
        photos = of_subset(load_index(locate_data(data)), subset, data)
        comparison = compare(
            photos,
            [parts_of(arch) for arch in archs],
            TrainingOptions(**(RECOMMENDED if recommended else {})),
            folds=folds,
            seeds=range(1, seeds + 1),
            workspace_path=workspace,
            on_error=on_error,
        )
        if output:
            with named_in_errors(output):
                write_bytes(output, picture_of(comparison, Path(output).suffix))
    figures = {"data": data, "subset": subset, "output": output}
    text = f"{comparison}\nDrawn: {output}" if output else str(comparison)
    show(as_json, figures | comparison.to_dict(), text)


def check_picture(output: str | None) -> None:
    """Refuse a picture that could not be drawn or written: before the work.

    Raises:
        OptionError: It's of another kind, or its folder can't be written to.
        CarlibError: matplotlib isn't installed.
    """
    from carlib.plots.style import house_style

    if output is None:
        return
    if Path(output).suffix.lower() not in PICTURES:
        raise OptionError(
            f"--output must be a picture: {', '.join(PICTURES)}. Received: {output}",
            hint="Name it such as --output figure.png.",
        )
    terminal.check_output(Path(output))
    with house_style():
        pass


def picture_of(comparison: "Comparison", suffix: str) -> bytes:
    """Return the chart of a comparison as the content of a picture's file."""
    from carlib.plots.comparison import plot_comparison

    return drawn(lambda: plot_comparison(comparison), suffix)


def drawn(draw: "Callable[[], Figure]", suffix: str) -> bytes:
    """Return a figure as the content of a picture's file; it is closed."""
    from carlib.plots.style import house_style

    buffer = io.BytesIO()
    with house_style() as plt:
        figure = draw()
        figure.canvas.print_figure(buffer, format=suffix.lower().lstrip("."), dpi=150)
        plt.close(figure)
    return buffer.getvalue()
