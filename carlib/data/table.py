"""The data as a table: which photos there are, what they show, what they are for."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from carlib.data.addresses import file_name
from carlib.data.contents import copies
from carlib.data.folder import INDEX
from carlib.data.index import Row, contradictions, label_problems, read_index
from carlib.data.labels import groups, similar
from carlib.data.listed import Place
from carlib.data.locate import is_sample
from carlib.data.near import pictures
from carlib.data.patch import patched
from carlib.data.places import place_at, rows_without_index
from carlib.data.sources import as_sources
from carlib.errors import DataError, OptionError
from carlib.files import as_path
from carlib.messages import say

COLUMNS = ["image_path", "damage_class", "subset"]
ON_LEAK = ("warn", "drop", "keep")


def load_index(
    folder: str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    test: bool = False,
    patch: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """Read which photos there are, and check all of it but their content.

    The folder holds `index.csv` with the columns image (a path inside the folder),
    class and subset (T or V; also train, val and such), or one sub-folder a class, or
    folders train, val and test with one sub-folder a class in each. Of sub-folders
    without such the subset is drawn class by class from the photos' content: a fifth
    becomes V, at least one photo each of T and V where a class has two that differ.
    Copies stay on one side, and photos that are added leave the others where they were
    (save that the one V or the one T of a class may come to be another).

    Data may lie in a store or on a server that lists its folders: there suffixes alone
    tell what is a photo, a subset that is to be drawn has every photo read for it, and
    copies are left to `split` and `carlib.audit`. Or in tars: one, a folder of them or
    shards/{000..009}.tar, each with an index or class folders inside, or as webdataset
    writes them: a photo with its class beside it in a file of the same name, `.cls`,
    `.json` (label, or damage_class, or class; subset, or split) or `.txt`; numbers are
    named by a file `classes.txt` beside the tars. A photo in a tar is called
    shards/000.tar/1.jpeg and read where it lies.

    Whatever is left out is said, and what a reader of figures must know: copies in T
    and in V or under two labels, classes of one photo.

    Args:
        folder: As `locate_data` returns it; an address, such as s3://bucket/photos.
        columns: What an index.csv calls its columns, where it has other names for them:
            `{"filename": "image", "label": "class", "split": "subset"}`.
        test: Return the photos of a third subset, test, too; else they are left out.
        patch: A file of what was decided about labels, as `carlib.clinic` helps to make
            one: photos in T get their new label or are left out. It goes by the photos'
            content, so it fits wherever they lie; what fits none is said. Those in V
            stay as they are, for figures before and after to be got on the same.

    Returns:
        A row a photo, in the order of the index: image_path (the folder and the path
        inside it), damage_class, subset ("T", "V" or "test"); strings, all of them.

    Raises:
        DataError: With every row that is wrong in `problems`: fields missing or empty,
            unknown subsets, photos that don't exist, lie outside of the folder, or
            stand there with two classes or subsets, classes that look the same; what is
            wrong in the patch.
        ArchiveError: Tars are packed, damaged or hold what is refused.
        OptionError: A package that reads such addresses is missing.

    Example:
        >>> photos = carlib.load_index("data/sample")
        >>> photos.damage_class.value_counts()
    """
    photos = place_at(folder)
    index = photos.called
    if photos.has_index:
        index = f"{index}/{INDEX}"
        rows, problems = read_index(index, photos, columns or {})
    else:
        rows, problems = rows_without_index(photos)
    problems += [*label_problems(rows), *contradictions(rows)]
    if problems:
        count = f"{len(problems):,} problem" + "s" * (len(problems) > 1)
        raise DataError(f"{index}: {count}.", [str(p) for p in sorted(problems)])
    wanted = _wanted(rows, test)
    notes = [*_notes_on_index(rows, wanted, photos)]
    if patch is not None:
        rows, told = patched(photos.path_of, rows, as_path(patch))
        wanted, notes = _wanted(rows, test), notes + told
    for note in [*notes, *_notes_on_photos(photos, wanted)]:
        say(f"{index}: {note}")
    return _table(photos, wanted)


def _wanted(rows: list[Row], test: bool) -> list[Row]:
    return [row for row in rows if test or row.subset != "test"]


def split(
    photos: pd.DataFrame, on_leak: str = "warn"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the photos into the training set (T) and the test set (V).

    In a training "validation" is something else: the tenth of T that is watched.

    A photo in V that is also in T, as it is or scaled, stamped, mirrored or saved anew,
    has leaked: a model that has seen it names it too well. Photos are read to find such
    (see `carlib.data.near`; `carlib.audit` finds more); those that can't be read have
    no copies here.

    Args:
        photos: With the columns subset and, unless `on_leak` is "keep", image_path.
        on_leak: What to do about leaked photos: "warn" says how many there are, "drop"
            leaves them out of V, "keep" doesn't look for them. The figures with and
            without them are those of two evaluations.

    Returns:
        train, test: Each with the columns of `photos`, rows counted from 0. Without a
        V, test has no rows.

    Raises:
        DataError: No subset column, another subset than T and V, or no T.
        OptionError: Another `on_leak`.

    Example:
        >>> train, unseen = carlib.split(photos, on_leak="drop")
    """
    if on_leak not in ON_LEAK:
        raise OptionError(f"Expected on_leak to be {ON_LEAK}. Received: {on_leak!r}")
    if "subset" not in photos.columns:
        raise DataError(
            f"Expected a column subset. Received: {', '.join(photos.columns)}"
        )
    others = set(photos.subset) - {"T", "V"}
    if others or not (photos.subset == "T").any():
        found = ", ".join(sorted(map(repr, set(photos.subset)))) or "no rows"
        raise DataError(f"Expected the subsets T and V, T at least. Received: {found}")
    train, test = (photos[photos.subset == letter] for letter in "TV")
    if on_leak != "keep" and "image_path" in photos and not test.empty:
        leaked = are_leaked(train, test)
        if leaked.any():
            say(_note_on_leaks(test[leaked], on_leak == "drop"))
        test = test[~leaked] if on_leak == "drop" else test
    return train.reset_index(drop=True), test.reset_index(drop=True)


