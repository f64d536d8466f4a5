"""A folder with one sub-folder a class, or such in train/, val/ and test/."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from carlib.data.contents import content_hashes
from carlib.data.index import SUBSETS, Problem, Row
from carlib.data.labels import normal_label
from carlib.data.listed import Place
from carlib.data.walk import OTHER_PICTURES, Walk, left_out_text
from carlib.errors import DataError
from carlib.messages import say

VALIDATION_SHARE = 0.2  # of the photos of a class, by their content
# One letter may be a class.
SPLITS = {name: subset for name, subset in SUBSETS.items() if len(name) > 1}


def read_class_folders(photos: Place) -> tuple[list[Row], list[Problem]]:
    """Return the photos with their classes and subsets, and what is wrong with others.

    Raises:
        DataError: There aren't two classes, or the folders are train and val alone.
    """
    found = photos.walk()
    loose = [path for path in found.photos if len(path.parts) == 1]
    inside = [path for path in found.photos if len(path.parts) > 1]
    by_subset = {path.parts[0].casefold() for path in inside} <= SPLITS.keys()
    if by_subset and any(len(path.parts) == 2 for path in inside):
        raise _subsets_alone(photos, inside)
    level = 1 if by_subset else 0
    rows, problems = _rows(inside, level, photos)
    problems += _lost_classes(found, level)
    if len({row.label for row in rows}) < 2 and not problems:
        raise _no_data(photos)
    left_out = [
        *found.left_out,
        *((path, "photo beside the folders") for path in loose),
    ]
    if left_out:
        say(f"{photos.called}: {left_out_text(left_out)}")
    if problems or by_subset:
        return rows, problems
    return _draw_subsets(photos, rows), problems


def _rows(
    paths: Sequence[Path], level: int, photos: Place
) -> tuple[list[Row], list[Problem]]:
    """Return a row a photo; its class is the folder at a level, and all inside it."""
    rows, problems = [], []
    for path in paths:
        subset = SPLITS[path.parts[0].casefold()] if level else ""
        try:
            image = photos.find(path.as_posix())
        except LookupError as error:
            problems.append(Problem(0, str(error)))
        else:
            rows.append(Row(0, image, normal_label(path.parts[level]), subset))
    return rows, problems


def _lost_classes(found: Walk, level: int) -> Iterator[Problem]:
    """Name the folders that hold pictures, none of which can be read, or a link."""
    read = {path.parts[level] for path in found.photos if len(path.parts) > level + 1}
    lost: dict[str, set[str]] = {}
    for path, kind in found.left_out:
        is_link = kind == "link to a folder" and len(path.parts) == level + 1
        is_inside = kind in OTHER_PICTURES and len(path.parts) > level + 1
        if (is_link or is_inside) and path.parts[level] not in read:
            lost.setdefault(path.parts[level], set()).add(kind)
    for name, kinds in sorted(lost.items()):
        if "link to a folder" in kinds:
            yield Problem(0, f"{name} is a link: copy the folder, or link all of DATA")
        else:
            each = ", ".join(sorted(kinds))
            yield Problem(0, f"{name} holds only {each}: save them as JPEG or PNG")


def _subsets_alone(photos: Place, paths: Sequence[Path]) -> DataError:
    names = ", ".join(sorted({path.parts[0] for path in paths}))
    return DataError(
        f"Expected folders named like classes in {photos.called}. Received: {names}, "
        "which are subsets, with photos in them.",
        hint="Put a folder a class into each, such as train/door_dent/1.jpeg.",
    )


def _no_data(photos: Place) -> DataError:
    names = photos.at_top()
    found = ", ".join(names[:5]) + ", …" * (len(names) > 5) if names else "nothing"
    return DataError(
        f"{photos.called} holds neither index.csv nor two sub-folders with photos, but "
        f"{found}.",
        hint="Its index.csv has the columns image,class,subset.",
    )


def _draw_subsets(photos: Place, rows: list[Row]) -> list[Row]:
    table = pd.DataFrame(rows)
    table["image_path"] = [photos.path_of(image) for image in table.image]
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
