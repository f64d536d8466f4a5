"""What carlib says to the person at the keyboard."""

import functools
import os
from pathlib import Path

from carlib.errors import DataError


@functools.cache
def say(message: str) -> None:
    """Print a message to the person at the keyboard, each one once in a process."""
    print(message, flush=True)


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
