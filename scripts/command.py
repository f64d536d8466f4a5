"""What the programs in this folder share: a command line, and errors in words."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from carlib.errors import CarlibError, OutputError


def parser_of(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a program's parser; its help is its docstring, examples at the end."""
    purpose, _, examples = (doc or "").partition("\n\n")
    return argparse.ArgumentParser(
        prog=name,
        description=purpose,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def done(work: Callable[[], None]) -> int:
    """Do the work; return 0, 1 after an error told in words, or 130 after Ctrl-C."""
    try:
        work()
    except (CarlibError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run it again to go on.", file=sys.stderr)
        return 130
    return 0


def check_place(folder: Path, mark: str) -> None:
    """Refuse a folder with anything in it that the program didn't make.

    All that is in it would be replaced.

    Args:
        mark: A file or folder that is in each that the program made.

    Raises:
        OutputError: It is a file, or holds something, and no mark.
    """
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / mark).exists():
        raise OutputError(
            f"{folder} would be replaced, and it holds what was not made by this.",
            hint="Name a new folder.",
        )
