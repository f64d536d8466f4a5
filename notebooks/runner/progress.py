"""One bar over all cells, and a line for each notebook that ended."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator

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
        self._name([*self._running, name])
        try:
            yield
        finally:
            self._name([other for other in self._running if other != name])
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

    def _name(self, running: list[str]) -> None:
        self._running = sorted(running)
        alone = len(running) == 1
        shown = running[0] if alone else ", ".join(name[:2] for name in self._running)
        self._bar.set_description_str(shown)


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
