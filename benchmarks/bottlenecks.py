"""From JPEG files to features: carlib side by side with other ways, in turn.

    python benchmarks/bottlenecks.py                              all of it, 20 minutes
    python benchmarks/bottlenecks.py --arch MobileNetV2 --rounds 3
    python benchmarks/bottlenecks.py --precision float32          as without bfloat16

Every way runs in a process of its own, once a round. Nothing is written but temporary
folders, and the files named by --json and --figure.
"""

import importlib.util
import json
import tempfile
from pathlib import Path

import click
import numpy as np
from copies import source, write_copies, write_large
from processes import in_process
from text_tables import differences, draw, large_table, machine, speed_table

import carlib

HERE = Path(__file__).resolve().parent
ARCHS = ("InceptionV3", "MobileNetV2", "EfficientNetLite0")
NEEDS = {
    "carlib": (),
    "notebook": (),
    "tf.data": (),
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime", "onnx", "tf2onnx"),
}
LARGE = 8  # 12-megapixel photos
WARM = 32  # a batch
CALIBRATING = 200  # photos, for int8


@click.command(help=__doc__.partition("\n")[0])
@click.option(
    "--arch",
    "archs",
    multiple=True,
    type=click.Choice(carlib.ARCHS, case_sensitive=False),
    default=ARCHS,
    show_default=True,
)
@click.option("--ways", multiple=True, type=click.Choice(list(NEEDS)), default=NEEDS)
@click.option("--rounds", default=5, type=click.IntRange(1), show_default=True)
@click.option(
    "--photos",
    type=click.IntRange(1),
    help="How many. Default: 512, and 128 where the input is larger than 224.",
)
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "int8"]),
    default="auto",
    help="carlib's. With float32 OpenVINO's by hand, too.",
)
@click.option("--large/--no-large", default=True, help="12-megapixel JPEGs, too.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
@click.option("--figure", type=click.Path(dir_okay=False))
def main(json_file: str | None, figure: str | None, **options) -> None:
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        found = measure(Path(folder), **options)
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if figure:
        draw({arch: own["ways"] for arch, own in found["archs"].items()}, figure)


def measure(folder: Path, archs, ways, rounds, photos, data, precision, large) -> dict:
    """Measure all that was asked for, and print it as it comes.

    Returns:
        machine; precision; archs: for each its photos and ways; large: for each arch.
    """
    found = {"machine": machine(), "precision": precision, "archs": {}, "large": {}}
    click.echo(f"{found['machine']['chip']}, {found['machine']['cores']} cores")
    pictures = source(data)
    ways = [way for way in NEEDS if way in ways and can_run(way)]
    if not ways:
        raise click.ClickException("No way is left to measure.")
    for arch in archs:
        count = photos or default_count(arch)
        bench = Bench(folder / arch, arch, precision, pictures, count)
        found["archs"][arch] = {"photos": count, "ways": bench.measure(ways, rounds)}
        click.echo(f"\n{arch}, {count:,} photos, {rounds} rounds, {precision}")
        click.echo(speed_table(found["archs"][arch]["ways"]) + "\n")
    if large:
        found["large"] = measure_large(folder / "large", archs, pictures, rounds)
        click.echo(large_table(found["large"]))
    return found


def can_run(way: str) -> bool:
    """Tell whether what a way needs is installed; say so if it is not."""
    missing = [n for n in NEEDS[way] if importlib.util.find_spec(n) is None]
    if missing:
        click.echo(f"{way} is left out: {', '.join(missing)} not installed.")
    return not missing


def default_count(arch: str) -> int:
    """Return how many photos take the slowest way some seconds."""
    from carlib.backbones.architectures import find

    return 512 if find(arch).input_size <= 224 else 128


class Bench:
    """Measures the ways of one architecture.

    Args:
        folder: For photos, workspaces, features; is made.
        arch, precision: What is measured.
        pictures: JPEGs.
        count: How many distinct copies of them are timed.
    """

    def __init__(self, folder: Path, arch: str, precision: str, pictures, count: int):
        self.folder, self.pictures, self.given = folder, pictures, 0
        self.shared = {"arch": arch, "precision": precision, "onnx": ""}
        is_int8 = precision == "int8"
        calibration = self.photos("calibration", CALIBRATING) if is_int8 else ""
        self.shared["calibration"] = calibration
        self.steps = {
            "first": self.photos("first", 1),
            "warm": self.photos("warm", WARM),
            "timed": self.photos("timed", count),
        }

    def photos(self, name: str, count: int) -> str:
        """Write photos that no run before has seen; return their folder."""
        write_copies(self.pictures, self.folder / name, count, self.given)
        self.given += count
        return str(self.folder / name)

    def measure(self, ways: list[str], rounds: int) -> dict:
        """Run each way once a round, in an order that turns from round to round."""
        reference = self.reference("onnxruntime" in ways)
        shown = [*ways, *(["again"] if "carlib" in ways else [])]
        found = {way: {"speeds": [], "first_features": []} for way in shown}
        for number in range(rounds):
            turn = number % len(ways)
            for way in ways[turn:] + ways[:turn]:
                self.run(way, number, found)
            self.say(number, found)
        for way in ways:
            features = np.load(self.folder / f"{way}.npy")
            found[way] |= differences(features, reference)
        return found

    def reference(self, writes_onnx: bool) -> np.ndarray:
        """Return the features that all should have; write the ONNX file on the way."""
        if writes_onnx:
            self.shared["onnx"] = str(self.folder / "network.onnx")
        self.start("reference", first=self.steps["timed"])
        return np.load(self.folder / "reference.npy")

    def run(self, way: str, number: int, found: dict) -> None:
        """Run a way once, and carlib a second time in the workspace that it left."""
        workspace = self.folder / f"workspace-{number}"
        result = self.start(way, workspace=str(workspace), **self.steps)
        found[way]["speeds"].append(result["speed"])
        found[way]["first_features"].append(result["first_feature"])
        if way == "carlib":
            new = self.photos(f"first-{number}", 1)
            result = self.start("again", workspace=str(workspace / "first"), first=new)
            found["again"]["first_features"].append(result["first_feature"])

    def start(self, way: str, **job: str) -> dict:
        """Open a way in its process, and take its times."""
        job |= {"way": way, "features": str(self.folder / f"{way}.npy")}
        return in_process(HERE / "ways.py", self.shared | job)

    def say(self, number: int, found: dict) -> None:
        """Print a round's speeds."""
        speeds = [f"{w} {f['speeds'][-1]:.1f}" for w, f in found.items() if f["speeds"]]
        click.echo(f"{self.shared['arch']}, round {number + 1}: {', '.join(speeds)}")


def measure_large(folder: Path, archs, pictures: list[bytes], rounds: int) -> dict:
    """Measure 12-megapixel JPEGs for each architecture."""
    write_large(pictures, folder, LARGE)
    job = {"large": str(folder), "rounds": rounds}
    return {arch: in_process(HERE / "large.py", job | {"arch": arch}) for arch in archs}


if __name__ == "__main__":
    main()
