"""Photos in files, in tars and on a server that takes its time: how fast they come.

    python benchmarks/elsewhere.py
    python benchmarks/elsewhere.py --photos 10000 --delay 0.05 --delay 0.2

Photos are read and hashed as the engine does it, on its threads, and not decoded. Files
have been read before: what is measured is the way, not the disk. Nothing is written but
temporary folders and the file named by --json.
"""

import functools
import io
import json
import multiprocessing
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
from copies import source, write_copies
from text_tables import machine, table

import carlib
from carlib.data import tars
from carlib.data.photos import read_ahead
from carlib.data.sources import as_sources
from carlib.messages import say


@click.command(help=__doc__.partition("\n")[0])
@click.option("--photos", default=5_000, show_default=True, help="In files and a tar.")
@click.option("--far", default=1_000, show_default=True, help="Of them from a server.")
@click.option(
    "--delay",
    multiple=True,
    default=(0.0, 0.05),
    help="Seconds of the server's.",
)
@click.option("--rounds", default=3, show_default=True)
@click.option("--data", default="sample", help="As for locate_data.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False))
def main(
    photos: int, far: int, delay: Sequence[float], rounds: int, data: str, json_file
) -> None:
    found: dict = {"machine": machine(), "photos": photos}
    with tempfile.TemporaryDirectory(prefix="carlib-bench-") as name:
        folder = Path(name) / "photos"
        write_copies(source(data), folder, photos)
        paths = sorted(folder.iterdir())
        tar = packed(paths, Path(name) / "000.tar")
        found["ways"] = dict(measured(paths, tar, far, delay, rounds))
        found["table"] = a_table(tar, rounds)
    say(ways_table(found["ways"]))
    say(
        f"A tar's table: {found['table']['microseconds']:.1f} µs and "
        f"{found['table']['bytes']:.0f} bytes kept a member; load_index of its "
        f"{photos:,} samples: {found['table']['load_index']:.1f} s."
    )
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def packed(paths: Sequence[Path], tar: Path) -> Path:
    """Write photos and a class for each into a tar, as webdataset does."""
    with tarfile.open(tar, "w") as archive:
        for number, path in enumerate(paths):
            label = tarfile.TarInfo(f"{path.stem}.cls")
            label.size = 1
            archive.add(path, path.name)
            archive.addfile(label, io.BytesIO(b"%d" % (number % 7)))
    return tar


def measured(
    paths: Sequence[Path], tar: Path, far: int, delays: Sequence[float], rounds: int
) -> Iterator[tuple[str, dict]]:
    """Yield each way's name, and its photos and seconds, round by round."""
    yield "files", timed([str(path) for path in paths], rounds)
    yield "a tar", timed([f"{tar}/{path.name}" for path in paths], rounds)
    for delay in delays:
        connection, theirs = multiprocessing.Pipe()
        options = {"target": serve, "args": (str(paths[0].parent), delay, theirs)}
        server = multiprocessing.get_context("spawn").Process(**options, daemon=True)
        server.start()
        address = f"http://127.0.0.1:{connection.recv()}"
        names = [f"{address}/{path.name}" for path in paths[:far]]
        yield f"a server, {1000 * delay:g} ms a photo", timed(names, rounds)
        server.terminate()
        server.join()


def timed(names: Sequence[str], rounds: int) -> dict:
    """Read photos some times over."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        sources = as_sources(names)
        read = read_ahead(sources, range(len(sources)), [], lambda _: [])
        errors = [photo.error for photo in read if photo.error]
        seconds.append(time.perf_counter() - began)
        if errors:
            raise click.ClickException(errors[0])
    return {"photos": len(names), "seconds": seconds}


def serve(folder: str, delay: float, connection) -> None:
    """Serve a folder's files, each after a delay in seconds; send the port first."""

    class Slow(SimpleHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def do_GET(self) -> None:
            time.sleep(delay)
            super().do_GET()

        def log_message(self, *_) -> None:
            pass

    handler = functools.partial(Slow, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        connection.send(server.server_port)
        server.serve_forever()


def a_table(tar: Path, rounds: int) -> dict:
    """Time the reading of a tar's headers, and of its samples' labels."""
    seconds, count = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        count = len(tars.table_of(str(tar)).members)
        seconds.append(time.perf_counter() - began)
    kept = [sum(each.nbytes for each in places) for places in tars._kept.values()]
    began = time.perf_counter()
    carlib.load_index(tar)
    return {
        "members": count,
        "microseconds": 1e6 * statistics.median(seconds) / count,
        "bytes": kept[-1] / count,
        "load_index": time.perf_counter() - began,
    }


def ways_table(ways: dict) -> str:
    """Return a line a way: photos/s, and microseconds a photo."""
    rows = []
    for way, own in ways.items():
        each = sorted(seconds / own["photos"] for seconds in own["seconds"])
        middle = statistics.median(each)
        spread = f"{1 / each[-1]:,.0f} … {1 / each[0]:,.0f}"
        rows.append([way, f"{1 / middle:,.0f}", spread, f"{1e6 * middle:,.0f}"])
    return table(["photos in", "photos/s", "least … most", "µs a photo"], rows)


if __name__ == "__main__":
    main()
