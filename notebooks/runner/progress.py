"""One bar over all cells, and a line for each notebook that ended."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from tqdm import tqdm

BAR = (
    "{desc:<20} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} cells, "
    "{elapsed} gone, {remaining} to go"
)


class Progress:
    """Say which notebooks run and how far they are; several threads may tell it.

    Args:
        bar: What is shown to whoever watches.
    """

    def __init__(self, bar: tqdm):
        self._bar, self._lock = bar, threading.Lock()
        self._running: list[str] = []

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Name a notebook while it runs, and then tell the seconds that it took."""
        started = time.monotonic()
        self._change(self._running.append, name)
        try:
            yield
        finally:
            self._change(self._running.remove, name)
        seconds = time.monotonic() - started
        self._bar.write(f"{name:<20} {seconds:6.1f} s", sys.stderr)

    def cell(self) -> None:
        """Count a cell that has run."""
        with self._lock:
            self._bar.update()

    def say(self, lines: Iterable[str]) -> None:
        """Write lines above the bar."""
        for line in lines:
            self._bar.write(line, sys.stderr)

    def _change(self, change: Callable[[str], None], name: str) -> None:
        """Let a notebook begin or end, and name those that run."""
        with self._lock:  # two may at the same time
            change(name)
            names = sorted(self._running)
            short = ", ".join(name[:2] for name in names)
            self._bar.set_description_str(names[0] if len(names) == 1 else short)


@contextlib.contextmanager
def progress(total: int) -> Iterator[Progress]:
    """Yield the progress over so many cells; its clock moves in long ones as well."""
    done = threading.Event()
    quiet = not sys.stderr.isatty()
    with tqdm(total=total, bar_format=BAR, smoothing=0, disable=quiet) as bar:

        def tick() -> None:
            while not done.wait(1):
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield Progress(bar)
        finally:
            done.set()
            clock.join()
