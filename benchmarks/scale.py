"""How carlib's engine and cache carry many photos: seconds a call, and memory.

    python benchmarks/scale.py                                     all of it
    python benchmarks/scale.py --part seconds --counts 1000 --counts 10000
    python benchmarks/scale.py --part memory --photos 1000 --photos 5000

Every call runs in a process of its own. Nothing is written but temporary folders
(100,000 photos and their features take 1.5 GB) and the file named by --json.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import click
from copies import source, write_copies, write_tiny
from processes import in_process
from text_tables import machine, table

HERE = Path(__file__).resolve().parent
# What is younger than this the stat index does not trust: RACY in
# `carlib.bottlenecks.stat_index`.
SETTLED = 3.5


@click.command(help=__doc__.partition("\n")[0])
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["seconds", "memory"]),
    default=("seconds", "memory"),
    show_default=True,
)
@click.option("--counts", multiple=True, default=(1_000, 10_000, 100_000), type=int)
@click.option("--features", default=1280, help="A trivial backbone's.")
@click.option("--added", default=10, help="Photos added to the largest count.")
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True)
@click.option("--photos", multiple=True, default=(1_000, 20_000), type=int)
@click.option("--arch", default="EfficientNetLite0", help="For the memory.")
@click.option("--data", default="auto", help="Folder or zip, as for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(json_file, parts, counts, features, added, rounds, photos, arch, data) -> None:
    found = {"machine": machine()}
    click.echo(f"{found['machine']['chip']}, {found['machine']['cores']} cores")
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        if "seconds" in parts:
            own = measure_seconds(Path(folder), sorted(counts), features, added, rounds)
            found["seconds"] = own
            click.echo(seconds_table(own))
        if "memory" in parts:
            own = measure_memory(Path(folder), sorted(photos), arch, data)
            found["memory"] = own
            click.echo(memory_table(own))
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def measure_seconds(folder: Path, counts, features: int, added: int, rounds) -> dict:
    """Measure calls on so many tiny photos, with a trivial backbone.

    Returns:
        features; cold: for each count, by round; warm and added: on the most, by round.
    """
    click.echo(f"Writing {counts[-1] + added:,} tiny photos.")
    write_tiny(folder / "tiny", counts[-1] + added)
    time.sleep(SETTLED)
    job = {"folder": str(folder / "tiny"), "features": features}
    cold = {count: [] for count in counts}
    found = {"features": features, "cold": cold, "warm": [], "added": []}
    for number in range(rounds):
        for count in counts:
            with tempfile.TemporaryDirectory(dir=folder) as workspace:
                at = job | {"workspace": workspace, "count": count}
                cold[count].append(call(at, count))
                if count == counts[-1]:
                    found["warm"].append(call(at, 0))
                    at["count"] = count + added
                    found["added"].append(call(at, added))
        click.echo(f"Round {number + 1} of {rounds} is done.")
    return found


def call(job: dict, computes: int) -> dict:
    """Run a call in its process; it must compute so many photos, no more and no less.

    Raises:
        click.ClickException: It computed others: then its seconds say nothing.
    """
    result = in_process(HERE / "calls.py", job)
    if result["computed"] != computes:
        raise click.ClickException(
            f"{result['computed']} photos were computed instead of {computes}."
        )
    return result


def seconds_table(found: dict) -> str:
    """Describe the calls, each in a row."""
    rows = [
        *(
            _seconds_row(f"cold, {count:,} photos", results, count)
            for count, results in found["cold"].items()
        ),
        _seconds_row("warm, the same photos", found["warm"], max(found["cold"])),
        _seconds_row("some photos added", found["added"], max(found["cold"])),
    ]
    header = ["call", "s", "least … most", "ms a photo", "computed", "peak MB", "TF"]
    per_photo = [_median(r) / count for count, r in found["cold"].items()]
    told = f"A photo costs {per_photo[-1] / per_photo[0]:.2f} × as much in the largest"
    return f"{table(header, rows)}\n{told} cold call as in the smallest."


def _seconds_row(name: str, results: list[dict], count: int) -> list[str]:
    seconds = [result["seconds"] for result in results]
    return [
        name,
        f"{_median(results):.2f}",
        f"{min(seconds):.2f} … {max(seconds):.2f}",
        f"{1000 * _median(results) / count:.3f}",
        f"{results[0]['computed']:,}",
        f"{max(result['peak_with_array_mb'] for result in results):.0f}",
        "yes" if any(result["tensorflow"] for result in results) else "no",
    ]


def _median(results: list[dict]) -> float:
    return statistics.median(result["seconds"] for result in results)


def measure_memory(folder: Path, counts, arch: str, data: str) -> dict:
    """Measure the peak memory of calls on so many photos, with a real backbone.

    Each count twice: in a fresh workspace, where the call converts the network and
    brings in TensorFlow for it; and in one that knows the network, where it does not,
    and what photos take can't hide behind that.
    """
    write_copies(source(data), folder / "photos", counts[-1])
    job = {"folder": str(folder / "photos"), "arch": arch}
    found: dict = {"arch": arch, "converting": {}, "kept": {}}
    for count in counts:
        with tempfile.TemporaryDirectory(dir=folder) as workspace:
            at = job | {"workspace": workspace, "count": count}
            found["converting"][count] = call(at, count)
        with tempfile.TemporaryDirectory(dir=folder) as workspace:
            at = job | {"workspace": workspace}
            call(at | {"count": 1}, 1)
            found["kept"][count] = call(at | {"count": count}, count - 1)
        click.echo(f"{arch}: {count:,} photos are done.")
    return found


def memory_table(found: dict) -> str:
    """Describe the peaks, each in a row, and how much more the last takes."""
    names = {"converting": "network converted", "kept": "network kept"}
    rows = [
        _memory_row(f"{found['arch']}, {names[kind]}, {count:,}", result, found[kind])
        for kind in names
        for count, result in found[kind].items()
    ]
    header = ["call", "peak, MB", "to the first", "with the array, MB", "to the first"]
    header += ["images/s", "TF"]
    return table(header, rows)


def _memory_row(name: str, result: dict, others: dict) -> list[str]:
    first = next(iter(others.values()))
    peaks = ("peak_mb", "peak_with_array_mb")
    pairs = [(f"{result[p]:.0f}", f"{result[p] / first[p]:.3f} ×") for p in peaks]
    return [
        name,
        *(cell for pair in pairs for cell in pair),
        f"{result['computed'] / result['seconds']:.0f}",
        "yes" if result["tensorflow"] else "no",
    ]


if __name__ == "__main__":
    main()
