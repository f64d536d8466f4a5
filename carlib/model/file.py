"""The file a model lives in: a zip of numbers and of what they mean, nothing that runs.

| member | content |
|---|---|
| manifest.json | backbones, preprocessing, class names, options, metrics, hashes |
| backbone.npy | all weights of the backbone, float32, in Keras's order (*) |
| kernel.npy, bias.npy | the head, float32 (n_features, n_classes) and (n_classes,) |
| mean.npy, scale.npy | what standardises the features, float32 (n_features,) |
| int8.xml, int8.bin | of an int8 backbone: its calibrated network, for OpenVINO |

(*) None of somebody's own Keras network, which only its owner can make again. A second
backbone's members are backbone-2.npy, int8-2.xml and int8-2.bin, and so on.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable

import numpy as np

from carlib.archives import checked_zip, read_member
from carlib.errors import ArchiveError
from carlib.files import write_zip

FORMAT = "carlib model"
FORMAT_VERSION = 4
MAX_MEMBER = 1 << 30  # bytes; the largest backbone has 171 MB
HEAD = ("kernel", "bias", "mean", "scale")  # in the order of LinearHead's
MOST_BACKBONES = 16
FIELDS = {
    "format_version": int,
    "backbones": list,
    "class_names": list,
    "options": dict,
    "best_epoch": int,
    "history": dict,
    "metrics": dict,
    "notes": list,
    "data_hash": str,
    "versions": dict,
    "sha256": dict,
}


BACKBONE_FIELDS = {
    "arch": str,
    "weights": str,
    "preprocessing": dict,
    "precision": str,
    "calibration": str,
    "own": str,
}


def backbone_member(number: int) -> str:
    """Return where a backbone's weights lie; they count from 0."""
    return f"backbone{_suffix(number)}.npy"


def int8_members(number: int) -> tuple[str, str]:
    """Return where an int8 backbone's network lies."""
    return f"int8{_suffix(number)}.xml", f"int8{_suffix(number)}.bin"


def _suffix(number: int) -> str:
    return f"-{number + 1}" if number else ""


def write_model(
    path: str | os.PathLike,
    fields: dict,
    arrays: dict[str, np.ndarray],
    networks: dict[str, bytes],
) -> None:
    """Write a model's file atomically; the same model makes the same bytes.

    Args:
        fields: All of `FIELDS` but format_version and sha256, and augment.
        arrays, networks: The members, by name.
    """
    members = {name: _npy(arrays[name]) for name in sorted(arrays)} | networks
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION} | fields
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    hashes["manifest.json"] = _hash_of_fields(manifest)
    text = json.dumps(manifest | {"sha256": hashes}, indent=2, ensure_ascii=False)
    write_zip(path, {"manifest.json": text.encode("utf-8"), **members})


def read_model(
    path: str | os.PathLike,
) -> tuple[dict, dict[str, np.ndarray], dict[str, bytes]]:
    """Read a model's fields, arrays and (of int8) networks, each checked by its hash.

    Raises:
        ArchiveError: It's not such a file, or damaged, or from a newer carlib.
    """
    with checked_zip(path) as archive:
        names = archive.namelist()
        if "manifest.json" not in names:
            raise _no_model(names, ["manifest.json"])
        fields = _fields(read_member(archive, "manifest.json", MAX_MEMBER))
        arrays, networks = _expected(fields["backbones"])
        expected = {"manifest.json", *arrays, *networks}
        if set(names) != expected:
            raise _no_model(names, expected)
        hashes = fields["sha256"]
        members = {name: _member(archive, name, hashes) for name in arrays + networks}
    read = {name: _array(name, members[name]) for name in arrays}
    return fields, read, {name: members[name] for name in networks}


def _no_model(found: list[str], expected: Iterable[str]) -> ArchiveError:
    odd = [f"{name} is missing" for name in sorted(set(expected) - set(found))]
    odd += [
        f"{name} has no place in one" for name in sorted(set(found) - set(expected))
    ]
    return ArchiveError("It's not a carlib model.", odd[:9])


def _expected(backbones: list[dict]) -> tuple[list[str], list[str]]:
    """Return which arrays and which networks belong to a model."""
    arrays = [f"{name}.npy" for name in HEAD]
    arrays += [
        backbone_member(n) for n, each in enumerate(backbones) if not each["own"]
    ]
    networks = [
        name
        for number, backbone in enumerate(backbones)
        if backbone["precision"] == "int8"
        for name in int8_members(number)
    ]
    return arrays, networks


def _fields(data: bytes) -> dict:
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise ArchiveError(f"Its manifest.json is damaged: {error}.") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ArchiveError("It's a zip, but not a carlib model.")
    _check_version(fields)  # first: what a newer carlib writes may look quite different
    wrong = _wrong_fields(fields)
    if wrong:
        raise ArchiveError("Fields of its manifest.json are not as expected.", wrong)
    if fields["sha256"].get("manifest.json") != _hash_of_fields(fields):
        raise ArchiveError("Its manifest.json is not what was saved: it was changed.")
    return fields


def _check_version(fields: dict) -> None:
    version, versions = fields.get("format_version"), fields.get("versions")
    if type(version) is not int or version == FORMAT_VERSION:
        return
    by = versions.get("carlib", "") if isinstance(versions, dict) else ""
    if version > FORMAT_VERSION:
        message = f"It was saved by a newer carlib{f', {by}' if by else ''}."
        raise ArchiveError(message, hint="Upgrade carlib.")
    raise ArchiveError(
        f"It was saved in format {version}, before carlib's first release.",
        hint="Train the model again.",
    )


def _wrong_fields(fields: dict) -> list[str]:
    """Return the names of fields that are missing or of another kind."""
    wrong = [name for name in FIELDS if type(fields.get(name)) is not FIELDS[name]]
    backbones = fields.get("backbones") if "backbones" not in wrong else []
    if not 0 < len(backbones) <= MOST_BACKBONES and "backbones" not in wrong:
        wrong.append("backbones")
    for backbone in backbones:
        found = backbone if isinstance(backbone, dict) else {}
        wrong += [
            n for n, kind in BACKBONE_FIELDS.items() if type(found.get(n)) is not kind
        ]
    if fields.get("augment", 0) not in (None, "flip"):
        wrong.append("augment")
    return wrong


def _hash_of_fields(fields: dict) -> str:
    """Hash what the manifest says, but for the hashes themselves."""
    rest = {name: value for name, value in fields.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _member(archive: zipfile.ZipFile, name: str, hashes: dict[str, str]) -> bytes:
    data = read_member(archive, name, MAX_MEMBER)
    if hashlib.sha256(data).hexdigest() != hashes.get(name):
        raise ArchiveError(f"{name} in it is not what was saved: it was changed.")
    return data


def _array(name: str, data: bytes) -> np.ndarray:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ArchiveError(f"{name} in it is not an array: {error}.") from error
    if array.dtype != np.float32 or not np.isfinite(array).all():
        raise ArchiveError(f"{name} in it holds other than float32 numbers.")
    return array
