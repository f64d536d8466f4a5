"""How `carlib predict --csv` keeps up with the engine, and what memory it takes.

    python benchmarks/answers.py
    python benchmarks/answers.py --photos 500 --rounds 1
    python benchmarks/answers.py --model ImageModel.zip --data photos.zip

In turn, round by round: the engine alone, on pixels that were decoded before; one call
of `predict` on all files; the CSV, once the model is loaded. Then the command in
processes of its own, on a fifth of the photos and on all. Nothing is written but
temporary folders and the file named by --json.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from copies import source, write_copies
from text_tables import machine, table

import carlib
from carlib.backbones.engines import Pipeline
from carlib.cli.answers import write_answers
from carlib.data import images


@click.command(help=__doc__.partition("\n")[0])
@click.option("--photos", default=2_000, type=click.IntRange(50), show_default=True)
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True)
@click.option("--model", type=click.Path(exists=True), help="Else one is trained.")
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(photos: int, rounds: int, model: str | None, data: str, json_file) -> None:
    found = {"machine": machine(), "photos": photos}
    click.echo(f"{found['machine']['chip']}, {found['machine']['cores']} cores")
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as place:
        folder = Path(place)
        model = model or trained(data, folder)
        write_copies(source(data), folder / "photos", photos)
        names = sorted(map(str, (folder / "photos").iterdir()))
        found["seconds"] = measure_seconds(model, names, folder, rounds)
        found["peak_mb"] = measure_memory(model, names, folder)
    click.echo(seconds_table(found))
    click.echo(memory_text(found["peak_mb"]))
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def trained(data: str, folder: Path) -> str:
    """Train a model, quickly, and return its file."""
    photos = carlib.load_index(carlib.locate_data(data))
    options = {"optimizer": "lbfgs", "l2": 1.0, "early_stopping": None, "epoch": 20}
    trainer = carlib.ImageClassificationTrainer(
        arch="EfficientNetLite0", workspace_path=folder / "workspace", **options
    )
    model = trainer.fit(photos.groupby("damage_class").head(20))
    return str(model.save(folder / "ImageModel.zip"))


def measure_seconds(
    model: str, names: Sequence[str], folder: Path, rounds: int
) -> dict[str, list[float]]:
    """Measure each way once a round, after a batch to warm up."""
    loaded, out = carlib.load_model(model), str(folder / "out.csv")
    loaded.predict(list(names[:8]), progress=False)
    pixels = [
        [decoded(name, backbone) for name in names] for backbone in loaded.backbones
    ]

    def engine() -> None:
        for backbone, squares in zip(loaded.backbones, pixels, strict=True):
            by_engine(backbone, squares, 2 if loaded.augment else 1)

    ways = [
        ("engine", engine),
        ("predict", lambda: loaded.predict(list(names), progress=False)),
        ("csv", lambda: write_answers(loaded, model, names, out)),
    ]
    found: dict[str, list[float]] = {way: [] for way, _ in ways}
    for number in range(rounds):
        first = number % len(ways)
        for way, run in ways[first:] + ways[:first]:
            Path(out).unlink(missing_ok=True)
            found[way].append(seconds(run))
        click.echo(f"Round {number + 1} of {rounds} is done.")
    again = carlib.load_model  # last: a second network slows down the first
    found["start"] = [seconds(lambda: again(model).predict(names[0], progress=False))]
    return found


def decoded(name: str, backbone: carlib.Backbone) -> np.ndarray:
    """Return a photo as the network takes it."""
    shape = (backbone.input_size, backbone.interpolation)
    return images.squares(Path(name).read_bytes(), [shape], name)[0]


def by_engine(backbone: carlib.Backbone, squares: list[np.ndarray], views: int) -> None:
    """Compute features as carlib's loop does, without reading or keeping anything."""
    made = backbone.engine()
    pipeline, size = Pipeline(made), made.batch_size
    for _ in range(views):
        for start in range(0, len(squares), size):
            for _ in pipeline.put(start, np.stack(squares[start : start + size])):
                pass
    for _ in pipeline.drain():
        pass


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def measure_memory(model: str, names: Sequence[str], folder: Path) -> dict[str, float]:
    """Measure the peak of a process by the number of photos, the fewest first."""
    found = {}
    for count in (len(names) // 5, len(names)):
        (folder / "out.csv").unlink(missing_ok=True)
        command = [sys.executable, "-m", "carlib", "predict", model, "-"]
        subprocess.run(
            [*command, "--csv", str(folder / "out.csv")],
            input="\n".join(names[:count]).encode(),
            capture_output=True,
            check=True,
        )
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        found[str(count)] = peak / (1e6 if sys.platform == "darwin" else 1e3)
    return found


def seconds_table(found: dict) -> str:
    """Describe the ways, each in a row."""
    times = {way: np.array(each) for way, each in found["seconds"].items()}
    start = times.pop("start")
    rows = [
        [
            way,
            f"{found['photos'] / np.median(each):.1f}",
            f"{each.min():.1f} … {each.max():.1f}",
            f"{np.median(times['predict'] / each):.3f} ×",
        ]
        for way, each in times.items()
    ]
    header = ["way", "photos/s", "s, least … most", "speed by predict's"]
    return f"{table(header, rows)}\nTo start takes {np.median(start):.2f} s."


def memory_text(peaks: dict[str, float]) -> str:
    """Say what memory photos take."""
    (few, less), (many, more) = peaks.items()
    return f"Peak memory: {less:.0f} MB for {few} photos, {more:.0f} MB for {many}."


if __name__ == "__main__":
    main()
