"""The command `carlib`: evaluate; and those from next door."""

import click

from carlib import __version__
from carlib.cli import (
    app,
    audit,
    bottlenecks,
    cache,
    check,
    clinic,
    compare,
    costs,
    doctor,
    drift,
    export,
    fine_tune,
    label_next,
    learning_curve,
    predict,
    prove,
    report,
    terminal,
    train,
)
from carlib.cli.terminal import (
    DATA,
    PATH,
    json_option,
    judged_option,
    of_subset,
    on_error_option,
    show,
    stdout_kept,
    workspace_option,
)


@click.group(cls=terminal.Commands)
@click.version_option(__version__, message="carlib %(version)s")
def main() -> None:
    """Name the damage in a photo of a car.

    DATA is a folder that holds index.csv and the photos, a zip of one, or a folder with
    one sub-folder a class. Or a word: sample (the drawn photos), download (the
    workshop's), or auto (what CARLIB_DATA names, else the workshop's, else the sample).

    \b
    Examples:
      carlib audit sample
      carlib train sample --output m.zip
      carlib evaluate m.zip sample
      carlib predict m.zip photo.jpg
    """
    terminal.show_any_name()


main.add_command(app.app)
main.add_command(audit.audit)
main.add_command(bottlenecks.bottlenecks)
main.add_command(cache.cache)
main.add_command(check.check)
main.add_command(clinic.clinic)
main.add_command(compare.compare)
main.add_command(costs.costs)
main.add_command(doctor.doctor)
main.add_command(drift.drift)
main.add_command(export.export)
main.add_command(fine_tune.fine_tune)
main.add_command(label_next.label_next)
main.add_command(learning_curve.learning_curve)
main.add_command(predict.predict)
main.add_command(prove.prove)
main.add_command(report.report)
main.add_command(train.train)


@main.command()
@click.argument("model", type=PATH)
@click.argument("data", type=DATA)
@judged_option
@on_error_option
@workspace_option()
@json_option
def evaluate(
    model: str, data: str, subset: str, on_error: str, workspace: str, as_json: bool
) -> None:
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
        table = load_index(locate_data(data), test=subset == "test")
        photos = of_subset(table, subset, data)
        metrics = evaluate(loaded.predict(photos, on_error=on_error))
    figures = {"model": model, "data": data, "subset": subset, **metrics.to_dict()}
    show(as_json, figures, str(metrics))
