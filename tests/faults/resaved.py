"""A saved model that somebody changed who knows of its hashes."""

import hashlib
import json
from pathlib import Path
from typing import Any

from carlib.files import write_zip
from tests.model.members import members


def resaved(model: Any, path: Path, replaced=None, backbone=None, **fields) -> Path:
    """Save a model with other fields and members, and with hashes that fit them."""
    whole = members(model.save(path)) | (replaced or {})
    manifest = json.loads(whole["manifest.json"]) | fields
    manifest["backbones"][0] |= backbone or {}
    hashes = manifest.pop("sha256")
    for name, data in (replaced or {}).items():
        hashes[name] = hashlib.sha256(data).hexdigest()
    text = json.dumps(manifest, sort_keys=True).encode()
    hashes["manifest.json"] = hashlib.sha256(text).hexdigest()
    manifest["sha256"] = hashes
    write_zip(path, {**whole, "manifest.json": json.dumps(manifest).encode()})
    return path
