"""A converted network, kept in its backbone's folder: new photos need no TensorFlow.

| in <folder>/network | content |
|---|---|
| network.xml, network.bin | the network as OpenVINO has it |
| sha256.json | what proves those files, and whose they are |
"""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from carlib import runtime
from carlib.files import atomic_folder, sha256_of, write_json

NETWORK, HASHES = "network", "sha256.json"
PARTS = ("network.xml", "network.bin")


def keep(folder: Path, model: Any) -> None:
    """Keep an OpenVINO model in a backbone's folder, where that can be written to."""
    with (
        contextlib.suppress(OSError, RuntimeError),
        atomic_folder(folder / NETWORK, replace=True) as temporary,
    ):
        runtime.save_openvino(model, temporary / PARTS[0])
        write_json(temporary / HASHES, _hashes(temporary, folder))


def kept(folder: Path | None) -> Any | None:
    """Return the OpenVINO model that lies in a backbone's folder, if it is whole."""
    if folder is None or not is_whole(folder):
        return None
    try:
        return runtime.core().read_model(folder / NETWORK / PARTS[0])
    except (OSError, RuntimeError):  # gone meanwhile, or made by a newer OpenVINO
        return None


def is_whole(folder: Path) -> bool:
    """Tell whether a network lies in a backbone's folder as it was kept."""
    try:
        hashes = json.loads((folder / NETWORK / HASHES).read_text("utf-8"))
        return hashes == _hashes(folder / NETWORK, folder)
    except (OSError, ValueError):
        return False


def _hashes(place: Path, folder: Path) -> dict[str, str]:
    hashes = {part: sha256_of(place / part) for part in PARTS}
    return {"backbone": folder.name, **hashes}


def model_from(network: tuple[bytes, bytes]) -> Any:
    """Return the OpenVINO model of which `network_of` made these bytes."""
    return runtime.core().read_model(*network)


def network_of(model: Any) -> tuple[bytes, bytes]:
    """Return an OpenVINO model as the bytes of its two files."""
    with tempfile.TemporaryDirectory(prefix="carlib-") as folder:
        paths = [Path(folder) / part for part in PARTS]
        runtime.save_openvino(model, paths[0])
        return paths[0].read_bytes(), paths[1].read_bytes()
