"""The command `carlib`: evaluate, predict, export; and those from next door."""

import click

from carlib import __version__
from carlib.cli import cache, compare, terminal, train
from carlib.cli.terminal import (
    COUNT,
    json_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import DataError


@click.group(cls=terminal.Commands)
@click.version_option(__version__, message="carlib %(version)s")
def main() -> None:
    """Name the damage in a photo of a car.

    DATA is a folder that holds index.csv and the photos, a zip of one, or a folder with
    one sub-folder a class. Or a word: sample (the drawn photos), download (the
    workshop's), or auto (what CARLIB_DATA names, else the workshop's, else the sample).

    \b
    Examples:
      carlib train sample --output m.zip
      carlib evaluate m.zip sample
      carlib predict m.zip photo.jpg
    """
    terminal.show_any_name()


main.add_command(cache.cache)
main.add_command(compare.compare)
main.add_command(train.train)


@main.command()
@click.argument("model")
@click.argument("data")
@option(
    "--subset",
    type=click.Choice(["V", "T", "all"]),
    default="V",
    help="Which of DATA's photos.",
)
@workspace_option()
@json_option
def evaluate(model: str, data: str, subset: str, workspace: str, as_json: bool) -> None:
    """Measure MODEL, a saved one, on DATA's photos in V.

    \b
    Examples:
      carlib evaluate ImageModel.zip photos.zip
      carlib evaluate ImageModel.zip photos --subset all --json
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.evaluate import evaluate
    from carlib.model.model import load_model

    with stdout_kept(as_json):
        loaded = load_model(model, workspace)
        photos = load_index(locate_data(data))
        if subset != "all":
            photos = photos[photos["subset"] == subset].reset_index(drop=True)
        if photos.empty:
            raise DataError(
                f"{data} has no photos in {subset}.",
                hint="Choose another subset: --subset V, T or all.",
            )
        metrics = evaluate(loaded.predict(photos))
    figures = {"model": model, "data": data, "subset": subset, **metrics.to_dict()}
    show(as_json, figures, str(metrics))


@main.command()
@click.argument("model")
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@option(
    "--top",
    type=COUNT,
    default=3,
    help="Classes to show a photo.",
)
@option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="What to do about a photo that can't be read.",
)
@json_option
def predict(
    model: str, photos: tuple[str, ...], top: int, on_error: str, as_json: bool
) -> None:
    """Name the damage in each PHOTO by MODEL, a saved one.

    A PHOTO is a file, a folder of them, or - for one photo on stdin.

    \b
    Examples:
      carlib predict ImageModel.zip photo.jpg folder
      carlib predict ImageModel.zip - --json < photo.jpg
    """
    from carlib.model.model import load_model

    with stdout_kept(as_json):
        names = [name for photo in photos for name in terminal.files_of(photo)]
        loaded = load_model(model)
        contents = [terminal.content_of(name) for name in names]
        table = loaded.predict(contents, on_error=on_error, progress=len(names) > 32)
    rows = terminal.prediction_rows(names, table, loaded.class_names)
    text = terminal.predictions_text(rows, top)
    show(as_json, {"model": model, "predictions": rows}, text)


@main.command()
@click.argument("model")
@click.argument("folder", metavar="DIR")
@option(
    "--format",
    "formats",
    type=click.Choice(["saved_model", "pb"]),
    multiple=True,
    default=["saved_model", "pb"],
    help="May be given more than once.",
)
@option("--overwrite", is_flag=True, help="Replace an export in DIR.")
@json_option
def export(
    model: str, folder: str, formats: tuple[str, ...], overwrite: bool, as_json: bool
) -> None:
    """Write MODEL, a saved one, into DIR for plain TensorFlow.

    \b
    Examples:
      carlib export ImageModel.zip exported
      carlib export ImageModel.zip exported --format pb --overwrite
    """
    from carlib.model.export import export
    from carlib.model.model import load_model

    with stdout_kept(as_json):
        loaded = load_model(model)
        paths = export(loaded, folder, formats, overwrite)
    exported = {name: str(path) for name, path in paths.items()}
    figures = {"exported": exported, "class_names": list(loaded.class_names)}
    text = "\n".join(f"{name}: {path}" for name, path in exported.items())
    show(as_json, {"model": model, **figures}, text)
