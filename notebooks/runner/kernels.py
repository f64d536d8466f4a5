"""Fresh kernels, the next of them started while the notebooks before it still run."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runner.checks import RunError

ARGUMENTS = [
    "--IPKernelApp.log_level=CRITICAL",
    "--HistoryManager.hist_file=:memory:",  # a run is no part of anybody's history
]


class Kernels:
    """Hand out so many kernels, each for one notebook; at the end none is left.

    Args:
        folder: Where they work.
        count: How many are needed in all.
    """

    def __init__(self, folder: Path, count: int):
        self._folder, self._left = folder, count
        self._lock, self._stopped = threading.Lock(), False
        self._in_use: set[Any] = set()
        self._pool = ThreadPoolExecutor(2)
        self._next = self._begin()

    def __enter__(self) -> "Kernels":
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._stopped, spare = True, self._next
        if spare and not spare.exception():
            _end(spare.result())
        self._pool.shutdown()

    @contextlib.contextmanager
    def one(self) -> Iterator[Any]:
        """Yield the manager of a kernel in which nothing has run.

        Raises:
            RunError: The run was stopped.
        """
        with self._lock:
            if self._stopped or self._next is None:
                raise RunError("Stopped.")
            ready, self._next = self._next, self._begin()
        manager = ready.result()
        self._in_use.add(manager)
        try:
            yield manager
        finally:
            self._in_use.discard(manager)
            self._pool.submit(_end, manager)  # what waits for the notebook needn't

    def interrupt(self) -> None:
        """Stop the cells that run, as Ctrl-C would; none begins after."""
        from jupyter_core.utils import run_sync

        self._stopped = True
        for manager in [*self._in_use]:
            run_sync(manager.interrupt_kernel)()

    def kill(self) -> None:
        """End the kernels that an interrupt didn't reach."""
        from jupyter_core.utils import run_sync

        for manager in [*self._in_use]:
            run_sync(manager.provisioner.kill)()

    def _begin(self) -> Future | None:
        if not self._left:
            return None
        self._left -= 1
        return self._pool.submit(_started, self._folder)


def _started(folder: Path) -> Any:
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync

    manager = AsyncKernelManager(kernel_name="python3")
    run_sync(manager.start_kernel)(
        cwd=str(folder),
        extra_arguments=[*ARGUMENTS],
        stderr=subprocess.DEVNULL,  # it stands in the cells: no second time in the bar
    )
    return manager


def _end(manager: Any) -> None:
    from jupyter_core.utils import run_sync

    run_sync(manager.shutdown_kernel)()
