"""What a model's manifest may say: kinds, bounds and names, all faults told at once.

A manifest may come from anybody. It is held to what carlib writes before anything is
made of it, so that nothing after it has to be on its guard.
"""

import contextlib
import importlib.metadata
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from carlib.backbones.architectures import ARCHS
from carlib.backbones.precisions import PRECISIONS
from carlib.data.labels import label_fault, normal_label
from carlib.errors import ArchiveError, printable
from carlib.messages import say
from carlib.model.calibration import METHODS
from carlib.model.confidence import MOST_PHOTOS, REFERENCE_BYTES
from carlib.model.digests import DIGITS, are_digests

MAX_MANIFEST = 8 << 20  # bytes; of 1,000 classes a confusion matrix alone has 3 MB
MOST_BACKBONES = 16
MOST_CLASSES = 100_000
MOST_EPOCHS = 1_000_000
DEEPEST = 32  # lists and dicts in one another; carlib's have 6
MOST_DIGITS = 100  # of a whole number; a seed may be a hash

Expected = tuple[str, Callable[[Any], bool]]
_MISSING = object()


def parsed(data: bytes) -> Any:
    """Return what JSON says, if a program can go through it without harm.

    Raises:
        ArchiveError: It's no JSON, nested too deep, or has numbers or texts that are
            none.
    """
    try:
        value = json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ArchiveError("Its manifest.json is nested too deep.") from error
    except (ValueError, MemoryError) as error:
        raise ArchiveError(f"Its manifest.json is damaged: {error}.") from error
    wrong = list(dict.fromkeys(oddities(value)))
    if wrong:
        raise ArchiveError("Its manifest.json is not what carlib writes.", wrong)
    return value


def oddities(value: Any, texts: bool = True) -> Iterator[str]:
    """Yield what is in plain values that nobody means: depth, long numbers, odd text.

    Args:
        texts: Whether texts must be UTF-8; names of files need not.
    """
    level = [value]
    for _ in range(DEEPEST):
        for each in level:
            if isinstance(each, int) and abs(each) >= 10**MOST_DIGITS:
                yield f"a number has more than {MOST_DIGITS} digits"
            if texts and isinstance(each, str) and re.search("[\ud800-\udfff]", each):
                yield f"{reprlib.repr(each)} is not UTF-8"
        level = [inner for each in level for inner in _inner(each)]
        if not level:
            return
    yield f"it is nested more than {DEEPEST} deep"


def _inner(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []


def faults(fields: Mapping[str, Any]) -> list[str]:
    """Return a line for each field that isn't what carlib writes."""
    lines = list(_wrong(fields, FIELDS))
    named = {line.split()[0] for line in lines}
    if "backbones" not in named:
        lines += _backbone_faults(fields["backbones"])
    if "class_names" not in named:
        lines += _label_faults(fields["class_names"])
    if "calibration" not in named and fields["calibration"] is not None:
        lines += _calibration_faults(fields["calibration"], fields["class_names"])
    if "confidence" not in named and fields["confidence"] is not None:
        lines += _wrong(fields["confidence"], _CONFIDENCE, " of confidence")
    if "history" not in named:
        lines += _history_faults(fields["history"])
    return lines


def _wrong(
    fields: Mapping[str, Any], expected: Mapping[str, Expected], where: str = ""
) -> Iterator[str]:
    for name, (text, passes) in expected.items():
        value = fields.get(name, _MISSING)
        if value is _MISSING:
            yield f"{name}{where} is missing"
        elif not passes(value):
            yield f"{name}{where} must be {text}. Received: {reprlib.repr(value)}"


def _backbone_faults(backbones: list[Any]) -> Iterator[str]:
    for number, each in enumerate(backbones, 1):
        described = each if isinstance(each, dict) else {}
        where = f" of backbone {number}"
        wrong = list(_wrong(described, _BACKBONE, where))
        yield from wrong
        if not wrong:
            yield from _wrong(described, _described(described), where)
    archs = [each.get("arch") for each in backbones if isinstance(each, dict)]
    if len({repr(arch) for arch in archs}) < len(archs):
        yield "backbones must be different networks"


def _described(backbone: dict[str, Any]) -> dict[str, Expected]:
    """Return what some of a backbone's fields must be, as others have it."""
    expected: dict[str, Expected] = {}
    if not backbone["own"]:
        expected["arch"] = (f"one of {', '.join(ARCHS)}", lambda arch: arch in ARCHS)
    if backbone["precision"] == "int8":
        expected["calibration"] = ("64 hex digits", is_sha256)
    return expected


def _label_faults(names: list[Any]) -> Iterator[str]:
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) < len(names):
        yield "class_names must be texts"
    if len(set(texts)) < len(texts):
        yield "class_names are not distinct"
    for name in dict.fromkeys(texts):
        if why := label_fault(name):
            yield f"class_names: {why}"
        elif normal_label(name) != name:
            yield f"class_names: {name!r} has space around it, or is not in form NFC"


