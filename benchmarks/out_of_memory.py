"""Features and hashes larger than memory: seconds, and memory, of what is done to them.

    python benchmarks/out_of_memory.py                          all of it: two hours
    python benchmarks/out_of_memory.py --part head --rows 200000
    python benchmarks/out_of_memory.py --part hashes --hashes 1000000

Every measurement is a process of its own, on one thread, under a limit of memory that
the system holds it to. 2,000,000 × 1,280 features in float16 take 5.1 GB in a temporary
folder (TMPDIR says where). Nothing else is written but the file named by --json.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import click
from processes import in_process
from text_tables import machine, table

HERE = Path(__file__).resolve().parent
PARTS = ("head", "audit", "hashes")
STEPS = ("train", "predict", "evaluate")
SEARCHES = ("labels", "neighbours", "outliers")
SHARES = {
    "named rightly, out of fold": "accuracy",
    "of planted wrong labels found": "wrong",
    "photos called doubtful": "doubtful",
    "of planted near copies found": "copies",
    "of planted odd photos found": "odd",
    "photos called outliers": "outlying",
}
FEATURES, CLASSES = 1280, 8
SPARE = 2 << 30  # bytes of disk that stay free


@click.command(help=__doc__.partition("\n")[0])
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    default=PARTS,
    show_default=True,
)
@click.option("--rows", default=2_000_000, show_default=True, help="To train on.")
@click.option("--judged", default=200_000, show_default=True, help="To evaluate on.")
@click.option("--few", default=100_000, show_default=True, help="The part in memory.")
@click.option("--compared", default=50_000, show_default=True, help="Of an audit.")
@click.option("--hashes", multiple=True, default=(2_000_000, 5_000_000), type=int)
@click.option("--gigabytes", default=4.0, show_default=True, help="The limit.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(json_file, parts, rows, judged, few, compared, hashes, gigabytes) -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = {"machine": machine(), "gigabytes": gigabytes}
    click.echo(f"{found['machine']['chip']}, {found['machine']['cores']} cores")
    if "head" in parts:
        sizes = rows, judged, few
        found["head"] = measure("out_of_memory_head.py", sizes, gigabytes)
        click.echo(head_table(found["head"]))
    if "audit" in parts:
        sizes = rows, 1, compared
        found["audit"] = measure("out_of_memory_audit.py", sizes, gigabytes)
        click.echo(audit_table(found["audit"]))
    if "hashes" in parts:
        found["hashes"] = measure_hashes(hashes, gigabytes)
        click.echo(hashes_table(found["hashes"]))
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def measure(script: str, sizes: tuple[int, int, int], gigabytes: float) -> dict:
    """Have a script go through all features, from the disk, and a part, in memory."""
    rows, judged, few = sizes
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as folder:
        check_disk(folder, 2 * FEATURES * (rows + judged))
        job = {"folder": folder, "rows": rows, "judged": judged}
        job |= {"features": FEATURES, "classes": CLASSES, "gigabytes": gigabytes}
        click.echo(f"Writing {rows + judged:,} × {FEATURES:,} features.")
        in_process(HERE / script, job | {"way": "write"})
        return {
            way: in_process(HERE / script, job | {"way": way} | more)
            for way, more in (("mapped", {}), ("in memory", {"rows": few}))
        }


def measure_hashes(counts, gigabytes: float) -> list[dict]:
    """Look for near copies among so many hashes, planted ones among them."""
    return [
        in_process(
            HERE / "out_of_memory_hashes.py",
            {"count": count, "gigabytes": gigabytes, "kind": kind},
        )
        for count in sorted(counts)
        for kind in ("spread", "hostile")
    ]


def check_disk(folder: str, needed: int) -> None:
    """Refuse to fill a disk."""
    free = shutil.disk_usage(folder).free
    click.echo(f"{needed / 1e9:.1f} GB are needed in {folder}; {free / 1e9:.1f} free.")
    if free < needed + SPARE:
        raise click.ClickException("Too little: name another folder by TMPDIR.")


def head_table(found: dict) -> str:
    """Describe each way in a column."""
    rows = {
        "rows": lambda own: f"{own['rows']:,}",
        **{f"{step}, s": lambda own, s=step: f"{own[s]:.0f}" for step in STEPS},
        "iterations": lambda own: f"{own['iterations']:,}",
        "peak memory of its own, MB": lambda own: f"{own['peak'] / 1e6:,.0f}",
        "macro-accuracy": lambda own: "{:.4f} ({:.4f} … {:.4f})".format(*own["macro"]),
        "log-loss": lambda own: "{:.4f} ({:.4f} … {:.4f})".format(*own["loss"]),
        "temperature": lambda own: f"{own['temperature']:.3f}",
    }
    cells = [[name, *map(read, found.values())] for name, read in rows.items()]
    return table(["", *found], cells)


def audit_table(found: dict) -> str:
    """Describe each way in a column."""
    rows = {
        "rows": lambda own: f"{own['rows']:,}",
        **{f"{step}, s": lambda own, s=step: f"{own[s]:.0f}" for step in SEARCHES},
        "peak memory of its own, MB": lambda own: f"{own['peak'] / 1e6:,.0f}",
        **{
            name: lambda own, s=share: f"{own[s]:.2%}" for name, share in SHARES.items()
        },
    }
    cells = [[name, *map(read, found.values())] for name, read in rows.items()]
    return table(["", *found], cells)


def hashes_table(found: list[dict]) -> str:
    """Describe each count in a row."""
    header = ["hashes", "kind", "seconds", "peak memory, MB", "links"]
    header += ["of planted pairs up to 23 bits", "24 to 32"]
    cells = [
        [
            f"{own['count']:,}",
            own["kind"],
            f"{own['seconds']:.0f}",
            f"{own['peak'] / 1e6:,.0f}",
            f"{own['links']:,}",
            f"{own['sure']:.2%}",
            f"{own['likely']:.1%}",
        ]
        for own in found
    ]
    return table(header, cells)


if __name__ == "__main__":
    main()
