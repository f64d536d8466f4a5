"""A Dask worker's part: ranges of photos → shards in the workspace that all see.

A worker opens the backbones once, writes its own shards, and answers with the photos'
keys and what was wrong with them: features never travel.
"""

import asyncio
import contextlib
import ctypes
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from carlib import __version__, cores
from carlib.backbones.engines import Network
from carlib.bottlenecks.cache import DESCRIPTION, open_shards, shards_folder
from carlib.bottlenecks.run import Lane, Run
from carlib.data.sources import Source
from carlib.errors import ClusterError
from carlib.messages import bar
from carlib.reading import read_json

_THIS_PROCESS = f"{socket.gethostname()} {time.time_ns()}"


class Job(NamedTuple):
    """What all ranges of a run have in common.

    Attributes:
        opened: The name of the `Opened` whose backbones compute.
        workspace_path: Where shards go, from the root: workers stand elsewhere.
        mirrored: Whether mirror images are computed, too.
        reuse: Whether features that lie in the workspace count.
    """

    opened: str
    workspace_path: str
    mirrored: bool
    reuse: bool


class Status(NamedTuple):
    """What a file was when it was read; names as of `os.stat_result`."""

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_ino: int
    st_dev: int


class Report(NamedTuple):
    """What became of a range; photos are counted from its first.

    Attributes:
        keys: The SHA-256 of each photo's bytes; b"" where it can't be read.
        errors: What is wrong with photos that have no features.
        computed: Those that something was computed for.
        copies: Those that another one of the range stands for.
        statuses: Of files, by the photo: its status, and when it was read.
        seconds: What the range took.
    """

    keys: list[bytes]
    errors: dict[int, str]
    computed: list[int]
    copies: list[int]
    statuses: dict[int, tuple[Status, int]]
    seconds: float


# mallopt's options, of glibc's malloc.h, and what is kept instead of handed back.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_KEPT = 32 << 20


def _keep_memory() -> None:
    """Let the process use memory again that photos before took.

    Dask has it handed back at once, and a tenth of the time goes into getting it anew.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another library than glibc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP_THRESHOLD, _KEPT)
            mallopt(_TRIM_THRESHOLD, 2 * _KEPT)


class Opened(WorkerPlugin):
    """Backbones that a worker has open, for as long as it lives.

    Args:
        networks: The backbones.
    """

    idempotent = True

    def __init__(self, networks: Sequence[Network]):
        self.networks = tuple(networks)
        self.fingerprints = [network.fingerprint for network in networks]
        self.name = f"carlib {'+'.join(self.fingerprints)}"
        self._made_in = _THIS_PROCESS

    async def setup(self, worker: Worker) -> None:
        """Open the backbones, while the worker goes on answering its scheduler."""
        if self._made_in != _THIS_PROCESS:
            cores.limit_threads(worker.state.nthreads)
            _keep_memory()
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        self._check_weights()
        for network in self.networks:
            network.engine()

    def _check_weights(self) -> None:
        found = [network.fingerprint for network in self.networks]
        if found != self.fingerprints:
            raise ClusterError(
                "Expected a worker's backbone to have the client's weights. Received: "
                "others",
                hint="Put the same weights file where the worker looks for it.",
            )

    def _check_workspace(self, job: Job) -> None:
        """Refuse to write where the client won't see it: a worker may join later."""
        folders = folders_of(job.workspace_path, self.networks)
        if problem := problem_of(__version__, folders):
            raise ClusterError(f"A worker on {socket.gethostname()} {problem}.")

    def compute(
        self, job: Job, names: Sequence[str], go_on: Callable[[int], None]
    ) -> Report:
        """Compute a range of photos, and write what was computed.

        Args:
            go_on: Is called after each photo; it may raise, which ends the range.
        """
        self._check_weights()
        self._check_workspace(job)
        began, index = time.monotonic(), _Statuses()
        sources = [Source(name) for name in names]
        lanes = [
            Lane(each, open_shards(job.workspace_path, each, job.reuse), False, True)
            for each in self.networks
        ]
        run = Run(sources, lanes, job.mirrored, index, go_on)
        with bar(None, "", "", disable=True) as run.bar:
            run.compute(run.todo())
        _check_kept(lanes)
        seconds = time.monotonic() - began
        known = {
            row: index.seen[name]
            for row, name in enumerate(names)
            if name in index.seen
        }
        sets = sorted(run.computed), sorted(run.copies)
        return Report(run.keys, run.errors, *sets, known, seconds)


def _check_kept(lanes: Sequence[Lane]) -> None:
    """Refuse to report what would be gone with the worker."""
    lost = [lane.shards.folder for lane in lanes if not lane.shards.keeps]
    if lost:
        message = "Expected a worker to write into the workspace. Received: it can't"
        raise ClusterError(message, [str(folder) for folder in lost])


class _Statuses:
    """Notes the status of what is read; the client enters it into the index."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[Status, int]] = {}

    def key_at(self, path: Path) -> None:
        """Know nothing: the client has asked its index."""

    def learn(self, path: Path, status: Any, read_at: int, key: bytes) -> None:
        """Note a file's status."""
        values = [getattr(status, name) for name in Status._fields]
        self.seen[str(path)] = Status(*values), read_at


class Cancelled(Exception):
    """Nobody waits for a range any more."""


def compute_range(job: Job, names: Sequence[str]) -> Report:
    """Compute a range of photos on the worker that this runs on.

    Raises:
        Cancelled: Nobody waits for it any more; what was computed is kept.
    """
    worker = get_worker()
    opened, task = worker.plugins.get(job.opened), worker.get_current_task()
    if not isinstance(opened, Opened):
        raise ClusterError(f"The worker {worker.address} has no backbone.")

    def go_on(_: int) -> None:
        state = worker.state.tasks.get(task)
        if state is None or state.state == "cancelled":
            raise Cancelled

    return opened.compute(job, names, go_on)


def problem_of(version: str, folders: dict[str, str]) -> str:
    """Return why the worker that this runs on can't take part, or "".

    Args:
        version: The client's carlib.
        folders: Backbones' folders in the workspace, with their fingerprints.
    """
    if __version__ != version:
        return f"has carlib {__version__}, not {version}"
    for folder, fingerprint in folders.items():
        try:
            found = read_json(Path(folder) / DESCRIPTION)["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError):
            found = None
        if found != fingerprint:
            return f"does not see {Path(folder).parent.as_posix()} as the client does"
    return ""


def folders_of(workspace_path: str, networks: Sequence[Network]) -> dict[str, str]:
    """Return backbones' folders in a workspace, with their fingerprints."""
    return {
        str(shards_folder(workspace_path, network)): network.fingerprint
        for network in networks
    }
