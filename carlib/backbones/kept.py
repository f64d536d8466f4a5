"""Keep a converted network in its backbone's folder, and prove later that it is whole.

| form | what it is for |
|---|---|
| network/ | as OpenVINO has it: new photos need no TensorFlow |
| graph/ | as TensorFlow has it, and all weights: none need be built in Keras |
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from carlib.files import atomic_folder, sha256_of, write_json

NETWORK, GRAPH = "network", "graph"
PARTS = {
    NETWORK: ("network.xml", "network.bin"),
    GRAPH: ("graph.pb", "weights.bin"),
}
HASHES = "sha256.json"


def keep(folder: Path, form: str, write: Callable[[Path], None]) -> None:
    """Keep a form of a network in a backbone's folder, where that can be written to.

    Args:
        folder: The backbone's.
        form: One of `PARTS`.
        write: Writes its parts into the folder that it is given.
    """
    with (
        contextlib.suppress(OSError, RuntimeError),
        atomic_folder(folder / form, replace=True) as temporary,
    ):
        write(temporary)
        write_json(temporary / HASHES, _hashes(temporary, folder, form))


def is_whole(folder: Path, form: str) -> bool:
    """Tell whether a form of a network lies in a backbone's folder as it was kept."""
    try:
        hashes = json.loads((folder / form / HASHES).read_text("utf-8"))
        return hashes == _hashes(folder / form, folder, form)
    except (OSError, ValueError):
        return False


def all_whole(folder: Path) -> bool | None:
    """Tell whether each form that is kept is whole; None where none is kept."""
    kept = [form for form in PARTS if (folder / form).exists()]
    return all(is_whole(folder, form) for form in kept) if kept else None


def _hashes(place: Path, folder: Path, form: str) -> dict[str, str]:
    """Return what proves a form's files, and that they are this backbone's."""
    hashes = {part: sha256_of(place / part) for part in PARTS[form]}
    return {"backbone": folder.name, **hashes}
