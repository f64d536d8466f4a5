"""Calls on a cache of millions of entries, each in a process of its own."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from calls import Trivial
from processes import answer

from carlib.bottlenecks import cache, shard_file, stat_index
from carlib.bottlenecks.extract import extract
from carlib.bottlenecks.shard_file import write_shard
from carlib.bottlenecks.status import status_of
from carlib.data.sources import as_sources

EVENTS = {
    "open": "open",
    "os.rename": "rename",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.listdir": "list",
    "os.scandir": "list",
}
# Trivial features make small files: they get hints as those of a real backbone do.
shard_file.HINTED = 0


class Operations:
    """Counts what a process asks of the file system below a folder."""

    def __init__(self, folder: str):
        self._folder, self.counts = folder, Counter()
        sys.addaudithook(self._heard)
        os.stat = self._counted(os.stat, "stat")
        os.lstat = self._counted(os.lstat, "stat")

    def _heard(self, event: str, arguments: tuple) -> None:
        if event in EVENTS and self._is_below(arguments[0]):
            # What is opened to be read is opened by `os.open`, which names no mode.
            is_twice = event == "open" and arguments[1] in ("r", "rb")
            self.counts[EVENTS[event]] += not is_twice

    def _counted(self, function: Callable, name: str) -> Callable:
        def counted(path, *arguments, **options):
            self.counts[name] += self._is_below(path)
            return function(path, *arguments, **options)

        return counted

    def _is_below(self, path: object) -> bool:
        is_path = isinstance(path, (str, os.PathLike))
        return is_path and os.fspath(path).startswith(self._folder)


def build(job: dict) -> dict:
    """Write a workspace: shards of many writers, and the stat index.

    Args:
        job: entries, features, per_shard, workspace, and folder, of photos
            00000000.jpg and on, the first `photos` of which are among the entries.
    """
    import hashlib

    rng = np.random.default_rng(0)
    entries = np.empty(job["entries"], stat_index.ENTRY)
    entries[:] = np.frombuffer(rng.bytes(entries.nbytes), stat_index.ENTRY)
    for row, path in enumerate(_paths(job, job["photos"])):
        key = hashlib.sha256(path.read_bytes()).digest()
        name = hashlib.blake2b(os.fsencode(path), digest_size=16).digest()
        status = np.array(status_of(path.stat()), np.int64).tobytes()
        entries[row] = np.frombuffer(name + status + key, stat_index.ENTRY)[0]
    entries = entries[rng.permutation(len(entries))]
    _write_shards(job, entries["photo"])
    order = np.argsort(entries["path"].copy().view(">u8")[:, 0])
    write_shard(cache.root_of(job["workspace"]), [entries[order]], stat_index.PREFIX)
    return {}


def _write_shards(job: dict, photos: np.ndarray) -> None:
    """Write shards of so many rows, some more and some fewer."""
    rng = np.random.default_rng(1)
    shards = cache.open_shards(job["workspace"], Trivial(job["features"]), look=False)
    shards.prepare()
    start = 0
    while start < len(photos):
        count = max(1, int(job["per_shard"] * rng.uniform(0.5, 1.5)))
        rows = np.empty(len(photos[start : start + count]), shards.dtype)
        rows["photo"] = photos[start : start + count]
        rows["features"] = rng.random((len(rows), job["features"]), np.float32)
        write_shard(shards.folder, [rows])
        start += count


def _paths(job: dict, count: int, first: int = 0) -> list[Path]:
    numbers = range(first, first + count)
    return [Path(job["folder"]) / f"{number:08}.jpg" for number in numbers]


def _open(job: dict) -> int:
    return len(_opened(job).shards)


def _opened(job: dict) -> cache.Shards:
    return cache.open_shards(job["workspace"], Trivial(job["features"]))


def _index(job: dict) -> int:
    cache.open_index(job["workspace"])
    return 0


def _present(job: dict) -> int:
    """Ask for photos that are there: what may hold one is read."""
    return _count_in(job, [_key(path) for path in _paths(job, job["photos"])])


def _absent(job: dict) -> int:
    return _count_in(job, [os.urandom(32) for _ in range(job["photos"])])


def _count_in(job: dict, keys: list[bytes]) -> int:
    shards = _opened(job)
    return sum(key in shards for key in keys)


def _key(path: Path) -> bytes:
    import hashlib

    return hashlib.sha256(path.read_bytes()).digest()


def _warm(job: dict) -> int:
    return _extracted(job, _paths(job, job["photos"]))


def _few(job: dict) -> int:
    return _extracted(job, _paths(job, 10))


def _add(job: dict) -> int:
    return _extracted(job, _paths(job, 10, job["photos"]))


def _extracted(job: dict, paths: list[Path]) -> int:
    backbone = Trivial(job["features"])
    sources = as_sources([str(path) for path in paths])
    found = extract(sources, [backbone], job["workspace"], progress=False)
    features = found.of_photos()
    if np.isnan(features).any():
        raise RuntimeError("features are missing")
    return found.n_cached


def _info(job: dict) -> int:
    return cache.cache_info(job["workspace"])[0]["photos"]


def _verify(job: dict) -> int:
    return cache.verify_cache(job["workspace"])[0]["photos"]


def _compact(job: dict) -> int:
    return cache.compact_cache(job["workspace"])[0]["after"]


CALLS = {
    "open the shards": _open,
    "open the stat index": _index,
    "ask for photos that are not there": _absent,
    "ask for photos that are there": _present,
    "warm, all photos": _warm,
    "warm, ten photos": _few,
    "ten photos added": _add,
    "cache_info": _info,
    "verify": _verify,
    "compact": _compact,
}


def run(job: dict) -> dict:
    """Build a workspace, or make one call on it.

    Args:
        job: As for `build`, and call: a name of CALLS.

    Returns:
        seconds, and cpu, of all threads; peak_mb, of the process as a whole, and
        anonymous_mb, at its end; before_mb, before the call; found (what the call
        says); operations, by kind.
    """
    if job["call"] not in CALLS:
        return build(job)
    operations = Operations(str(cache.root_of(job["workspace"]).absolute()))
    before = _memory("RssAnon")
    began, cpu = time.perf_counter(), time.process_time()
    found = CALLS[job["call"]](job)
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "found": found,
        "before_mb": before,
        "peak_mb": _memory("VmHWM"),
        "anonymous_mb": _memory("RssAnon"),
        "operations": dict(operations.counts),
    }


def _memory(name: str) -> float:
    """Return what Linux tells of this process's memory, in MB; elsewhere NaN."""
    try:
        text = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return float("nan")
    (line,) = (each for each in text.splitlines() if each.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    answer(run)
