"""The bottleneck phase on a Dask cluster of this machine's cores, beside one process.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --counts 500 --counts 2000 --rounds 1

The same photos on the same cores: by one process, by processes of one thread, and by
one worker with all threads. Then a line is fitted to the smallest and the largest
count, seconds = start + photos / rate, and held against the counts between, which it
has not seen. Nothing is written but temporary folders and the file named by --json.
"""

import json
import os
import statistics
import tempfile
from pathlib import Path

import click
from copies import source, write_copies
from processes import in_process
from text_tables import machine, table

HERE = Path(__file__).resolve().parent


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
    ways = {"one process": [], "workers of a thread": [1] * cores}
    ways["a worker of all threads"] = [cores]
    found = {"machine": machine(), "arch": arch, "ways": {way: {} for way in ways}}
    click.echo(f"{found['machine']['chip']}, {cores} cores, {arch}")
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        photos = Path(folder) / "photos"
        write_copies(source(data), photos, counts[-1])
        write_copies(source(data), Path(folder) / "first", 64, first=counts[-1])
        for number in range(rounds):
            for count in counts:
                for way in _turned(list(ways), number):
                    seconds = call(folder, photos, arch, count, ways[way])
                    found["ways"][way].setdefault(count, []).append(seconds)
            click.echo(f"Round {number + 1} of {rounds} is done.")
    click.echo(overhead_table(found["ways"], counts))
    click.echo(model_table(found["ways"], counts))
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _turned(ways: list[str], number: int) -> list[str]:
    """Return the ways in an order that turns from round to round."""
    first = number % len(ways)
    return ways[first:] + ways[:first]


def call(folder: str, photos: Path, arch: str, count: int, workers: list[int]) -> float:
    """Return the seconds until so many photos' features are in a fresh workspace.

    Raises:
        click.ClickException: Not all were computed: then the seconds say nothing.
    """
    with tempfile.TemporaryDirectory(dir=folder) as workspace:
        first = [str(path) for path in (Path(folder) / "first").iterdir()]
        job = {"folder": str(photos), "count": count, "workspace": workspace}
        job |= {"arch": arch, "workers": workers, "first": first}
        result = in_process(HERE / "calls.py", job)
    if result["computed"] != count:
        raise click.ClickException(f"{result['computed']} of {count} were computed.")
    return result["in_workspace"]


def overhead_table(ways: dict, counts: list[int]) -> str:
    """Describe each way's photos a second, and what it takes more than one process."""
    alone = ways["one process"]
    header = ["photos", *(f"{way}, photos/s" for way in ways)]
    header += [f"{way}, overhead" for way in list(ways)[1:]]
    rows = []
    for count in counts:
        speeds = [f"{count / statistics.median(ways[way][count]):.0f}" for way in ways]
        more = [_more(ways[way][count], alone[count]) for way in list(ways)[1:]]
        rows.append([f"{count:,}", *speeds, *(f"{share:+.1%}" for share in more)])
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
