"""The data as a table: which photos there are, what they show, what they are for."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from carlib.data.index import (
    PhotoFolder,
    Problem,
    Row,
    contradictions,
    label_problems,
    read_index,
)
from carlib.data.locate import PHOTO_SUFFIXES, is_sample
from carlib.errors import DataError, OptionError
from carlib.files import sha256_of
from carlib.messages import say

COLUMNS = ["image_path", "damage_class", "subset"]
VALIDATION_SHARE = 0.2  # of a folder that has no index.csv


def load_index(folder: str | os.PathLike) -> pd.DataFrame:
    """Read which photos there are, and check all of it but their content.

    The folder holds `index.csv` with the columns image (a path inside the folder),
    class and subset (T or V; also train, val and such), or one sub-folder a class.
    Then the subset is drawn class by class from the photos' content: a fifth becomes V,
    at least one photo each of T and V where a class has two that differ. Copies stay on
    one side, and photos that are added leave the others where they were (save that the
    one V or the one T of a class may come to be another).

    Args:
        folder: As `locate_data` returns it.

    Returns:
        A row a photo, in the order of the index: image_path (the folder and the path
        inside it), damage_class, subset ("T" or "V"); strings, all of them.

    Raises:
        DataError: With every row that is wrong in `problems`: fields missing or empty,
            unknown subsets, photos that don't exist, lie outside of the folder, or
            stand there with two classes or subsets, classes that look the same.

    Example:
        >>> photos = carlib.load_index("data/sample")
        >>> photos.damage_class.value_counts()
    """
    root = Path(folder)
    _check_folder(root)
    photos = PhotoFolder(root)
    index = root / "index.csv"
    if os.path.lexists(index):
        rows, problems = read_index(index, photos)
    else:
        index, (rows, problems) = root, _class_folders(root, photos)
    problems += [*label_problems(rows), *contradictions(rows)]
    if problems:
        count = f"{len(problems):,} problem" + "s" * (len(problems) > 1)
        raise DataError(f"{index}: {count}.", [str(p) for p in sorted(problems)])
    _tell(index, rows, photos)
    return _table(root, rows)


def split(photos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the photos into those to train on (T) and to validate with (V).

    Returns:
        train, validation: Each with the columns of `photos`, rows counted from 0.
        Without a V, validation has no rows.

    Raises:
        DataError: No subset column, another subset than T and V, or no T.
    """
    if "subset" not in photos.columns:
        raise DataError(f"Expected a column subset; got {', '.join(photos.columns)}.")
    others = set(photos.subset) - {"T", "V"}
    if others or not (photos.subset == "T").any():
        found = ", ".join(sorted(map(repr, set(photos.subset)))) or "no rows"
        raise DataError(f"Expected the subsets T and V, T at least; got {found}.")
    train, validation = (photos[photos.subset == letter] for letter in "TV")
    return train.reset_index(drop=True), validation.reset_index(drop=True)


