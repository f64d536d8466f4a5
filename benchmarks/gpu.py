"""From JPEG files to features on a GPU: carlib beside Keras, tf.data and PyTorch.

    python benchmarks/gpu.py                       on a machine with an NVIDIA GPU
    python benchmarks/gpu.py --arch InceptionV3 --photos 20000 --rounds 3
    python benchmarks/gpu.py --device cpu --photos 64 --rounds 1    to try the script

Every way runs in a process of its own, once a round, in an order that turns. PyTorch
and ONNX Runtime take part where they are installed (torch and torchvision;
onnxruntime-gpu). Nothing is written but temporary folders and the file named by --json.
"""

import importlib.util
import json
import statistics
import tempfile
from pathlib import Path

import click
from copies import source, write_copies
from processes import in_process
from text_tables import machine, table

from carlib import runtime
from carlib.cores import usable_cores

HERE = Path(__file__).resolve().parent
WARM = 256  # photos: two of a GPU's batches
WAYS = {
    "carlib": "carlib, files to features",
    "engine": "carlib's engine, decoded before",
    "notebook": "Keras's predict, files to features",
    "tf.data": "tf.data, tuned, files to features",
    "pytorch": "PyTorch compiled, decoded before",
    "onnxruntime-gpu": "ONNX Runtime, decoded before",
}
NEEDS = {"pytorch": ("torch", "torchvision"), "onnxruntime-gpu": ("onnxruntime",)}


@click.command(help=__doc__.partition("\n")[0])
@click.option("--device", type=click.Choice(["gpu", "cpu"]), default="gpu")
@click.option("--arch", "archs", multiple=True, default=("InceptionV3", "MobileNetV2"))
@click.option("--ways", multiple=True, type=click.Choice(list(WAYS)), default=WAYS)
@click.option("--photos", default=10_000, type=click.IntRange(1), show_default=True)
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True)
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(device, archs, ways, photos, rounds, data, json_file) -> None:
    gpu = runtime.gpu() if device == "gpu" else None
    if device == "gpu" and gpu is None:
        raise click.ClickException("TensorFlow finds no GPU here: try --device cpu.")
    found = {"machine": machine() | {"gpu": gpu}, "photos": photos, "archs": {}}
    name = gpu["device_name"] if gpu else found["machine"]["chip"]
    click.echo(f"{name}, {usable_cores()} cores to read with, {photos:,} photos")
    ways = [way for way in ways if can_run(way, device)]
    pictures = source(data)
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        for arch in archs:
            place = Path(folder) / arch
            own = measure(place, arch, device, ways, pictures, photos, rounds)
            found["archs"][arch] = own
            click.echo(f"\n{arch}, {rounds} rounds\n{speed_table(own)}")
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def can_run(way: str, device: str) -> bool:
    """Tell whether what a way needs is here; say so if it is not."""
    missing = [n for n in NEEDS.get(way, ()) if importlib.util.find_spec(n) is None]
    if way == "onnxruntime-gpu" and not missing:
        import onnxruntime

        on_gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        missing = [] if on_gpu and device == "gpu" else ["onnxruntime for a GPU"]
    if missing:
        click.echo(f"{way} is left out: {', '.join(missing)} not here.")
    return not missing


def measure(
    folder: Path,
    arch: str,
    device: str,
    ways: list[str],
    pictures: list[bytes],
    count: int,
    rounds: int,
) -> dict:
    """Run each way once a round; return what `ways.run` told, by way and round."""
    steps = {"first": 1, "warm": min(WARM, count), "timed": count}
    given = 0
    job = {"arch": arch, "precision": "auto", "device": device}
    job |= {"calibration": "", "onnx": ""}
    for name, size in steps.items():
        write_copies(pictures, folder / name, size, given)
        job[name], given = str(folder / name), given + size
    if "onnxruntime-gpu" in ways:
        onnx = {"onnx": str(folder / "network.onnx"), "way": "reference"}
        one = {"first": job["first"], "features": str(folder / "reference.npy")}
        in_process(HERE / "ways.py", job | onnx | one)
        job["onnx"] = onnx["onnx"]
    found: dict[str, list[dict]] = {way: [] for way in ways}
    for number in range(rounds):
        turn = number % len(ways)
        for way in ways[turn:] + ways[:turn]:
            own = {"way": way, "workspace": str(folder / f"w-{number}")}
            own["features"] = str(folder / "features.npy")
            found[way].append(in_process(HERE / "ways.py", job | own))
        click.echo(f"{arch}: round {number + 1} of {rounds} is done.")
    return found


def speed_table(found: dict[str, list[dict]]) -> str:
    """Describe each way in a row, and how many times as fast carlib is."""
    header = ["way", "photos/s", "least … most", "carlib is", "the GPU works"]
    rows = []
    for way, rounds in found.items():
        speeds = [each["speed"] for each in rounds]
        rows.append([WAYS[way], f"{statistics.median(speeds):,.0f}"])
        rows[-1].append(f"{min(speeds):,.0f} … {max(speeds):,.0f}")
        rows[-1].append(_ratio(found, speeds))
        shares = [each["busy"] for each in rounds if each["busy"] is not None]
        rows[-1].append(f"{statistics.median(shares):.0%}" if shares else "not told")
    return table(header, rows)


def _ratio(found: dict[str, list[dict]], speeds: list[float]) -> str:
    """Return how many times as fast carlib is, compared within each round."""
    if "carlib" not in found:
        return ""
    ours = [each["speed"] for each in found["carlib"]]
    ratio = statistics.median(a / b for a, b in zip(ours, speeds, strict=True))
    return f"{ratio:.2f} ×"


if __name__ == "__main__":
    main()
