"""Files from one notebook to the next: all that's missing named at once, or stale.

What a notebook hands over is noted in the folder `handed_over` beside it, a small file
each: its maker, and the SHA-256 of each file that it was made from. So the next one
can tell that a model was trained on another list of photos than lies there now.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from carlib.errors import DataError
from carlib.files import as_path, write_json
from carlib.reading import read_json, sha256_of

NOTES = "handed_over"

# What is handed over: the notebook that makes it, and the files that it's made from.
MADE_BY: dict[str, tuple[str, tuple[str, ...]]] = {
    "photos.csv": ("02_load_data", ()),
    "trainer.json": ("03_define_pipeline", ()),
    "trained.zip": ("04_train", ("photos.csv", "trainer.json")),
    "predictions.csv": ("05_evaluate", ("photos.csv", "trained.zip")),
    "metrics.json": ("05_evaluate", ("photos.csv", "trained.zip")),
    "ImageModel.zip": ("06_save_model", ("trained.zip", "metrics.json")),
    "exported": ("06_save_model", ("trained.zip",)),
    "improved.zip": ("08_improve_model", ("photos.csv", "trained.zip")),
    "my_model.zip": ("09_your_own_photos", ()),
    "my_model.html": ("09_your_own_photos", ()),
}


class HandOver(Mapping[str, Path]):
    """The files that a notebook took up, by name; `add` notes what it makes of them.

    Args:
        workspace: The folder through which notebooks hand over files.
        names: Which it needs, of those in `MADE_BY`.

    Raises:
        DataError: Some aren't there, or were made from what has changed since: all of
            these, and which notebooks to run, in order. Or no notebook makes them.

    Example:
        >>> files = carlib.take_up("workspace", "photos.csv", "trained.zip")
        >>> photos = carlib.read_csv(files["photos.csv"])
        >>> files.add("predictions.csv")
    """

    def __init__(self, workspace: str | os.PathLike, *names: str):
        self.workspace = as_path(workspace)
        _check_names(names)
        problems = _problems(self.workspace, names)
        if problems:
            notebooks = sorted({MADE_BY[name][0] for name in problems})
            raise DataError(
                f"{self.workspace.as_posix()} lacks what this notebook needs.",
                list(problems.values()),
                hint=f"Run {', then '.join(notebooks)}, and come back.",
            )
        self._paths = {name: self.workspace / name for name in names}
        self._digests = {name: digest(path) for name, path in self._paths.items()}

    def __getitem__(self, name: str) -> Path:
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"Taken up: {', '.join(self._paths) or 'nothing'}"

    def add(self, *names: str) -> None:
        """Note of files that are made now what they were made from, as it was then.

        Raises:
            DataError: One isn't there, or no notebook makes it.
            OutputError: The note can't be written.
        """
        _check_names(names)
        for name in names:
            if not (self.workspace / name).exists():
                raise DataError(
                    f"No {name} in {self.workspace.as_posix()}: make it first."
                )
            told = {"made_by": MADE_BY[name][0], "made_from": self._digests}
            write_json(_note(self.workspace, name), told)


def take_up(workspace: str | os.PathLike, *names: str) -> HandOver:
    """Return the files that earlier notebooks made; see `HandOver`."""
    return HandOver(workspace, *names)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, or of all that a folder holds."""
    if not path.is_dir():
        return sha256_of(path)
    inside = sorted(each for each in path.rglob("*") if each.is_file())
    lines = [
        f"{each.relative_to(path).as_posix()} {sha256_of(each)}" for each in inside
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _check_names(names: tuple[str, ...]) -> None:
    """Refuse names of files that no notebook hands over."""
    unknown = [repr(name) for name in names if name not in MADE_BY]
    if unknown:
        raise DataError(
            f"Expected names of {', '.join(MADE_BY)}. Received: {', '.join(unknown)}"
        )


def _problems(workspace: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return what is wrong with files, and with those that they were made from."""
    problems: dict[str, str] = {}
    for name in names:
        maker = MADE_BY[name][0]
        if not (workspace / name).exists():
            problems[name] = f"{name} isn't there: {maker} makes it."
        else:
            problems |= _stale(workspace, name)
    return problems


def _stale(workspace: Path, name: str) -> dict[str, str]:
    """Return why a file that is there must be made again, and those before it."""
    maker, sources = MADE_BY[name]
    made_from, problems = _made_from(workspace, name), {}
    changed = []
    for source in sources:
        path = workspace / source
        if source not in made_from or not path.exists():
            continue  # it came from elsewhere, and there is nothing to compare
        before = _stale(workspace, source)
        problems |= before
        if source in before or digest(path) != made_from[source]:
            changed.append(source)
    if changed:
        problems[name] = (
            f"{name} was made from another {' and '.join(changed)}: {maker} makes it "
            "again."
        )
    return problems


def _note(workspace: Path, name: str) -> Path:
    return workspace / NOTES / f"{name}.json"


def _made_from(workspace: Path, name: str) -> Mapping[str, Any]:
    """Return what a note says; one that is missing or damaged says nothing."""
    try:
        told = read_json(_note(workspace, name))
        found = told["made_from"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
