"""The command `carlib`: train, evaluate, predict, export; and, next door, `cache`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import carlib
from carlib import cachecli, comparecli, terminal
from carlib.errors import DataError, OptionError
from carlib.terminal import (
    COUNT,
    json_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)

if TYPE_CHECKING:
    import pandas as pd


@click.group(cls=terminal.Commands)
@click.version_option(carlib.__version__, message="carlib %(version)s")
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


main.add_command(cachecli.cache)
main.add_command(comparecli.compare)


@main.command()
@click.argument("data")
@option("--arch", default="auto", help="The backbone's name, or auto.")
@option(
    "--weights",
    metavar="imagenet|none|FILE",
    default="imagenet",
    help="The backbone's weights; none: random ones, drawn from the seed.",
)
@option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16", "int8"]),
    default="auto",
    help="What the backbone computes in; auto: the chip's own.",
)
@option(
    "--output",
    metavar="FILE",
    default="ImageModel.zip",
    help="The model to write; an older one is replaced.",
)
@workspace_option()
@option("--epoch", type=COUNT, default=200, help="At most so many epochs.")
@option("--batch-size", type=COUNT, default=10, help="Photos a step.")
@option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=0.01,
    help="Of the first epochs; it decays.",
)
@option("--seed", default=1, help="Draws whatever is random.")
@option("--no-early-stopping", is_flag=True, help="Train all the epochs.")
@option(
    "--validation-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    help="Share of T that early stopping watches.",
)
@json_option
def train(data: str, output: str, as_json: bool, **options: Any) -> None:
    """Train a model on DATA's photos in T, and save it.

    Where DATA has photos in V, the model, which never saw them, is evaluated on them;
    the figures are printed and saved with it.

    \b
    Examples:
      carlib train photos.zip --output ImageModel.zip
      carlib train photos --arch EfficientNetLite0 --epoch 50
      carlib train sample --json > figures.json
    """
    started = time.monotonic()
    terminal.check_output(Path(output))
    with stdout_kept(as_json):
        photos, validation = carlib.split(carlib.load_index(carlib.locate_data(data)))
        model, metrics = make_trainer(photos, **options).fit(photos), None
        if not validation.empty:
            metrics = carlib.evaluate(model.predict(validation))
        model.save(output, metrics)
    figures = {
        "model": output,
        "arch": model.arch,
        "precision": model.precision,
        "class_names": list(model.class_names),
        "photos": {"T": len(photos), "V": len(validation)},
        "best_epoch": model.best_epoch,
        "notes": list(model.notes),
        "seconds": round(time.monotonic() - started, 1),
        "metrics": metrics.to_dict() if metrics else None,
    }
    show(as_json, figures, terminal.trained_text(figures, metrics))


def make_trainer(
    photos: "pd.DataFrame",
    arch: str,
    weights: str,
    seed: int,
    precision: str,
    **options: Any,
) -> "carlib.ImageClassificationTrainer":
    """Return the trainer that the options of `carlib train` describe.

    Of the photos to train on some calibrate an int8 backbone.
    """
    given = None if weights.lower() == "none" else weights
    if arch == "auto" and given not in (None, "imagenet"):
        raise OptionError(
            "A weights file fits one network only; --arch auto doesn't say which.",
            hint=f"Name it with --arch: {', '.join(carlib.ARCHS)}",
        )
    name = carlib.resolve_arch(arch, given)
    calibration = photos if precision == "int8" else None
    backbone = carlib.Backbone(name, given, seed, precision, calibration)
    return carlib.ImageClassificationTrainer(
        arch=backbone,
        seed=seed,
        batch_size=options["batch_size"],
        epoch=options["epoch"],
        learning_rate=options["learning_rate"],
        early_stopping=None if options["no_early_stopping"] else carlib.EarlyStopping(),
        validation_set_fraction=options["validation_fraction"],
        workspace_path=options["workspace"],
    )


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
    with stdout_kept(as_json):
        loaded = carlib.load_model(model, workspace)
        photos = carlib.load_index(carlib.locate_data(data))
        if subset != "all":
            photos = photos[photos["subset"] == subset].reset_index(drop=True)
        if photos.empty:
            raise DataError(
                f"{data} has no photos in {subset}.",
                hint="Choose another subset: --subset V, T or all.",
            )
        metrics = carlib.evaluate(loaded.predict(photos))
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
    with stdout_kept(as_json):
        names = [name for photo in photos for name in terminal.files_of(photo)]
        loaded = carlib.load_model(model)
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
    with stdout_kept(as_json):
        loaded = carlib.load_model(model)
        paths = carlib.export(loaded, folder, formats, overwrite)
    exported = {name: str(path) for name, path in paths.items()}
    figures = {"exported": exported, "class_names": list(loaded.class_names)}
    text = "\n".join(f"{name}: {path}" for name, path in exported.items())
    show(as_json, {"model": model, **figures}, text)
