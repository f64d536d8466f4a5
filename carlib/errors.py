"""What carlib raises when something is wrong with what it was given.

CarlibError
├── OptionError     an argument or option out of its range (also a ValueError)
├── DataError       the data: index, labels, split, folder
├── ImageError      photos that can't be read
├── WeightsError    weights that aren't there, or don't fit the network
├── ArchiveError    a zip of data or a saved model that can't be trusted
├── ExportError     an export that could not be made, or wasn't equal
└── AccuracyError   a model that isn't as good as it was asked to be
"""

from collections.abc import Sequence

SHOWN = 20


class CarlibError(Exception):
    """Say what is wrong, list every case of it, and what to do.

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
        return "\n".join([*lines, self.hint] if self.hint else lines)


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


class ExportError(CarlibError):
    """A model could not be exported, or the export gave other probabilities."""


class AccuracyError(CarlibError):
    """A model's figures miss what was asked of them."""
