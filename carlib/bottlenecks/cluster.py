"""The bottleneck phase on Dask: ranges of photos, as large as some seconds' work.

The client hands out ranges, a few more than there are threads: nobody waits, nothing
piles up. Workers write their own shards, which needs no lock (see `shards`), and answer
with keys. So a worker that dies costs the ranges that it had in hand, and a scheduler
that dies costs nothing that a worker has written.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carlib import __version__
from carlib.bottlenecks.run import BLOCK, Run
from carlib.data.addresses import is_address
from carlib.data.sources import Source
from carlib.errors import ClusterError, OptionError
from carlib.messages import say

if TYPE_CHECKING:
    from distributed import Client, Future

    from carlib.bottlenecks.worker import Job, Opened, Report

SECONDS_A_RANGE = 20  # a thread's work: beside it the start of a range is nothing
MOST_A_RANGE = 8192  # photos: their names and keys are some 1 MB
AHEAD = 2  # ranges a thread that are handed out at a time
LOOK = 2  # seconds after which is looked whether scheduler and workers are still there
ATTEMPTS = 3  # to have the backbones opened
PATIENCE = 60  # seconds without a worker, or until a shared file system shows a shard


def check_dask() -> None:
    """Refuse to go on where Dask isn't installed.

    Raises:
        OptionError: It isn't.
    """
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        message = "Expected Dask, which a cluster needs. Received: none is installed"
        raise OptionError(message, hint='Install it: pip install "carlib[cluster]"')


def compute(
    run: Run,
    rows: Sequence[int],
    client: "Client",
    workspace_path: str | os.PathLike | None,
    reuse: bool = True,
) -> None:
    """Have a cluster's workers compute what of these rows no shard holds.

    Raises:
        OptionError: Photos or a backbone that can't be sent, or nowhere to write.
        ClusterError: Workers that can't take part, all of them named; or the scheduler
            is gone, or all workers are. What was computed is kept.
    """
    if not rows:
        return
    check_dask()
    _check(run, rows, client, workspace_path)
    spread = _Spread(run, rows, client, _place(str(workspace_path)), reuse)
    try:
        spread.prepare()
        spread.hand_out()
    finally:
        spread.cancel()
    for row in _not_shown(run, rows):
        name = run.sources[row].shown
        run.errors[row] = f"{name} was computed, and the workspace doesn't show it."


def _check(run: Run, rows: Sequence[int], client: Any, workspace_path: Any) -> None:
    problems = []
    if not callable(getattr(client, "register_plugin", None)):
        kind = type(client).__name__
        problems.append(f"Expected a dask.distributed.Client. Received: a {kind}")
    if workspace_path is None:
        problems.append("Expected a workspace that all workers see. Received: None")
    sent = sum(run.sources[row].content is not None for row in rows)
    if sent:
        what = f"{sent:,} photos by their bytes or pixels"
        problems.append(f"Expected paths, which workers can read. Received: {what}")
    for lane in run.lanes:
        try:
            lane.network.__reduce_ex__(4)  # what pickling it begins with
        except OptionError as error:
            what = f"Expected a backbone that can be sent. Received: {error.message}"
            problems.append(what)
    if problems:
        raise OptionError(problems[0], problems[1:])


class _Spread:
    """One call's ranges: which are left, handed out, done."""

    def __init__(
        self,
        run: Run,
        rows: Sequence[int],
        client: "Client",
        workspace_path: str,
        reuse: bool,
    ):
        self.run, self.client = run, client
        self.left = list(reversed(rows))
        self.split: list[Sequence[int]] = []  # of ranges whose workers died
        self.suspects: list[Sequence[int]] = []  # photos whose workers died
        self.alone: Sequence[int] = ()  # a suspect that is handed out with no other
        self.given: dict[Future, Sequence[int]] = {}
        self.workspace_path, self.reuse = workspace_path, reuse
        self.pace = 0.0  # photos a second and thread
        self.devices = _Devices()

    def prepare(self) -> None:
        """Ask whether each worker can take part; have the backbones opened there."""
        from carlib.bottlenecks import worker

        networks = [lane.network for lane in self.run.lanes]
        for lane in self.run.lanes:
            lane.shards.prepare()
            lane.network.engine()  # an int8 one is calibrated, and kept, once
        self._wait_for_workers()
        with self._scheduler_there():
            self._ask(
                worker.problem_of, worker.folders_of(self.workspace_path, networks)
            )
            opened = worker.Opened(networks)
            self._register(opened)
        views = self.run.mirrored, self.reuse
        self.job: Job = worker.Job(opened.name, self.workspace_path, *views)

    def _ask(self, problem_of: Callable[..., str], folders: dict[str, str]) -> None:
        """Name all workers that can't take part; one that has just died isn't one."""
        answers = self.client.run(problem_of, __version__, folders, on_error="return")
        problems = [
            f"{address} {_in_words(answer)}"
            for address, answer in answers.items()
            if answer and not isinstance(answer, OSError)
        ]
        if problems:
            raise ClusterError(
                f"{len(problems):,} of {len(answers):,} workers can't take part.",
                problems,
                hint="Each needs the client's carlib, and to see the photos and the "
                "workspace at the same places, as on a shared file system.",
            )

    def _register(self, opened: "Opened") -> None:
        """Have the backbones opened, whichever workers die meanwhile."""
        for attempt in range(ATTEMPTS):
            try:
                self.client.register_plugin(opened)
                return
            except OSError:
                if attempt + 1 == ATTEMPTS or self.client.status != "running":
                    raise

    def hand_out(self) -> None:
        """Hand ranges out until all are done."""
        idle_since = time.monotonic()
        while self._has_more() or self.given:
            with self._scheduler_there():
                n_threads = sum(self.client.nthreads().values())
                while self._has_more() and len(self.given) < AHEAD * n_threads:
                    self._submit(self._next(n_threads))
                done = self._finished()
            for future in done:
                self._take(future, self.given.pop(future))
            if done or n_threads:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > PATIENCE:
                raise ClusterError("No worker is left.", hint=self._how_much())

    def cancel(self) -> None:
        """Take back what is handed out: workers write what they have and stop."""
        with contextlib.suppress(Exception):  # of a scheduler that is gone
            if self.given:
                self.client.cancel([*self.given])

    def _wait_for_workers(self) -> None:
        if not self.client.nthreads():
            say("Waiting for a worker.")
            try:
                self.client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError as error:
                hint = "Start some: dask worker ADDRESS"
                raise ClusterError("The scheduler has no worker.", hint=hint) from error

    def _has_more(self) -> bool:
        return bool(self.left or self.split or (self.suspects and not self.given))

    def _next(self, n_threads: int) -> Sequence[int]:
        """Return a range: some seconds' work, and less as the end comes near."""
        if self.split:
            return self.split.pop()
        if not self.left:
            self.alone = self.suspects.pop()
            return self.alone
        share = len(self.left) // (AHEAD * n_threads)
        size = min(int(self.pace * SECONDS_A_RANGE), share, MOST_A_RANGE)
        size = min(max(size, BLOCK), len(self.left))
        return [self.left.pop() for _ in range(size)]

    def _submit(self, rows: Sequence[int]) -> None:
        from carlib.bottlenecks.worker import compute_range

        names = [_place(self.run.sources[row].name) for row in rows]
        future = self.client.submit(compute_range, self.job, names, pure=False)
        self.given[future] = rows

    @contextlib.contextmanager
    def _scheduler_there(self) -> Iterator[None]:
        """Say in words that the scheduler is gone."""
        try:
            yield
        except (CancelledError, OSError) as error:
            raise ClusterError(
                "The scheduler is gone.", hint=self._how_much()
            ) from error

    def _finished(self) -> list["Future"]:
        """Return the ranges that are done, after a little while perhaps none."""
        from distributed import wait
        from distributed.client import FIRST_COMPLETED

        if not self.given:
            time.sleep(LOOK)
            return []
        try:
            return [*wait([*self.given], LOOK, FIRST_COMPLETED).done]
        except TimeoutError:
            return []

    def _how_much(self) -> str:
        done = self.run.bar.n
        return (
            f"{done:,} of {self.run.bar.total:,} photos are done, and kept. Run it "
            "again with a cluster that is there: only the others are computed."
        )

    def _take(self, future: "Future", rows: Sequence[int]) -> None:
        """Note what came of a range, or share out one that killed workers."""
        from distributed import KilledWorker

        with self._scheduler_there():
            try:
                error = future.exception(timeout=LOOK)
                answer = error or future.result(timeout=LOOK)
            except TimeoutError:  # its worker died with it: Dask has it made again
                self.given[future] = rows
                return
        if isinstance(error, KilledWorker):
            self._halve(rows)
        elif error:
            raise error
        else:
            self._note(rows, answer)

    def _halve(self, rows: Sequence[int]) -> None:
        """Look for the photo that kills workers: it alone is given up.

        Dask blames all that a worker had in hand, so a suspect is tried by itself.
        """
        middle = len(rows) // 2
        if middle:
            self.split += [rows[:middle], rows[middle:]]
        elif rows is not self.alone:
            self.suspects.append(rows)
        else:
            name = self.run.sources[rows[0]].shown
            error = f"{name} killed the workers that were to compute it."
            self.run.errors[rows[0]] = error
            self.run.bar.update()

    def _note(self, rows: Sequence[int], report: "Report") -> None:
        run = self.run
        for place, row in enumerate(rows):
            run.keys[row] = report.keys[place]
        for place, error in report.errors.items():
            source = run.sources[rows[place]]
            there = Source(_place(source.name)).shown
            run.errors[rows[place]] = error.replace(there, source.shown)
        run.copies.update(rows[place] for place in report.copies)
        for place in report.computed:
            run.note_computed(rows[place])
        for place, (status, read_at) in report.statuses.items():
            path = Path(run.sources[rows[place]].name)
            seen = status._replace(st_dev=self.devices.of(path.parent))
            run.index.learn(path, seen, read_at, report.keys[place])
        run.bar.update(len(rows))
        pace = len(rows) / max(report.seconds, 1e-3)
        self.pace = pace if not self.pace else 0.7 * self.pace + 0.3 * pace


class _Devices(dict[Path, int]):
    """The numbers under which the client has mounted what the photos lie on.

    A worker may have it under another. If it's no shared file system, the rest of a
    status differs, and the photo is read again.
    """

    def of(self, folder: Path) -> int:
        if folder not in self:
            try:
                self[folder] = folder.stat().st_dev
            except OSError:
                self[folder] = 0
        return self[folder]


def _place(name: str) -> str:
    """Return what a path is anywhere: workers stand in other folders."""
    return name if is_address(name) else str(Path(name).absolute())


def _in_words(answer: Any) -> str:
    if isinstance(answer, ModuleNotFoundError):
        return f"has no module {answer.name}"
    return str(answer) or type(answer).__name__


def _not_shown(run: Run, rows: Sequence[int]) -> Sequence[int]:
    """Take up what workers wrote; return what is missing after a while.

    A file system on a network may show it later.
    """
    until, pause = time.monotonic() + PATIENCE, 0.05
    while True:
        for lane in run.lanes:
            lane.shards.refresh()
        rows = [row for row in rows if row not in run.errors and run.lacks(row)]
        if not rows or time.monotonic() > until:
            return rows
        time.sleep(pause)
        pause = min(2 * pause, LOOK)
