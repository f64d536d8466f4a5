"""The command `carlib bottlenecks`: the features of DATA's photos, once and for all."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    DATA,
    arch_option,
    json_option,
    on_error_option,
    option,
    parts_of,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

ANSWER = 10  # seconds for a scheduler to answer


@click.command(cls=terminal.Command)
@click.argument("data", type=DATA)
@arch_option
@option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    help="What the backbone computes in; auto: this machine's chip's own.",
)
@option("--augment", type=click.Choice(["flip"]), help="Mirror images, too.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="A Dask scheduler, whose workers compute.  [default: this machine alone]",
)
@workspace_option()
@on_error_option
@json_option
def bottlenecks(
    data: str,
    arch: str,
    precision: str,
    augment: str | None,
    scheduler: str | None,
    workspace: str,
    on_error: str,
    as_json: bool,
) -> None:
    """Compute the features of DATA's photos, and keep them in the workspace.

    What is kept already is not computed again: stop it and start it as you like, or add
    photos. `carlib train` and the others take the features from there. With a scheduler
    all workers must see DATA and the workspace at the same places.

    \b
    Examples:
      carlib bottlenecks photos.zip
      carlib bottlenecks photos --arch InceptionV3 --augment flip
      carlib bottlenecks /shared/photos --workspace /shared/workspace \\
        --scheduler tcp://10.0.0.1:8786
    """
    from carlib.backbones.backbone import Backbone
    from carlib.bottlenecks.extract import extract
    from carlib.data.locate import locate_data
    from carlib.data.sources import as_sources
    from carlib.data.table import load_index

    began = time.monotonic()
    with stdout_kept(as_json):
        photos = load_index(locate_data(data))
        backbones = [Backbone(name, precision=precision) for name in parts_of(arch)]
        there = connected(scheduler) if scheduler else contextlib.nullcontext()
        with there as client:
            found = extract(
                as_sources(photos),
                backbones,
                workspace,
                augment=augment,
                on_error=on_error,
                client=client,
            )
    figures = {
        "workspace": workspace,
        "archs": [backbone.arch for backbone in backbones],
        "precision": backbones[0].precision,
        "photos": len(photos),
        "cached": found.n_cached,
        "computed": found.n_computed,
        "skipped": list(found.errors.values()),
        "seconds": round(time.monotonic() - began, 1),
    }
    show(as_json, figures, computed_text(figures))


@contextlib.contextmanager
def connected(address: str) -> Iterator["Client"]:
    """Yield a client of the scheduler at an address.

    Raises:
        OptionError: Dask isn't installed.
        ClusterError: Nobody answers there.
    """
    from carlib.bottlenecks.cluster import check_dask

    check_dask()
    from distributed import Client

    log = logging.getLogger("distributed")
    log.setLevel(logging.CRITICAL)  # of a lost scheduler we tell, without a traceback
    try:
        client = Client(address, timeout=ANSWER)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {address}: {error}",
            hint="Start one by `dask scheduler`, and workers by `dask worker ADDRESS`.",
        ) from error
    with client:
        yield client


def computed_text(figures: dict[str, Any]) -> str:
    """Return what `carlib bottlenecks` says at its end."""
    skipped, names = figures["skipped"], " and ".join(figures["archs"])
    n_photos, seconds = figures["photos"], figures["seconds"]
    done = f"{n_photos - len(skipped):,} of {n_photos:,} photos have their features"
    lines = [f"{done} of {names} in {figures['workspace']}, after {seconds} seconds."]
    return "\n".join([*lines, *(f"Skipped: {why}" for why in skipped)])
