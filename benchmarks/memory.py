"""The memory of a process: held to a limit, and watched."""

import contextlib
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

OFTEN = 0.02  # seconds between two looks


def limit(gigabytes: float) -> None:
    """Let the system refuse more memory of the process's own than that.

    That is what is not in files: maps that are only read don't count.
    """
    most = int(gigabytes * (1 << 30))
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def own_bytes() -> int:
    """Return what the process has in memory that is in no file."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(found) << 10


@contextlib.contextmanager
def watched() -> Iterator[dict[str, int]]:
    """Yield what has, at the end, the most that there was, in bytes: "peak"."""
    found, ended = {"peak": own_bytes()}, threading.Event()

    def look() -> None:
        while not ended.is_set():
            found["peak"] = max(found["peak"], own_bytes())
            time.sleep(OFTEN)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def written_or_measured(
    job: dict, write: Callable[[dict], None], measured: Callable[[dict], dict]
) -> dict:
    """Write what a job is about, or measure it under the job's limit of memory."""
    if job["way"] == "write":
        write(job)
        return {}
    limit(job["gigabytes"])
    with watched() as memory:
        found = measured(job)
    return found | memory