def _calibration_faults(calibration: dict[str, Any], names: Any) -> list[str]:
    lines = list(_wrong(calibration, _CALIBRATION, " of calibration"))
    if (
        not lines
        and isinstance(names, list)
        and len(calibration["shift"]) != len(names)
    ):
        lines.append("shift of calibration must be a number for each class")
    odd = sorted(set(calibration) - set(_CALIBRATION))
    return lines + [f"calibration has no {reprlib.repr(name)}" for name in odd]


def _history_faults(history: dict[str, Any]) -> Iterator[str]:
    wrong = set(history) ^ set(HISTORY)
    if wrong:
        yield f"history must have the columns {', '.join(HISTORY)}, and no others"
        return
    columns = [column for column in history.values() if isinstance(column, list)]
    if len(columns) < len(history) or len(set(map(len, columns))) > 1:
        yield "history must be lists of one length"
        return
    for name, (text, passes) in HISTORY.items():
        odd = [value for value in history[name] if not passes(value)]
        if odd:
            yield f"{name} of history must be {text}. Received: {reprlib.repr(odd[0])}"


def versions() -> dict[str, str]:
    """Return the versions of carlib and of what it computes by."""
    packages = ("carlib", "tensorflow", "keras", "openvino", "numpy", "pillow")
    found = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def tell_of_versions(saved_by: dict[str, str]) -> None:
    """Say by what a model was saved, where that was another release of these."""
    here = versions()
    others = [
        name
        for name in ("carlib", "keras", "tensorflow", "openvino")
        if {name} <= saved_by.keys() & here.keys()
        and _release(saved_by[name]) != _release(here[name])
    ]
    if others:
        then, now = (
            ", ".join(f"{name} {each[name]}" for name in others)
            for each in (saved_by, here)
        )
        say(f"The model was saved by {then}; here is {now}.")


def _release(version: str) -> list[str]:
    """Return the first two numbers of a version: what lies behind mends faults only."""
    return version.split(".")[:2]


def is_sha256(value: Any) -> bool:
    """Tell whether it is 64 hex digits."""
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_EPOCHS


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 1e300


def _is_line(value: Any, longest: int) -> bool:
    plain = isinstance(value, str) and len(value) <= longest
    return plain and printable(value) == value


def _is_weights_name(value: Any) -> bool:
    """Tell whether it can be a backbone's `weights_name`; of some a seed is read."""
    if not _is_line(value, 300) or not value:
        return False
    is_random = "random, seed " in value
    return not is_random or bool(re.fullmatch(r"random, seed \d{1,100}", value, re.A))


def _is_dict_of(value: Any, passes: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(passes, value.values()))


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[\w.+!-]{1,64}", value, re.A))


