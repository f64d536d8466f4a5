"""What an export says of itself: `manifest.json`, for people and for programs."""

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carlib.backbones.backbone import Backbone
from carlib.exports.formats import FORMATS
from carlib.exports.proof import Checks
from carlib.exports.source import Source
from carlib.model.manifest import versions
from carlib.model.model import ImageClassificationModel
from carlib.reading import read_json, sha256_of

NAME = "manifest.json"
KIND = "carlib export"
MAX_BYTES = 64 << 20  # of 1,000 photos and 1,000 classes the answers have 25 MB
PIXELS = (
    "RGB from 0 to 255, upright by EXIF, what is transparent over white. Where a size "
    "is named: squashed to it, antialiased, by Pillow's Image.resize."
)


def manifest_of(
    source: Source, folder: Path, exports: Mapping[str, dict], checks: Checks
) -> dict[str, Any]:
    """Return what is to be said of an export that lies complete in a folder.

    Args:
        exports: What was found of each format.
    """
    model = source.model
    return {
        "kind": KIND,
        "class_names": list(model.class_names),
        "backbones": [_described(backbone) for backbone in model.backbones],
        "mirrored": model.augment == "flip",
        "preprocessing": PIXELS,
        "inputs": [
            {"name": name, "dtype": "uint8", "shape": [None, side, side, 3]}
            | {"size": side, "interpolation": how}
            for name, (side, how) in source.inputs.items()
        ],
        "outputs": [
            {"name": "probabilities", "dtype": "float32"}
            | {"shape": [None, len(model.class_names)]}
        ],
        "any_size": [name for name in exports if FORMATS[name].any_size],
        "temperature": model.calibration.temperature if model.calibration else None,
        **refusal_of(model),
        "exports": dict(exports),
        "checked": _checked(checks),
        "versions": versions() | _more_versions(exports),
        "sha256": hashes_of(folder),
    }


def _described(backbone: Backbone) -> dict[str, Any]:
    """Return a backbone's preprocessing; scale and offset are in the network."""
    named = {"arch": backbone.arch, "weights": backbone.weights_name}
    return named | {"features": backbone.n_features} | backbone.preprocessing


def refusal_of(model: ImageClassificationModel) -> dict[str, Any]:
    """Return below which probability an answer is refused; None: none is sure enough.

    And beyond which cosine distance to the nearest training photo; no export tells it.
    """
    sure = model.confidence
    if sure is None:
        return {"refuse_below": 0.0, "refuse_farther": None, "error_rate": None}
    bounds = {"refuse_below": sure.threshold, "refuse_farther": sure.farthest}
    return bounds | {"error_rate": sure.error_rate}


def _checked(checks: Checks) -> list[dict[str, Any]]:
    rows = zip(
        checks.names, checks.contents, checks.labels, checks.probabilities, strict=True
    )
    return [
        {
            "photo": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "label": label,
            "probabilities": probabilities.tolist(),
        }
        for name, content, label, probabilities in rows
    ]


def _more_versions(exports: Mapping[str, dict]) -> dict[str, str]:
    found = {}
    for package in dict.fromkeys(p for name in exports for p in FORMATS[name].needs):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def hashes_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder, but for the manifest's own."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: sha256_of(path) for name, path in names.items() if name != NAME}


def foreign_in(folder: Path) -> list[str]:
    """Return what lies in a folder and was written by no export."""
    files = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        told = read_json(folder / NAME, MAX_BYTES)
        if told["kind"] == KIND:
            return sorted(files - {NAME, *told["sha256"]})
    return sorted(files)
