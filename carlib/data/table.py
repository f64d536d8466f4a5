"""The data as a table: which photos there are, what they show, what they are for."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from carlib.data.class_folders import read_class_folders
from carlib.data.contents import copies
from carlib.data.folder import PhotoFolder
from carlib.data.index import Row, contradictions, label_problems, read_index
from carlib.data.labels import groups, similar
from carlib.data.locate import is_sample
from carlib.errors import DataError
from carlib.files import as_path
from carlib.messages import say

COLUMNS = ["image_path", "damage_class", "subset"]


def load_index(
    folder: str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    test: bool = False,
) -> pd.DataFrame:
    """Read which photos there are, and check all of it but their content.

    The folder holds `index.csv` with the columns image (a path inside the folder),
    class and subset (T or V; also train, val and such), or one sub-folder a class, or
    folders train, val and test with one sub-folder a class in each. Of sub-folders
    without such the subset is drawn class by class from the photos' content: a fifth
    becomes V, at least one photo each of T and V where a class has two that differ.
    Copies stay on one side, and photos that are added leave the others where they were
    (save that the one V or the one T of a class may come to be another).

    Whatever is left out is said, and what a reader of figures must know: copies in T
    and in V or under two labels, classes of one photo.

    Args:
        folder: As `locate_data` returns it.
        columns: What an index.csv calls its columns, where it has other names for them:
            `{"filename": "image", "label": "class", "split": "subset"}`.
        test: Return the photos of a third subset, test, too; else they are left out.

    Returns:
        A row a photo, in the order of the index: image_path (the folder and the path
        inside it), damage_class, subset ("T", "V" or "test"); strings, all of them.

    Raises:
        DataError: With every row that is wrong in `problems`: fields missing or empty,
            unknown subsets, photos that don't exist, lie outside of the folder, or
            stand there with two classes or subsets, classes that look the same.

    Example:
        >>> photos = carlib.load_index("data/sample")
        >>> photos.damage_class.value_counts()
    """
    root = as_path(folder)
    _check_folder(root)
    photos = PhotoFolder(root)
    index = root / "index.csv"
    if os.path.lexists(index):
        rows, problems = read_index(index, photos, columns or {})
    else:
        index, (rows, problems) = root, read_class_folders(root, photos)
    problems += [*label_problems(rows), *contradictions(rows)]
    if problems:
        count = f"{len(problems):,} problem" + "s" * (len(problems) > 1)
        raise DataError(f"{index}: {count}.", [str(p) for p in sorted(problems)])
    wanted = [row for row in rows if test or row.subset != "test"]
    for note in _notes(root, rows, wanted, photos):
        say(f"{index}: {note}")
    return _table(root, wanted)


def split(photos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the photos into those to train on (T) and to validate with (V).

    Returns:
        train, validation: Each with the columns of `photos`, rows counted from 0.
        Without a V, validation has no rows.

    Raises:
        DataError: No subset column, another subset than T and V, or no T.
    """
    if "subset" not in photos.columns:
        raise DataError(
            f"Expected a column subset. Received: {', '.join(photos.columns)}"
        )
    others = set(photos.subset) - {"T", "V"}
    if others or not (photos.subset == "T").any():
        found = ", ".join(sorted(map(repr, set(photos.subset)))) or "no rows"
        raise DataError(f"Expected the subsets T and V, T at least. Received: {found}")
    train, validation = (photos[photos.subset == letter] for letter in "TV")
    return train.reset_index(drop=True), validation.reset_index(drop=True)


def _check_folder(root: Path) -> None:
    if root.is_file():
        hint = "locate_data unpacks a zip and returns its folder."
        raise DataError(
            f"Expected a folder. Received: {root}, which is a file", hint=hint
        )
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.")


def _table(root: Path, rows: list[Row]) -> pd.DataFrame:
    """Return the rows as a table, each photo once."""
    once = {row.image: row for row in rows}.values()
    values = [((root / r.image).as_posix(), r.label, r.subset) for r in once]
    return pd.DataFrame(values, columns=COLUMNS, dtype="str")


def _notes(
    root: Path, rows: list[Row], wanted: list[Row], photos: PhotoFolder
) -> Iterator[str]:
    """Yield what is to be known of the photos, a sentence each."""
    images = {row.image for row in rows}
    if again := len(rows) - len(images):
        yield f"{again:,} rows repeat another one; each photo is kept once."
    if unlisted := photos.unlisted(images):
        yield f"{unlisted:,} photos beside the listed ones are not listed."
    if left := len(rows) - len(wanted):
        yield f"{left:,} photos of the subset test are left out (see load_index)."
    for names in groups((row.label for row in rows), similar):
        yield f"Is it one class, or several? {' and '.join(map(repr, names))}"
    yield from _notes_on_copies(
        copies(root, list({r.image: r for r in wanted}.values()))
    )
    yield from _notes_on_counts(wanted)


def _notes_on_copies(same: list[list[Row]]) -> Iterator[str]:
    kinds = {
        "label": "under several labels, all but one of which are wrong",
        "subset": "in T and in V, so that figures got on V are too good",
    }
    for column, what in kinds.items():
        pairs = [g for g in same if len({getattr(row, column) for row in g}) > 1]
        if pairs:
            shown = "; ".join(
                " = ".join(f"{r.image} ({getattr(r, column)})" for r in group[:4])
                for group in pairs[:3]
            )
            more = f"; and {len(pairs) - 3:,} more" if len(pairs) > 3 else ""
            yield f"{_photos(len(pairs))} there {what}: {shown}{more}."


def _photos(count: int) -> str:
    return "A photo is" if count == 1 else f"{count:,} photos are"


def _notes_on_counts(rows: list[Row]) -> Iterator[str]:
    learned = Counter(row.label for row in rows if row.subset == "T")
    single = sorted(label for label, count in learned.items() if count == 1)
    if single:
        shown = ", ".join(single[:9]) + ", …" * (len(single) > 9)
        yield f"A class can't be learned from one photo: {shown}."
    if learned and not any(row.subset == "V" for row in rows):
        yield "No photos are in V: there is nothing to evaluate a model on."


def about(photos: pd.DataFrame) -> list[str]:
    """Return what a reader of figures got on these photos must know, if anything."""
    folders = {Path(path).absolute().parent.parent for path in photos.image_path}
    if any(is_sample(folder) for folder in folders):
        return ["The photos are the drawn sample: figures say nothing of real cars."]
    return []
