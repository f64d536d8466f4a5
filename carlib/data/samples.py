"""Photos in tars as webdataset and img2dataset write them: files of one name, a sample.

Of `000/17.jpg`, `000/17.cls` and `000/17.json` the key is `000/17`: what stands before
the first dot of a file's name. See webdataset.github.io/webdataset.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from carlib.data.index import SUBSETS, Problem, Row
from carlib.data.labels import LONGEST, normal_label
from carlib.data.tar_table import Member
from carlib.data.tars import SIDE_FILES, read_members
from carlib.data.walk import PHOTO_SUFFIXES, is_junk

CLASSES = "classes.txt"  # a name a line, of class 0, 1 …
LABELS = ("label", "damage_class", "class", "cls")  # in a sample's JSON, the first
SPLITS = ("subset", "split")
MOST = 2**16  # bytes of such a file


class Tar(NamedTuple):
    """A tar: its path or address, and where its members lie."""

    path: str
    members: dict[str, Member]


class Sample(NamedTuple):
    """A photo in a tar, and the files beside it: all are names in the tar."""

    photo: str
    beside: dict[str, str]


def samples_in(names: Iterable[str]) -> list[Sample]:
    """Return the photos among a tar's names, with the files of the same key."""
    by_key: dict[str, dict[str, str]] = {}
    for name in names:
        if any(map(is_junk, name.split("/"))):
            continue
        folder, slash, file = name.rpartition("/")
        stem, _, suffix = file.partition(".")
        by_key.setdefault(f"{folder}{slash}{stem}", {})[suffix.lower()] = name
    return [
        Sample(name, {each: files[each] for each in SIDE_FILES if each in files})
        for files in by_key.values()
        for suffix, name in files.items()
        if f".{suffix.rpartition('.')[2]}" in PHOTO_SUFFIXES
    ]


def has_samples(tars: Iterable[Tar]) -> bool:
    """Tell whether any photo in tars, by their names, has its class beside it."""
    return any(sample.beside for tar in tars for sample in samples_in(tar.members))


def read_samples(
    tars: Mapping[str, Tar], classes: Sequence[str]
) -> tuple[list[Row], list[Problem]]:
    """Return the samples' photos with their classes and subsets, and what is wrong.

    The class is that of the `.cls` file, else of the JSON, else the `.txt`. The subset
    is that of the JSON, else of the folder that the key begins with, else the last word
    of the tar's name, such as `train-000.tar`, else its folder's name; else it is T.

    Args:
        tars: By what stands before their names in a place.
        classes: The names that numbers stand for; empty: numbers are names.
    """
    rows, problems = [], []
    for before, tar in tars.items():
        samples = samples_in(tar.members)
        texts = _texts(tar, samples)
        for sample in samples:
            image = f"{before}{sample.photo}"
            found = {kind: texts[name] for kind, name in sample.beside.items()}
            try:
                about = _about(found)
                label = _label(about, found, classes)
                subset = _subset(about, sample.photo, tar.path)
            except ValueError as error:
                problems.append(Problem(0, f"{image}: {error}"))
            else:
                rows.append(Row(0, image, label, subset))
    return rows, problems


def _texts(tar: Tar, samples: Sequence[Sample]) -> dict[str, bytes]:
    """Return the content of the files beside photos, read in the order they lie in."""
    names = [name for sample in samples for name in sample.beside.values()]
    members = [(name, tar.members[name]) for name in names]
    members.sort(key=lambda each: each[1].start)
    read = read_members(tar.path, members, MOST)
    return {name: data for (name, _), data in zip(members, read, strict=True)}


def _label(
    about: Mapping[str, Any], found: Mapping[str, bytes], classes: Sequence[str]
) -> str:
    """Return a sample's class.

    Raises:
        ValueError: Why it has none.
    """
    given = next((about[each] for each in LABELS if each in about), None)
    if "cls" in found or (given is None and "txt" in found):
        given = _text(found["cls"] if "cls" in found else found["txt"])
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise ValueError(
            "it has no class: neither .cls nor .txt, nor a JSON with label, beside it"
        )
    text = normal_label(str(given))
    return _named(text, classes) if classes and text.isdecimal() else text


def _named(number: str, classes: Sequence[str]) -> str:
    if int(number[:9]) >= len(classes):
        raise ValueError(f"class {number} isn't in {CLASSES}, of {len(classes):,}")
    return classes[int(number)]


def _subset(about: Mapping[str, Any], photo: str, tar: str) -> str:
    """Return a sample's subset.

    Raises:
        ValueError: The JSON's isn't one.
    """
    given = next((str(about[each]) for each in SPLITS if about.get(each)), "")
    if given and given.casefold() not in SUBSETS:
        raise ValueError(f"subset is {given[:LONGEST]!r}, not T or V")
    folder = photo.partition("/")[0] if "/" in photo else ""
    *_, around, name = re.split(r"[/\\]", f"/{tar.casefold()}")
    words = re.findall(r"[a-z]{2,}", name.partition(".")[0])
    each = given.casefold(), folder.casefold(), *words[-1:], around
    return next((SUBSETS[word] for word in each if word in SUBSETS), "T")


def _about(found: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what a sample's JSON says, with names in lower case.

    Raises:
        ValueError: It isn't JSON, or too long.
    """
    if "json" not in found:
        return {}
    try:
        about = json.loads(_text(found["json"]))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its JSON can't be read: {error}") from None
    fields = about.items() if isinstance(about, dict) else ()
    return {name.casefold(): value for name, value in fields}


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("the file of its class is not UTF-8") from None