_COUNT = (f"a whole number from 0 to {MOST_EPOCHS:,}", _is_count)
_ANY_DICT = ("a dict", lambda value: isinstance(value, dict))
_NUMBER_OR_NONE = ("a number or null", lambda v: v is None or _is_number(v))
FIELDS: dict[str, Expected] = {
    "format_version": ("a whole number", lambda value: type(value) is int),
    "backbones": (
        f"a list of 1 to {MOST_BACKBONES} backbones",
        lambda value: isinstance(value, list) and 0 < len(value) <= MOST_BACKBONES,
    ),
    "augment": ('"flip" or null', lambda value: value is None or value == "flip"),
    "class_names": (
        f"a list of 2 to {MOST_CLASSES:,} names",
        lambda value: isinstance(value, list) and 2 <= len(value) <= MOST_CLASSES,
    ),
    "options": _ANY_DICT,
    "best_epoch": _COUNT,
    "history": _ANY_DICT,
    "metrics": _ANY_DICT,
    "notes": (
        "a list of lines of text",
        lambda v: isinstance(v, list) and all(_is_line(each, 10_000) for each in v),
    ),
    "calibration": (
        "a dict or null",
        lambda value: value is None or isinstance(value, dict),
    ),
    "confidence": (
        "a dict or null",
        lambda value: value is None or isinstance(value, dict),
    ),
    "data_hash": ("64 hex digits", is_sha256),
    "trained_on": (f"by class {DIGITS} hex digits a photo", are_digests),
    "versions": (
        "the versions of packages",
        lambda value: _is_dict_of(value, _is_version),
    ),
    "sha256": (
        "64 hex digits for each member",
        lambda value: _is_dict_of(value, is_sha256),
    ),
}
_LOSS = ("a number of 0 or more", lambda value: _is_number(value) and value >= 0)
_CALIBRATION: dict[str, Expected] = {
    "method": (
        f"one of {', '.join(METHODS)}",
        lambda value: isinstance(value, str) and value in METHODS,
    ),
    "temperature": (
        "a number above 0",
        lambda value: _is_number(value) and value > 0,
    ),
    "shift": (
        "a list of numbers",
        lambda value: isinstance(value, list) and all(map(_is_number, value)),
    ),
    "photos": _COUNT,
    "log_loss_before": _LOSS,
    "log_loss_after": _LOSS,
}
_CONFIDENCE: dict[str, Expected] = {
    "error_rate": (
        "a number between 0 and 1",
        lambda value: _is_number(value) and 0 < value < 1,
    ),
    "photos": (
        f"a whole number from 1 to {MOST_PHOTOS:,}",
        lambda value: type(value) is int and 0 < value <= MOST_PHOTOS,
    ),
    "references": (
        "a whole number, of as many as fit",
        lambda value: type(value) is int and 0 < value <= REFERENCE_BYTES // 4,
    ),
}
HISTORY: dict[str, Expected] = {
    "dataset": ("a word", lambda value: _is_line(value, 100)),
    "batch_processed_count": (
        "a whole number",
        lambda value: type(value) is int and 0 <= value < 10**15,
    ),
    "epoch": _COUNT,
    "accuracy": _NUMBER_OR_NONE,
    "cross_entropy": _NUMBER_OR_NONE,
    "learning_rate": _NUMBER_OR_NONE,
}
_BACKBONE: dict[str, Expected] = {
    "arch": (
        "the name of a network",
        lambda value: (
            isinstance(value, str)
            and bool(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", value, re.A))
            and value.casefold() != "auto"
        ),
    ),
    "weights": ("the name of weights", _is_weights_name),
    "preprocessing": _ANY_DICT,
    "precision": (
        f"one of {', '.join(PRECISIONS[1:])}",
        lambda value: isinstance(value, str) and value in PRECISIONS[1:],
    ),
    "calibration": (
        "64 hex digits, or empty",
        lambda value: value == "" or is_sha256(value),
    ),
    "own": ("64 hex digits, or empty", lambda value: value == "" or is_sha256(value)),
}
