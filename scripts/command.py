"""What the programs in this folder share: a command line, and errors in words."""

import argparse
import sys
from collections.abc import Callable

from carlib.errors import CarlibError


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
    except CarlibError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run it again to go on.", file=sys.stderr)
        return 130
    return 0
