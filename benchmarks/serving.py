"""What a workspace costs a server: one photo a call, of a model that stays loaded.

    python benchmarks/serving.py ImageModel.zip
    python benchmarks/serving.py ImageModel.zip --rows 100000 --growth 10000

Calls of all ways take turns, so that what else runs on the machine slows all alike.
Nothing is written but temporary folders and the file named by --json.
"""

import dataclasses
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from copies import distinct, source
from text_tables import machine, table

import carlib
from carlib.bottlenecks.cache import open_index, open_shards

A_SHARD = 500  # rows: what a run computes in five seconds
SETTLED = 0.5  # seconds after which shards are old enough to be trusted


@click.command(help=__doc__.partition("\n")[0])
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--rows", default=15_000, show_default=True, help="Of the full workspace."
)
@click.option("--calls", default=200, show_default=True, help="Of each way.")
@click.option("--growth", default=0, help="New photos after that, for the memory.")
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(model: str, rows: int, calls: int, growth: int, data: str, json_file) -> None:
    found: dict = {"machine": machine(), "rows": rows}
    click.echo(f"{found['machine']['chip']}, {found['machine']['cores']} cores")
    photos, loaded = source(data), carlib.load_model(model)
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        ways = {
            "no workspace": None,
            "an empty one": Path(folder) / "empty",
            f"one of {rows:,} photos": Path(folder) / "full",
        }
        fill(ways[f"one of {rows:,} photos"], loaded, rows)
        found["seconds"] = measure(loaded, ways, photos, calls)
        click.echo(seconds_table(found["seconds"]))
        found["growth"] = grow(loaded, ways, photos, growth) if growth else []
        for line in found["growth"]:
            click.echo(line)
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def fill(workspace: Path, model: carlib.ImageClassificationModel, rows: int) -> None:
    """Fill a workspace with features of chance, and the status of as many files."""
    draw = np.random.default_rng(1)
    for backbone in model.backbones:
        shards = open_shards(workspace, backbone, look=False)
        for first in range(0, rows, A_SHARD):
            keys = [draw.bytes(32) for _ in range(min(A_SHARD, rows - first))]
            features = draw.random((len(keys), backbone.n_features), np.float32)
            shards.add([shards.rows(keys, features)])
    index, status = open_index(workspace), os.stat(__file__)  # noqa: PTH116
    for number in range(rows):
        index.learn(Path(f"photo-{number}"), status, time.time_ns(), draw.bytes(32))
    index.save()
    time.sleep(SETTLED)


def measure(model, ways: dict, photos: list[bytes], calls: int) -> dict:
    """Time calls on a new photo and, at once, on the same one again.

    Returns:
        Seconds by way, "new" or "cached", and call.
    """
    found = {f"{kind}, {way}": [] for way in ways for kind in ("new", "cached")}
    models = {
        w: dataclasses.replace(model, workspace_path=at) for w, at in ways.items()
    }
    for number in range(-10, calls):
        photo = distinct(photos[number % len(photos)], number)
        for way, one in models.items():
            for kind in ("new", "cached"):
                began = time.perf_counter()
                one.predict([photo], progress=False)
                if number >= 0:  # the others warm up
                    found[f"{kind}, {way}"].append(time.perf_counter() - began)
    return found


def seconds_table(found: dict[str, list[float]]) -> str:
    """Describe the ways, each in a row."""
    base = statistics.median(found["new, no workspace"])
    rows = [
        [
            way,
            f"{1000 * statistics.median(seconds):.2f}",
            f"{1000 * float(np.quantile(seconds, 0.95)):.2f}",
            f"{statistics.median(seconds) / base:.2f} ×",
        ]
        for way, seconds in found.items()
    ]
    return table(["a photo, in a workspace", "ms, median", "95 %", "to none"], rows)


def grow(model, ways: dict, photos: list[bytes], count: int) -> list[str]:
    """Predict new photos one by one, and tell the memory and the files in between."""
    workspace = [*ways.values()][-1]
    one, told = dataclasses.replace(model, workspace_path=workspace), []
    for number in range(count):
        photo = distinct(photos[number % len(photos)], 10**9 + number)
        one.predict([photo], progress=False)
        if (number + 1) % (count // 5) == 0:
            files = len([*workspace.rglob("*.npy")])
            told.append(
                f"{number + 1:,} new photos: {_peak_mb():.0f} MB, {files} files"
            )
    return told


def _peak_mb() -> float:
    """Return the largest resident size that this process had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
