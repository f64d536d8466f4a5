"""The bottleneck phase on a Dask cluster of this machine's cores, beside one process.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --counts 500 --counts 2000 --rounds 1

The same photos on the same cores: by one process; by processes of one thread that know
nothing of each other, each with its part; by Dask workers of one thread, and by one
with all threads. And by both once more with Dask's profiler left out and its clock
slowed: each hundredth of a second it looks what its workers are doing, and each
fiftieth how late its own loop is, if nothing is computed, too.

Then a line is fitted to the smallest and the largest count, seconds = start + photos /
rate, and held against the counts between, which it has not seen. Nothing is written but
temporary folders and the file named by --json.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from copies import source, write_copies
from processes import in_process
from text_tables import machine, table

HERE = Path(__file__).resolve().parent
ALONE = "one process"
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
}


@click.command(help=__doc__.partition("\n")[0])
@click.option("--arch", default="EfficientNetLite0", show_default=True)
@click.option(
    "--counts", multiple=True, default=(1_000, 2_500, 6_000, 12_000), type=int
)
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True)
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(arch, counts, rounds, data, json_file) -> None:
    counts, cores = sorted(counts), len(os.sched_getaffinity(0))
    ways = ways_on(cores)
    found: dict[str, Any] = {"machine": machine(), "arch": arch}
    found |= {"ways": {way: {} for way in ways}, "idle": {way: [] for way in ways}}
    click.echo(f"{found['machine']['chip']}, {cores} cores, {arch}")
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        photos = Path(folder) / "photos"
        write_copies(source(data), photos, counts[-1])
        write_copies(source(data), Path(folder) / "first", 64, first=counts[-1])
        for number in range(rounds):
            for count in counts:
                for way in _turned(list(ways), number):
                    seconds, idle = ways[way](folder, photos, arch, count)
                    found["ways"][way].setdefault(count, []).append(seconds)
                    found["idle"][way].append(idle / cores)
            click.echo(f"Round {number + 1} of {rounds} is done.")
    click.echo(overhead_table(found["ways"], found["idle"], counts))
    click.echo(model_table(found["ways"], counts))
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _turned(ways: list[str], number: int) -> list[str]:
    """Return the ways in an order that turns from round to round."""
    first = number % len(ways)
    return ways[first:] + ways[:first]


Way = Callable[[str, Path, str, int], tuple[float, float]]


def ways_on(cores: int) -> dict[str, Way]:
    """Return the ways to use so many cores, by their names."""

    def dask(workers: list[int], settings: dict) -> Way:
        return lambda *what: _call(*what, {"workers": workers, "dask": settings})

    return {
        ALONE: lambda *what: _call(*what, {}),
        "processes of a thread": lambda *what: _side_by_side(*what, cores),
        "workers of a thread": dask([1] * cores, {}),
        "a worker of all threads": dask([cores], {}),
        "workers of a thread, quiet": dask([1] * cores, QUIET),
        "a worker of all threads, quiet": dask([cores], QUIET),
    }


def _call(
    folder: str, photos: Path, arch: str, count: int, options: dict
) -> tuple[float, float]:
    """Return the seconds until so many photos' features are in a fresh workspace.

    And the cores that are taken when nothing is to be done.
    """
    with tempfile.TemporaryDirectory(dir=folder) as workspace:
        job = _job(folder, photos, arch, count, workspace) | options
        result = in_process(HERE / "calls.py", job)
    _check(result["computed"], count)
    return result["in_workspace"], result["idle"]


def _side_by_side(
    folder: str, photos: Path, arch: str, count: int, processes: int
) -> tuple[float, float]:
    """Return the seconds until the last of some processes is done with its part."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as workspace,
        tempfile.TemporaryDirectory(dir=folder) as meet,
        ThreadPoolExecutor(processes) as pool,
    ):
        job = _job(folder, photos, arch, count, workspace) | {"meet": meet}
        parts = [job | {"every": (first, processes)} for first in range(processes)]
        results = list(pool.map(_held_to_a_thread, parts))
    _check(sum(result["computed"] for result in results), count)
    return max(result["in_workspace"] for result in results), 0.0


def _held_to_a_thread(job: dict) -> dict:
    return in_process(HERE / "calls.py", job, CARLIB_THREADS="1")


def _job(folder: str, photos: Path, arch: str, count: int, workspace: str) -> dict:
    first = [str(path) for path in (Path(folder) / "first").iterdir()]
    job = {"folder": str(photos), "count": count, "workspace": workspace}
    return job | {"arch": arch, "first": first}


def _check(computed: int, count: int) -> None:
    """Refuse to go on where not all were computed: then the seconds say nothing."""
    if computed != count:
        raise click.ClickException(f"{computed} of {count} were computed.")


def overhead_table(ways: dict, idle: dict, counts: list[int]) -> str:
    """Describe each way's photos a second, and what it takes more than one process."""
    header = ["way", *(f"{n:,} photos, photos/s" for n in counts)]
    header += [*(f"{n:,}: more time" for n in counts), "cores taken when idle"]
    rows = []
    for way, found in ways.items():
        speeds = [f"{n / statistics.median(found[n]):.0f}" for n in counts]
        more = [f"{_more(found[n], ways[ALONE][n]):+.1%}" for n in counts]
        rows.append([way, *speeds, *more, f"{statistics.median(idle[way]):.1%}"])
    return table(header, rows)


def _more(seconds: list[float], alone: list[float]) -> float:
    """Return how much more time is taken than by one process: the rounds' median."""
    return statistics.median(a / b for a, b in zip(seconds, alone, strict=True)) - 1


def model_table(ways: dict, counts: list[int]) -> str:
    """Describe each way's line, and how far it is off at counts that it hasn't seen."""
    header = ["way", "start, s", "photos/s", *(f"off at {n:,}" for n in counts[1:-1])]
    rows = []
    for way, found in ways.items():
        took = {count: statistics.median(found[count]) for count in counts}
        low, high = counts[0], counts[-1]
        per_photo = (took[high] - took[low]) / (high - low)
        start = took[low] - low * per_photo
        off = [(start + n * per_photo) / took[n] - 1 for n in counts[1:-1]]
        rows.append([way, f"{start:.2f}", f"{1 / per_photo:.0f}"])
        rows[-1] += [f"{share:+.1%}" for share in off]
    return table(header, rows)


if __name__ == "__main__":
    main()