def held_out(
    contents: Sequence[str], labels: Sequence[str], fraction: float, seed: int
) -> np.ndarray:
    """Choose the same share of every class, by the photos' content and the seed.

    Names, paths and the order of rows have no say in it. Copies of a photo within a
    class stay on one side. Of each class one photo is taken at least and one left, so
    none is taken of a class whose photos are all the same.

    Args:
        contents: The SHA-256 of each photo's bytes, 64 hex digits.
        labels: The class of each.
        fraction: Share to take, above 0 and below 1.
        seed: Another one takes other photos.

    Returns:
        A mask (n,): which are taken.

    Raises:
        OptionError: The fraction isn't between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise OptionError(f"fraction is above 0 and below 1; got {fraction}.")
    keys = [
        int(hashlib.sha256(f"{seed}:{content}".encode()).hexdigest()[:12], 16)
        for content in contents
    ]
    table = pd.DataFrame({"key": keys, "label": list(labels)})
    by_class = table.groupby("label").key
    place = by_class.rank(method="min") - 1
    wanted = (by_class.transform("size") * fraction).round().clip(lower=1)
    return ((place < wanted) & (table.key < by_class.transform("max"))).to_numpy()


def content_hashes(photos: pd.DataFrame) -> list[str]:
    """Return the SHA-256 of each photo's file, 64 hex digits, in the order of rows.

    Raises:
        DataError: Some can't be read; all of them are named.
    """
    hashes, problems = [], []
    for path in photos.image_path:
        try:
            hashes.append(sha256_of(path))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    if problems:
        raise DataError(f"{len(problems):,} photos can't be read.", problems)
    return hashes


def _check_folder(root: Path) -> None:
    if root.is_file():
        hint = "locate_data unpacks a zip and returns its folder."
        raise DataError(f"{root} is a file; expected a folder.", hint=hint)
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.")


def _table(root: Path, rows: list[Row]) -> pd.DataFrame:
    """Return the rows as a table, each photo once."""
    once = {row.image: row for row in rows}.values()
    values = [((root / r.image).as_posix(), r.label, r.subset) for r in once]
    return pd.DataFrame(values, columns=COLUMNS, dtype="str")


def _tell(index: Path, rows: list[Row], photos: PhotoFolder) -> None:
    again = len(rows) - len({row.image for row in rows})
    if again:
        say(f"{index}: {again:,} rows repeat another one; each photo is kept once.")
    unlisted = photos.unlisted(rows)
    if unlisted:
        say(f"{index}: {unlisted:,} photos beside the listed ones are not listed.")


def _class_folders(root: Path, photos: PhotoFolder) -> tuple[list[Row], list[Problem]]:
    """Read a folder with one sub-folder a class, and draw the subsets."""
    rows, problems = [], []
    for path in _photos_in_folders(root):
        image, label = path.relative_to(root).as_posix(), path.parent.name
        try:
            rows.append(Row(0, photos.find(image), label, ""))
        except LookupError as error:
            problems.append(Problem(0, str(error)))
    if len({row.label for row in rows}) < 2 and not problems:
        raise _no_data(root)
    return (rows if problems else _draw_subsets(root, rows)), problems


def _photos_in_folders(root: Path) -> Iterator[Path]:
    """Yield the photos one level down, sorted, without what is hidden."""
    for path in sorted(root.glob("[!.]*/[!.]*")):
        visible = not path.parent.name.startswith("__")  # __MACOSX, __pycache__
        if visible and path.suffix.lower() in PHOTO_SUFFIXES:
            yield path


def _no_data(root: Path) -> DataError:
    names = sorted(path.name for path in root.iterdir())
    found = ", ".join(names[:5]) + ", …" * (len(names) > 5) if names else "nothing"
    return DataError(
        f"{root} holds neither index.csv nor two sub-folders with photos, but {found}.",
        hint="Its index.csv has the columns image,class,subset.",
    )


def _draw_subsets(root: Path, rows: list[Row]) -> list[Row]:
    table = pd.DataFrame(rows)
    table["image_path"] = [str(root / image) for image in table.image]
    table["key"] = content_hashes(table)
    by_class = table.groupby("label").key
    least, most = by_class.transform("min"), by_class.transform("max")
    share = table.key.str[:12].map(lambda digits: int(digits, 16) / 16**12)
    in_v = (share < VALIDATION_SHARE) | (table.key == least)
    in_v &= table.key != most
    return [
        row._replace(subset="V" if v else "T")
        for row, v in zip(rows, in_v, strict=True)
    ]


def about(photos: pd.DataFrame) -> list[str]:
    """Return what a reader of figures got on these photos must know, if anything."""
    folders = {Path(path).absolute().parent.parent for path in photos.image_path}
    if any(is_sample(folder) for folder in folders):
        return ["The photos are the drawn sample: figures say nothing of real cars."]
    return []
