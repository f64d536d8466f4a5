"""The command `carlib fine-tune`: a saved model's backbone, trained on photos too."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    COUNT,
    DATA,
    PATH,
    json_option,
    learned_option,
    on_error_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)

if TYPE_CHECKING:
    from carlib.evaluation.metrics import Metrics


@click.command("fine-tune", cls=terminal.Command)
@click.argument("model", type=PATH)
@click.argument("data", type=DATA)
@option(
    "--output",
    metavar="FILE",
    type=PATH,
    default="TunedModel.zip",
    help="The model to write; an older one is replaced.",
)
@option(
    "--layers",
    type=COUNT,
    default=4,
    help="Convolutions to train, from the last one on; at least so many.",
)
@option("--epochs", type=COUNT, default=5, help="Passes over the photos.")
@option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=1e-4,
    help="Of the first step; it falls to 0.",
)
@option("--batch-size", type=COUNT, default=32, help="Photos a step.")
@option("--seed", default=1, help="Draws the order, and which photos are held out.")
@learned_option
@workspace_option()
@on_error_option
@json_option
def fine_tune(
    model: str,
    data: str,
    output: str,
    subset: str,
    workspace: str,
    on_error: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Train MODEL's backbone on DATA's photos too, and save what comes of it.

    What lies below the layers that are trained is computed once, and kept in FOLDER.
    Where DATA has photos in V, both models are evaluated on them, so that you see
    whether it helped; the new one's figures are saved with it.

    \b
    Examples:
      carlib fine-tune ImageModel.zip photos.zip --output TunedModel.zip
      carlib fine-tune ImageModel.zip photos --layers 7 --epochs 10
      carlib fine-tune ImageModel.zip sample --json
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.evaluate import evaluate
    from carlib.model.model import load_model
    from carlib.training.fine_tune import fine_tune

    started = time.monotonic()
    terminal.check_output(Path(output))
    with stdout_kept(as_json):
        given = load_model(model, workspace)
        photos = load_index(locate_data(data))
        learned = terminal.of_subset(photos, subset, data)
        unseen = photos[photos["subset"] == "V"] if subset == "T" else photos[:0]
        tuned = fine_tune(given, learned, on_error=on_error, **options)
        tuned.save(output)  # whatever comes now, it's there
        judged = {}
        if not unseen.empty:
            judged = {
                name: evaluate(each.predict(unseen, on_error=on_error))
                for name, each in (("before", given), ("after", tuned))
            }
            tuned.save(output, judged["after"])
    figures = {
        "model": output,
        "tuned_from": model,
        "arch": tuned.arch,
        "weights": [backbone.weights_name for backbone in tuned.backbones],
        "photos": {"T": len(learned), "V": len(unseen)},
        "notes": list(tuned.notes),
        "seconds": round(time.monotonic() - started, 1),
        **{name: metrics.to_dict() for name, metrics in judged.items()},
    }
    show(as_json, figures, tuned_text(figures, judged))


def tuned_text(figures: dict[str, Any], judged: "dict[str, Metrics]") -> str:
    """Return what `carlib fine-tune` says at its end."""
    lines = []
    if judged:
        before, after = judged["before"], judged["after"]
        lines += [f"{after}\n", f"Before it was tuned: {_short(before)}."]
    lines += [f"Note: {note}" for note in figures["notes"]]
    lines.append(f"Saved {figures['model']} after {figures['seconds']} seconds.")
    return "\n".join(lines)


def _short(metrics: "Metrics") -> str:
    return (
        f"micro-accuracy {metrics.micro_accuracy:.4f}, macro-accuracy "
        f"{metrics.macro_accuracy:.4f}, log-loss {metrics.log_loss:.4f}"
    )
