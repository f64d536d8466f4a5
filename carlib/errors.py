"""What carlib raises when something is wrong with what it was given.

CarlibError
├── OptionError     an argument or option out of its range (also a ValueError)
├── DataError       the data: index, labels, split, folder
├── ImageError      photos that can't be read
├── WeightsError    weights that aren't there, or don't fit the network
├── ArchiveError    a zip of data or a saved model that can't be trusted
├── OutputError     a file or folder that can't be written
├── ExportError     an export that could not be made, or wasn't equal
├── AccuracyError   a model that isn't as good as it was asked to be
└── ClusterError    a cluster whose scheduler or workers are gone, or can't take part
"""

import os
import re
import traceback
import unicodedata
from collections.abc import Sequence

SHOWN = 20
_JOINERS = "\u200c\u200d"  # without which some scripts and emoji can't be written
_ODD = re.compile(r"[^\x20-\x7e]")


def printable(text: object) -> str:
    """Return a text in one line, with what a terminal would obey as escapes.

    Such as control characters, line ends, marks that turn the direction of writing, and
    bytes of a file's name that are no UTF-8.

    Example:
        >>> printable("a\\x1b[31mb")
        'a\\\\x1b[31mb'
    """
    return _ODD.sub(lambda found: _visible(found[0]), str(text))


def printable_lines(text: object) -> str:
    """Return a text of which a terminal obeys line ends alone; see `printable`."""
    return "\n".join(map(printable, str(text).split("\n")))


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS:
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


class CarlibError(Exception):
    """Say what is wrong, list every case of it, and what to do.

    Printed, nothing in it reaches a terminal raw: see `printable`.

    Args:
        message: What was expected and what came.
        problems: One line for each thing wrong; the first 20 are printed, all are
            kept in the attribute `problems`.
        hint: What to do next.
    """

    def __init__(self, message: str, problems: Sequence[str] = (), hint: str = ""):
        self.message, self.problems, self.hint = message, list(problems), hint
        super().__init__(message, self.problems, hint)

    def __str__(self) -> str:
        lines = [self.message, *(f"  - {line}" for line in self.problems[:SHOWN])]
        if len(self.problems) > SHOWN:
            lines.append(f"  … and {len(self.problems) - SHOWN:,} more")
        lines += [self.hint] if self.hint else []
        return "\n".join(map(printable, lines))

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the cell's line, and what is wrong.

        IPython asks for it. carlib's own lines would stand between the two; with
        CARLIB_DEBUG=1 they do.
        """
        if os.environ.get("CARLIB_DEBUG") == "1":
            return traceback.format_exception(self)
        lines = [
            f"In line {step.lineno} of the cell: {step.line}\n"
            for step in traceback.extract_tb(self.__traceback__)
            if "ipykernel" in step.filename or "ipython" in step.filename
        ]
        return [*lines[-1:], f"{type(self).__name__}: {self}"]


def together(errors: Sequence[CarlibError]) -> CarlibError:
    """Return errors of one kind as one, with all that is wrong."""
    message = " ".join(error.message for error in errors)
    problems = [problem for error in errors for problem in error.problems]
    return type(errors[0])(message, problems, errors[0].hint)


class OptionError(CarlibError, ValueError):
    """An argument or option is out of its range."""


class DataError(CarlibError):
    """The index, the labels, the split or the data folder are not usable."""


class ImageError(CarlibError):
    """One or more photos can't be read."""


class WeightsError(CarlibError):
    """A backbone's weights are missing, or don't fit its network."""


class ArchiveError(CarlibError):
    """A zip of data or a saved model is damaged, dangerous or not one at all."""


class OutputError(CarlibError):
    """A file or folder that was asked for can't be written."""


class ExportError(CarlibError):
    """A model could not be exported, or the export gave other probabilities."""


class AccuracyError(CarlibError):
    """A model's figures miss what was asked of them."""


class ClusterError(CarlibError):
    """A cluster's scheduler or workers are gone, or can't take part."""
