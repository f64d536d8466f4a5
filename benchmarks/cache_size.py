"""The cache at size: calls on a workspace that holds ten million photos' features.

    python benchmarks/cache_size.py
    python benchmarks/cache_size.py --entries 1000000 --per-shard 500

Features are a few numbers each, so that it is the entries that weigh. Every call runs
in a process of its own. Nothing is written but a temporary folder (ten million entries
take 1.8 GB, and half of that again while they are compacted) and the file named by
--json.
"""

import json
import tempfile
from pathlib import Path

import click
from cache_calls import CALLS
from copies import write_tiny
from processes import in_process
from text_tables import machine, table

HERE = Path(__file__).resolve().parent
AGAIN = ("open the shards", "warm, all photos", "warm, ten photos", "verify")
KINDS = ("open", "stat", "list", "rename", "remove", "mkdir")


@click.command(help=__doc__.partition("\n")[0])
@click.option("--entries", default=10_000_000, show_default=True)
@click.option("--features", default=4, help="A trivial backbone's.", show_default=True)
@click.option("--per-shard", default=2_000, help="Photos, about.", show_default=True)
@click.option("--photos", default=10_000, help="Asked for.", show_default=True)
@click.option("--dir", "parent", type=click.Path(file_okay=False), help="For files.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(json_file, parent, **job) -> None:
    found = {"machine": machine(), "job": job}
    click.echo(f"{found['machine']['chip']}, {found['machine']['cores']} cores")
    with tempfile.TemporaryDirectory(prefix="carlib-bench-", dir=parent) as folder:
        found |= measure(Path(folder), job)
    click.echo(calls_table(found["calls"], job["entries"]))
    click.echo(
        f"{found['shards']:,} shards and {found['files']:,} files: "
        f"{1e6 * found['shards'] / job['entries']:,.0f} shards a million photos."
    )
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def measure(folder: Path, job: dict) -> dict:
    """Build a workspace and make each call on it, some again when it is compacted.

    Returns:
        shards, files: before it was compacted; calls: each one's name and result.
    """
    job = job | {"folder": str(folder / "photos"), "workspace": str(folder / "w")}
    click.echo(f"Writing {job['entries']:,} entries.")
    write_tiny(folder / "photos", job["photos"] + 10)
    in_process(HERE / "cache_calls.py", job | {"call": "build"})
    files = [path for path in (folder / "w").rglob("*") if path.is_file()]
    shards = [path for path in files if len(path.name) == 68]
    names = [*CALLS, *AGAIN]
    calls = []
    for number, name in enumerate(names):
        result = in_process(HERE / "cache_calls.py", job | {"call": name})
        told = f"{name}, compacted" if number >= len(CALLS) else name
        calls.append({"call": told} | result)
        click.echo(f"{told}: {result['seconds']:.2f} s")
    return {"shards": len(shards), "files": len(files), "calls": calls}


def calls_table(calls: list[dict], entries: int) -> str:
    """Describe the calls, each in a row; operations are a million entries'."""
    header = ["call", "s", "CPU s", "found", "peak MB", "anonymous MB", *KINDS]
    return table(header, [_row(call, entries) for call in calls])


def _row(call: dict, entries: int) -> list[str]:
    each = call["operations"]
    return [
        call["call"],
        f"{call['seconds']:.2f}",
        f"{call['cpu']:.2f}",
        f"{call['found']:,}",
        f"{call['peak_mb']:,.0f}",
        f"{call['anonymous_mb'] - call['before_mb']:,.0f}",
        *(f"{1e6 * each.get(kind, 0) / entries:,.1f}" for kind in KINDS),
    ]


if __name__ == "__main__":
    main()
