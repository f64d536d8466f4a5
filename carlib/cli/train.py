"""The command `carlib train`: a model from photos, in one line."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from carlib.cli import terminal
from carlib.cli.terminal import (
    ARCH,
    COUNT,
    DATA,
    PATH,
    json_option,
    learned_option,
    on_error_option,
    option,
    parts_of,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from carlib.training.trainer import ImageClassificationTrainer

SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
SCHEDULES = {
    "exponential": "ExponentialLRDecay",
    "polynomial": "PolynomialLRDecay",
    "lsr": "LsrDecay",
    "constant": None,
}


class Strength(click.ParamType):
    """0 or more, or auto."""

    name = "0.0…|auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | str:
        """Return the number, or "auto"."""
        return (
            value if value == "auto" else click.FloatRange(0).convert(value, param, ctx)
        )


@click.command(cls=terminal.Command)
@click.argument("data", type=DATA)
@option(
    "--arch",
    "archs",
    metavar="NAME[+NAME…]",
    type=ARCH,
    multiple=True,
    default=["auto"],
    help="The backbone, or joined ones, or auto.",
)
@option(
    "--weights",
    metavar="imagenet|none|FILE",
    type=PATH,
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
    type=PATH,
    default="ImageModel.zip",
    help="The model to write; an older one is replaced.",
)
@learned_option
@workspace_option()
@option(
    "--recommended",
    is_flag=True,
    help="The options that cross-validation found best; yours have precedence.",
)
@option("--epoch", type=COUNT, default=200, help="At most so many epochs.")
@option("--batch-size", type=COUNT, default=10, help="Photos a step.")
@option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=0.01,
    help="Of the first epochs.",
)
@option(
    "--learning-rate-scheduler",
    type=click.Choice(list(SCHEDULES)),
    default="exponential",
    help="How it changes.",
)
@option(
    "--optimizer",
    metavar="NAME",
    default="sgd",
    help="One of Keras's; or lbfgs: the optimum directly, whatever the rate.",
)
@option("--augment", type=click.Choice(["flip"]), help="Learn from mirror images, too.")
@option("--l2", type=Strength(), default=0.0, help="Penalty; auto: cross-validated.")
@option(
    "--within-class",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="Share of the penalty on the spread within classes; with lbfgs.",
)
@option(
    "--class-weight", type=click.Choice(["balanced"]), help="Rare classes count more."
)
@option(
    "--label-smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="How far to distrust the labels.",
)
@option(
    "--calibrate",
    type=click.Choice(["temperature", "bias-corrected", "adjusted"]),
    help="Make the probabilities true, by photos held out.",
)
@option("--refuse", type=SHARE, help="Say when not sure, to hold this share of errors.")
@option("--shuffle", is_flag=True, help="In a new order each epoch.")
@on_error_option
@option("--seed", default=1, help="Draws whatever is random.")
@option(
    "--early-stopping/--no-early-stopping",
    default=True,
    help="Or train all the epochs.",
)
@option(
    "--validation-fraction", type=SHARE, help="Share that is watched.  [default: 0.1]"
)
@option(
    "--log",
    "logs",
    type=click.Choice(["csv", "tensorboard"]),
    multiple=True,
    help="Write each epoch's figures to FOLDER/logs; may be given twice.",
)
@option(
    "--assert-accuracy-at-least",
    type=click.FloatRange(0, 1),
    help="Save nothing if the micro-accuracy on V is less.",
)
@json_option
@click.pass_context
def train(
    context: click.Context,
    data: str,
    output: str,
    subset: str,
    as_json: bool,
    recommended: bool,
    assert_accuracy_at_least: float | None,
    **options: Any,
) -> None:
    """Train a model on DATA's photos in T, and save it.

    Where DATA has photos in V, the model, which never saw them, is evaluated on them;
    the figures are printed and saved with it.

    \b
    Examples:
      carlib train photos.zip --output ImageModel.zip
      carlib train photos --arch EfficientNetLite0 --epoch 50
      carlib train photos --arch EfficientNetLite0+MobileNetV2 --recommended
      carlib train photos --assert-accuracy-at-least 0.75
      carlib train sample --json > figures.json
    """
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.evaluation.evaluate import evaluate
    from carlib.training.options import RECOMMENDED
    from carlib.training.photo_set import class_names

    started = time.monotonic()
    terminal.check_output(Path(output))
    options["archs"] = one_arch(options["archs"])
    if recommended:
        options |= {
            name: value
            for name, value in RECOMMENDED.items()
            if context.get_parameter_source(name) != ParameterSource.COMMANDLINE
        }
    with stdout_kept(as_json):
        photos = load_index(locate_data(data))
        photos, validation = _divided(photos, subset)
        if validation.empty and assert_accuracy_at_least is not None:
            raise OptionError(
                "--assert-accuracy-at-least needs photos in V to evaluate on.",
                hint="Leave it out, or train with --subset T on data that have V.",
            )
        class_names(photos, validation)  # before a backbone is made
        trainer = make_trainer(photos, **options)
        if trainer.on_error == "raise" and not validation.empty:
            check_photos(trainer, validation, photos)
        model, metrics = trainer.fit(photos), None
        if assert_accuracy_at_least is None:
            model.save(output)  # whatever comes now, it's there
        if not validation.empty:
            metrics = evaluate(model.predict(validation, on_error=trainer.on_error))
        if assert_accuracy_at_least is not None:
            metrics.require(micro_accuracy=assert_accuracy_at_least)
        if metrics or assert_accuracy_at_least is not None:
            model.save(output, metrics)
    figures = {
        "model": output,
        "arch": model.arch,
        "precision": model.precision,
        "class_names": list(model.class_names),
        "photos": {"T": len(photos), "V": len(validation)},
        "best_epoch": model.best_epoch,
        "l2": model.options["l2_chosen"],
        "calibration": model.calibration and model.calibration.to_dict(),
        "notes": list(model.notes),
        "seconds": round(time.monotonic() - started, 1),
        "metrics": metrics.to_dict() if metrics else None,
    }
    show(as_json, figures, trained_text(figures, metrics))


def check_photos(
    trainer: "ImageClassificationTrainer",
    validation: "pd.DataFrame",
    photos: "pd.DataFrame",
) -> None:
    """Read the photos to evaluate on before the training, lest one ends it later.

    Raises:
        ImageError: With all photos that can't be read, those to train on too.
    """
    from carlib.bottlenecks.extract import extract, unreadable
    from carlib.data.sources import as_sources

    errors: dict[str, None] = {}
    for table in (validation, photos):
        found = extract(
            as_sources(table),
            trainer.backbones,
            trainer.workspace_path,
            augment=trainer.augment,
            on_error="skip",
        )
        errors |= dict.fromkeys(found.errors.values())
        if not errors:
            return  # `fit` reads the others
    raise unreadable(list(errors), len(validation) + len(photos), kept=True)


def _divided(
    photos: "pd.DataFrame", subset: str
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    if subset == "all":
        return photos, photos[:0]
    from carlib.data.table import split

    return split(photos)


def one_arch(given: tuple[str, ...]) -> list[str]:
    """Return the names of the backbones to join: one, or those of A+B.

    Raises:
        OptionError: The option came more than once.
    """
    if len(given) > 1:
        raise OptionError(
            f"Expected one --arch for one model. Received: {len(given)}",
            hint=f"To join backbones: --arch {'+'.join(given)}. To compare them: "
            "carlib compare.",
        )
    return parts_of(given[0])


def make_trainer(
    photos: "pd.DataFrame",
    archs: list[str],
    weights: str,
    seed: int,
    precision: str,
    workspace: str,
    early_stopping: Any,
    learning_rate_scheduler: str,
    validation_fraction: float | None,
    **options: Any,
) -> "ImageClassificationTrainer":
    """Return the trainer that the options of `carlib train` describe.

    Of the photos to train on some calibrate an int8 backbone.
    """
    from carlib.backbones.architectures import ARCHS
    from carlib.backbones.backbone import Backbone
    from carlib.backbones.weights import resolve_arch
    from carlib.training import schedules
    from carlib.training.early_stopping import EarlyStopping
    from carlib.training.trainer import ImageClassificationTrainer

    given = None if weights.lower() == "none" else weights
    if given not in (None, "imagenet") and (len(archs) > 1 or archs == ["auto"]):
        raise OptionError(
            "A weights file fits one network only; --arch auto doesn't say which, "
            "nor do several.",
            hint=f"Name it with --arch: {', '.join(ARCHS)}",
        )
    calibration = photos if precision == "int8" else None
    backbones = [
        Backbone(resolve_arch(arch, given), given, seed, precision, calibration)
        for arch in archs
    ]
    schedule = SCHEDULES[learning_rate_scheduler]
    return ImageClassificationTrainer(
        arch=backbones,
        seed=seed,
        early_stopping=EarlyStopping() if early_stopping else None,
        learning_rate_scheduler=schedule and getattr(schedules, schedule)(),
        validation_set_fraction=validation_fraction or "auto",
        workspace_path=workspace,
        **options,
    )


def trained_text(figures: dict[str, Any], metrics: Any) -> str:
    """Return what `carlib train` says at its end."""
    lines = [f"{metrics}\n"] if metrics else []
    lines.append(f"Trained {figures['arch']} on {figures['photos']['T']:,} photos.")
    lines += [f"Note: {note}" for note in figures["notes"]]
    lines.append(f"Saved {figures['model']} after {figures['seconds']} seconds.")
    return "\n".join(lines)