def are_leaked(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Tell which photos of the test set are in train as well, near copies too, (n,)."""
    both = pictures(as_sources(pd.concat([train, test])["image_path"]))
    trained = set(both[: len(train)]) - {b""}
    return np.array([key in trained for key in both[len(train) :]])


def _note_on_leaks(leaked: pd.DataFrame, dropped: bool) -> str:
    names = [file_name(path) for path in leaked["image_path"][:3]]
    more = f" and {len(leaked) - 3:,} more" if len(leaked) > 3 else ""
    what = (
        "left out of V, being in T, too"
        if dropped
        else 'in V and in T, so that figures got on V are too good (on_leak="drop" '
        "leaves out such)"
    )
    return f"{_photos(len(leaked))} {what}: {', '.join(names)}{more}."


def _table(photos: Place, rows: list[Row]) -> pd.DataFrame:
    """Return the rows as a table, each photo once."""
    once = {row.image: row for row in rows}.values()
    values = [(photos.path_of(r.image), r.label, r.subset) for r in once]
    return pd.DataFrame(values, columns=COLUMNS, dtype="str")


def _notes_on_index(rows: list[Row], wanted: list[Row], photos: Place) -> Iterator[str]:
    """Yield what is to be known of the index, a sentence each."""
    images = {row.image for row in rows}
    if again := len(rows) - len(images):
        yield f"{again:,} rows repeat another one; each photo is kept once."
    if unlisted := photos.unlisted(images):
        yield f"{unlisted:,} photos beside the listed ones are not listed."
    if left := len(rows) - len(wanted):
        yield f"{left:,} photos of the subset test are left out (see load_index)."
    for names in groups((row.label for row in rows), similar):
        yield f"Is it one class, or several? {' and '.join(map(repr, names))}"


def _notes_on_photos(photos: Place, rows: list[Row]) -> Iterator[str]:
    """Yield what is to be known of the photos, a sentence each."""
    yield from _notes_on_copies(
        copies(photos, list({r.image: r for r in rows}.values()))
    )
    yield from _notes_on_counts(rows)


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
    paths = [each for each in photos.image_path if isinstance(each, str | os.PathLike)]
    folders = {Path(path).absolute().parent.parent for path in paths}
    if any(is_sample(folder) for folder in folders):
        return ["The photos are the drawn sample: figures say nothing of real cars."]
    return []
