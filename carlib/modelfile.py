"""The file a model lives in: a zip of numbers and of what they mean, nothing that runs.

| member | content |
|---|---|
| manifest.json | backbone, preprocessing, class names, options, metrics, hashes |
| backbone.npy | all weights of the backbone, float32, in Keras's order |
| kernel.npy, bias.npy | the head, float32 (n_features, n_classes) and (n_classes,) |
| int8.xml, int8.bin | of an int8 model: its calibrated network, as OpenVINO has it |
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Sequence

import numpy as np

from carlib.archives import checked_zip, read_member
from carlib.errors import ArchiveError
from carlib.files import write_zip

FORMAT = "carlib model"
FORMAT_VERSION = 2
MAX_MEMBER = 1 << 30  # bytes; the largest backbone has 171 MB
MEMBERS = ("backbone.npy", "bias.npy", "kernel.npy")
INT8 = ("int8.xml", "int8.bin")
FIELDS = {
    "format_version": int,
    "arch": str,
    "weights": str,
    "preprocessing": dict,
    "precision": str,
    "calibration": str,
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


def write_model(
    path: str | os.PathLike,
    fields: dict,
    arrays: dict[str, np.ndarray],
    network: Sequence[bytes] | None = None,
) -> None:
    """Write a model's file atomically; the same model makes the same bytes.

    Args:
        fields: All of `FIELDS` but format_version and sha256.
        arrays: All of `MEMBERS`.
        network: Both of `INT8`, of an int8 model.
    """
    members = {name: _npy(arrays[name]) for name in MEMBERS}
    members |= dict(zip(INT8, network, strict=True)) if network else {}
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION} | fields
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    hashes["manifest.json"] = _hash_of_fields(manifest)
    text = json.dumps(manifest | {"sha256": hashes}, indent=2, ensure_ascii=False)
    write_zip(path, {"manifest.json": text.encode("utf-8"), **members})


def read_model(
    path: str | os.PathLike,
) -> tuple[dict, dict[str, np.ndarray], tuple[bytes, ...]]:
    """Read a model's fields, arrays and (of int8) network, each checked by its hash.

    Raises:
        ArchiveError: It's not such a file, or damaged, or from a newer carlib.
    """
    with checked_zip(path) as archive:
        _check_listing(archive)
        fields = _fields(read_member(archive, "manifest.json", MAX_MEMBER))
        members = {
            name: _member(archive, name, fields["sha256"])
            for name in archive.namelist()
            if name != "manifest.json"
        }
    arrays = {name: _array(name, members[name]) for name in MEMBERS}
    return fields, arrays, tuple(members[name] for name in INT8 if name in members)


def _check_listing(archive: zipfile.ZipFile) -> None:
    expected, found = {"manifest.json", *MEMBERS}, archive.namelist()
    if set(found) not in (expected, expected | set(INT8)):
        raise ArchiveError(
            f"It's not a carlib model: that holds {', '.join(sorted(expected))}, and "
            f"this {', '.join(found[:5])}."
        )


def _fields(data: bytes) -> dict:
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise ArchiveError(f"Its manifest.json is damaged: {error}.") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ArchiveError("It's a zip, but not a carlib model.")
    saved_hash = _hash_of_fields(fields)
    if fields.get("format_version") == 1:  # there was but one precision
        fields = {"precision": "float32", "calibration": ""} | fields
    wrong = [
        name for name, kind in FIELDS.items() if type(fields.get(name)) is not kind
    ]
    if wrong:
        raise ArchiveError("Fields of its manifest.json are not as expected.", wrong)
    if fields["format_version"] > FORMAT_VERSION:
        raise ArchiveError(
            f"It was saved by a newer carlib, {fields['versions'].get('carlib')}.",
            hint="Upgrade carlib.",
        )
    if fields["sha256"].get("manifest.json") != saved_hash:
        raise ArchiveError("Its manifest.json is not what was saved: it was changed.")
    return fields


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
