"""What carlib says to the person at the keyboard.

Its sentences go through the logger "carlib" at level INFO, and it prints them as they
are, to where `print` would at that moment. A program that wants to hear nothing says so
before or after it imports carlib; one that wants them elsewhere adds a handler of its
own, beside carlib's.

Example:
    >>> logging.getLogger("carlib").setLevel(logging.WARNING)
"""

import contextlib
import logging
import sys
from collections.abc import Collection, Iterator
from typing import Any

from carlib.errors import printable_lines

LOG_SECONDS = 30  # between two lines of progress in a log


class _Printer(logging.Handler):
    """Print the bare sentence; whoever redirects `sys.stdout` later gets it too."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


_LOG = logging.getLogger("carlib")
_LOG.propagate = False  # the root logger might print it a second time
_LOG.addHandler(_Printer())
if _LOG.level == logging.NOTSET:
    _LOG.setLevel(logging.INFO)


def say(message: str) -> None:
    """Tell the person at the keyboard, unless the program wants to hear nothing.

    Of what is said nothing but line ends is obeyed by a terminal.
    """
    _LOG.info("%s", printable_lines(message))


@contextlib.contextmanager
def bar(total: int | None, what: str, unit: str, **options: Any) -> Iterator[Any]:
    """Yield a bar with the time left, tqdm's; where nobody watches, a line at times.

    In a notebook it's text, too, and gone at its end: a widget would be an error in a
    notebook that is saved, and opened without its kernel. There a bar within another
    isn't seen: they would need a cursor that goes up.

    Args:
        options: Others of tqdm's.

    Example:
        >>> with bar(len(photos), "Bottlenecks", "photo") as shown:
        ...     shown.update()
    """
    from tqdm import tqdm

    if sys.platform == "emscripten":
        tqdm.monitor_interval = 0  # a browser has no thread for it
    if sys.stderr is None:  # a windowed program, or one whose streams are closed
        options |= {"disable": True}
    elif _in_notebook():
        options |= {"mininterval": 0.5, "file": sys.stdout, "leave": False, "ncols": 70}
        options["disable"] = options.get("disable") or bool(_open_bars())
    elif not sys.stderr.isatty():
        options |= {"mininterval": LOG_SECONDS, "maxinterval": 2 * LOG_SECONDS}
        options |= {"file": _Lines(sys.stderr)}
    with tqdm(total=total, desc=what, unit=unit, **options) as shown:
        yield shown


def _open_bars() -> Collection[Any]:
    """Return the bars that are to be seen now, whoever made them."""
    from tqdm import tqdm

    return getattr(tqdm, "_instances", ())


def _in_notebook() -> bool:
    kind = type(sys.stderr).__module__
    return kind.startswith(("ipykernel", "google.colab", "pyodide_kernel"))


class _Lines:
    """A stream on which each state of a bar is a line, and none takes one's place."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        self._stream.flush()
