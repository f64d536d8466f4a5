"""What carlib says to the person at the keyboard.

Its sentences go through the logger "carlib" at level INFO, and it prints them as they
are, to where `print` would at that moment. A program that wants to hear nothing says so
before or after it imports carlib; one that wants them elsewhere adds a handler of its
own, beside carlib's.

Example:
    >>> logging.getLogger("carlib").setLevel(logging.WARNING)
"""

import logging
import os
from pathlib import Path

from carlib.errors import DataError, printable


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
    _LOG.info("%s", "\n".join(map(printable, message.split("\n"))))


def require(path: str | os.PathLike, made_by: str) -> Path:
    """Return a path if it exists, else say which notebook makes it.

    Raises:
        DataError: The file isn't there yet.

    Example:
        >>> carlib.require("workspace/photos.csv", made_by="02_load_data")
    """
    path = Path(path)
    if not path.exists():
        raise DataError(
            f"No {path.name} in {path.parent.as_posix()}.",
            hint=f"Run {made_by}.ipynb first: it makes it.",
        )
    return path
