"""Answers to any number of photos, written to a CSV as they come."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from carlib.errors import OptionError
from carlib.messages import bar, say
from carlib.reading import sha256_of

if TYPE_CHECKING:
    from carlib.model.model import ImageClassificationModel

# How often rows are written: the network waits at the end of each block, and a kill
# loses at most one.
SECONDS_A_BLOCK = 5
LEAST, MOST = 32, 4096  # photos a block


def write_answers(
    loaded: "ImageClassificationModel", model: str, names: Sequence[str], path: str
) -> dict[str, int]:
    """Write a row a photo to a CSV; photos that have one there aren't asked about.

    Args:
        loaded: Whom to ask.
        model: Its file; the beginning of its hash stands in each row.
        names: Paths of photos; of equal ones one counts.
        path: The CSV; it is made where there is none.

    Returns:
        Counts: photos, kept (those that had a row), not_read.
    """
    from carlib.data.growing import GrowingCsv

    names = list(dict.fromkeys(names))
    same = {"model_id": sha256_of(model)[:12]}
    table = GrowingCsv(path, columns_of(loaded), "image_path", same)
    left = [name for name in names if name not in table.kept]
    done = kept = len(names) - len(left)
    not_read = 0
    try:
        with bar(len(names), "Photos", "photo", initial=kept) as shown:
            for block in blocks_of(left):
                rows = loaded.predict(block, on_error="skip", progress=False)
                table.append(rows.assign(image_path=block))
                not_read += int((rows["error"] != "").sum())
                done += len(block)
                shown.update(len(block))
    except KeyboardInterrupt:
        say(f"{done:,} of {len(names):,} photos are in {path}.")
        say("Run the same command to go on.")
        raise
    return {"photos": len(names), "kept": kept, "not_read": not_read}


def columns_of(loaded: "ImageClassificationModel") -> list[str]:
    """Return the columns of the answers, in the order of `predict`'s."""
    unsure = ["refused", "why", "distance"] if loaded.confidence else []
    first = ["image_path", "model_id", "error", *unsure]
    return [*first, "predicted_label", "score", *loaded.class_names]


def blocks_of(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield names in blocks that take whoever asks for them some seconds each."""
    start, size = 0, LEAST
    while start < len(names):
        began = time.monotonic()
        yield names[start : start + size]
        start += size
        pace = SECONDS_A_BLOCK / max(time.monotonic() - began, 1e-3)
        size = int(min(MOST, max(LEAST, size * min(pace, 4))))


def names_on_stdin() -> list[str]:
    """Return the paths on stdin: one a line, or each ended by a 0 byte.

    Raises:
        OptionError: There is no stdin.
    """
    if sys.stdin is None:
        raise OptionError("- stands for paths on stdin, and there is no stdin.")
    data = sys.stdin.buffer.read()
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    return [os.fsdecode(line) for line in lines if line]


def answers_text(path: str, counts: dict[str, int]) -> str:
    """Return what is to be said of answers that were written."""
    lines = [f"{path}: a row a photo, {counts['photos']:,} of them."]
    if counts["kept"]:
        lines.append(f"{counts['kept']:,} were there already.")
    if counts["not_read"]:
        lines.append(
            f"{counts['not_read']:,} can't be read; the column error says why."
        )
    return " ".join(lines)
