"""How carlib's readers grow with cores: measured on those here, simulated beyond.

    python benchmarks/cores.py
    python benchmarks/cores.py --threads 1 --threads 8 --photos 2000

Measured: a real backbone held to one thread, to two, and so on up to this machine's
cores (by CARLIB_THREADS). Simulated: photos that take some milliseconds to read
without holding the interpreter, as decoding does, and an engine that takes no time.
What is left is what one Python process can pass on at all.
"""

import json
import os
import statistics
import tempfile
from pathlib import Path

import click
from copies import source, write_copies, write_tiny
from processes import in_process
from text_tables import machine, table

HERE = Path(__file__).resolve().parent
MILLISECONDS = 10  # that a photo takes to read: a large JPEG takes 5 to 40


@click.command(help=__doc__.partition("\n")[0])
@click.option("--threads", multiple=True, default=(1, 2, 4, 8, 16, 32, 64), type=int)
@click.option("--photos", default=6_000, type=click.IntRange(1), show_default=True)
@click.option("--arch", default="EfficientNetLite0", show_default=True)
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True)
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(threads, photos, arch, rounds, data, json_file) -> None:
    found = {"machine": machine(), "photos": photos, "arch": arch}
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        real, tiny = Path(folder) / "real", Path(folder) / "tiny"
        write_copies(source(data), real, min(photos, 1_000))
        write_tiny(tiny, photos)
        cores = range(1, (os.cpu_count() or 1) + 1)
        found["measured"] = {n: measured(real, n, arch, rounds) for n in cores}
        click.echo(speed_table(found["measured"], f"{arch}, threads"))
        slow = {n: simulated(tiny, n, MILLISECONDS / 1000, rounds) for n in threads}
        found["simulated"] = slow
        click.echo(speed_table(slow, f"{MILLISECONDS} ms a photo, threads"))
        found["most"] = simulated(tiny, max(cores), 0, rounds)
    most = statistics.median(found["most"])
    click.echo(f"Tiny photos, no engine: {most:,.0f} photos/s pass one process.")
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def measured(folder: Path, threads: int, arch: str, rounds: int) -> list[float]:
    """Return photos a second of a real backbone held to so many threads."""
    before = os.environ.get("CARLIB_THREADS")
    os.environ["CARLIB_THREADS"] = str(threads)
    try:
        return [_speed(folder, arch) for _ in range(rounds)]
    finally:
        os.environ.pop("CARLIB_THREADS")
        if before is not None:
            os.environ["CARLIB_THREADS"] = before


def _speed(folder: Path, arch: str) -> float:
    count = len(list(folder.iterdir()))
    with tempfile.TemporaryDirectory() as workspace:
        job = {"folder": str(folder), "count": count, "workspace": workspace}
        first = {"first": [f"{0:08}.jpg"]}  # opens the backbone
        result = in_process(HERE / "calls.py", job | {"arch": arch} | first)
    return result["computed"] / result["in_workspace"]


def simulated(folder: Path, threads: int, seconds: float, rounds: int) -> list[float]:
    """Return photos a second that readers and loop pass on, so many threads at once."""
    job = {"folder": str(folder), "threads": threads, "seconds": seconds}
    results = [in_process(HERE / "cores_calls.py", job) for _ in range(rounds)]
    return [result["photos"] / result["seconds"] for result in results]


def speed_table(found: dict[int, list[float]], what: str) -> str:
    """Describe each number of threads, and what it gives of that many times one's."""
    least = min(found)
    each = statistics.median(found[least]) / least
    rows = []
    for threads, speeds in found.items():
        middle = statistics.median(speeds)
        share = middle / (threads * each)
        rows.append([str(threads), f"{middle:,.0f}", f"{share:.0%}"])
    return table([what, "photos/s", "of so many times one"], rows)


if __name__ == "__main__":
    main()
