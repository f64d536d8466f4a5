"""The command `carlib export`: a model for other programs, and a table of formats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    DATA,
    PATH,
    Words,
    json_option,
    option,
    show,
    stdout_kept,
)
from carlib.exports.formats import FORMATS


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("folder", metavar="DIR", type=PATH)
@option(
    "--format",
    "formats",
    type=Words([*FORMATS]),
    multiple=True,
    default=["saved_model", "pb"],
    help="May be given more than once.",
)
@option(
    "--photos",
    metavar="DATA",
    type=DATA,
    help="Whose photos to check on, and to calibrate int8 on; else drawn ones.",
)
@option(
    "--train",
    metavar="DATA",
    type=DATA,
    help="The photos it was trained on: then web and html can be taught more.",
)
@option("--overwrite", is_flag=True, help="Replace an export in DIR.")
@option("--bench", is_flag=True, help="Show size, speed and agreement of each.")
@json_option
def export(
    model: str,
    folder: str,
    formats: tuple[str, ...],
    photos: str | None,
    train: str | None,
    overwrite: bool,
    bench: bool,
    as_json: bool,
) -> None:
    """Write MODEL, a saved one, into DIR for programs without carlib.

    Beside each format lie an example client, the labels, a manifest and the model's
    card. The client is run on photos first: if it gives other answers than MODEL does,
    nothing is written.

    \b
    Examples:
      carlib export ImageModel.zip exported
      carlib export ImageModel.zip exported --format onnx --format tflite --bench
      carlib export ImageModel.zip exported --format pb --overwrite
      carlib export ImageModel.zip phone --format tflite-int8 --photos photos.zip
      carlib export ImageModel.zip page --format html --train photos.zip
    """
    from carlib.exports.export import export
    from carlib.exports.manifest import MAX_BYTES, NAME
    from carlib.model.model import load_model
    from carlib.reading import read_json

    with stdout_kept(as_json):
        loaded = load_model(model)
        paths = export(
            loaded, folder, formats, overwrite, _photos(photos), _train(train)
        )
        told = read_json(Path(folder, NAME), MAX_BYTES)["exports"]
    exported = {name: str(path) for name, path in paths.items()}
    figures = {"exported": exported, "class_names": list(loaded.class_names)}
    text = "\n".join(f"{name}: {path}" for name, path in exported.items())
    if bench:
        text, figures = f"{text}\n\n{table_text(told)}", figures | {"bench": told}
    show(as_json, {"model": model, **figures}, text)


def _photos(data: str | None) -> Any:
    if data is None:
        return None
    from carlib.data.locate import locate_data

    return locate_data(data)


def _train(data: str | None) -> Any:
    if data is None:
        return None
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index

    return terminal.of_subset(load_index(locate_data(data)), "T", data)


def table_text(exports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line a format: size, speed, and how far it agrees with the model."""
    header = (
        f"{'format':16}{'MB':>8}{'ms a photo':>12}{'same label':>14}{'differs by':>12}"
    )
    return "\n".join([header, *(_line(*each) for each in exports.items())])


def _line(name: str, told: Mapping[str, Any]) -> str:
    start = f"{name:16}{told['megabytes']:>8.2f}"
    if "photos" not in told:
        return start
    labels = f"{told['labels_equal']:,} of {told['photos']:,}"
    difference = told["largest_difference"]
    return f"{start}{told['milliseconds']:>12.1f}{labels:>14}{difference:>12.1e}"
