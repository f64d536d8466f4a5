"""A converted network, kept in its backbone's folder: new photos need no TensorFlow.

| in <folder>/network | content |
|---|---|
| network.xml, network.bin | the network as OpenVINO has it |
| sha256.json | what proves those files, and whose they are |
"""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from carlib import runtime
from carlib.backbones.operations import MAX_XML, check_operations
from carlib.errors import ArchiveError
from carlib.files import atomic_folder, make_way, write_json
from carlib.reading import open_file, read_json, sha256_of

NETWORK, HASHES = "network", "sha256.json"
PARTS = ("network.xml", "network.bin")
MOST = (MAX_XML, 2**30)  # bytes of them; ResNet101V2's weights have 170 million


def keep(folder: Path, model: Any) -> None:
    """Keep an OpenVINO model in a backbone's folder, where that can be written to."""
    make_way(folder / NETWORK)
    with (
        contextlib.suppress(OSError, RuntimeError),
        atomic_folder(folder / NETWORK, replace=True) as temporary,
    ):
        runtime.save_openvino(model, temporary / PARTS[0])
        write_json(temporary / HASHES, _hashes(temporary, folder))


def kept(
    folder: Path | None, input_size: int | None = None, n_features: int | None = None
) -> Any | None:
    """Return the OpenVINO model that lies in a backbone's folder, if it is whole.

    One that does more than compute, or takes or gives another number than asked for, is
    none that carlib kept.
    """
    if folder is None or not is_whole(folder):
        return None
    try:
        with open_file(folder / NETWORK / PARTS[0]) as file:
            check_operations(file.read(MAX_XML + 1) or b"")
        model = runtime.core().read_model(folder / NETWORK / PARTS[0])
        return model if _fits(model, input_size, n_features) else None
    except (OSError, RuntimeError, ArchiveError):  # gone, or made by a newer OpenVINO
        return None


def _fits(model: Any, input_size: int | None, n_features: int | None) -> bool:
    """Tell whether a model has one way in and one out, as wide as a backbone's."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return False
    found = model.input().partial_shape[1], model.output().partial_shape[1]
    asked = input_size, n_features
    pairs = zip(found, asked, strict=True)
    return all(n is None or (d.is_static and d.get_length() == n) for d, n in pairs)


def is_whole(folder: Path) -> bool:
    """Tell whether a network lies in a backbone's folder as it was kept."""
    try:
        hashes, place = read_json(folder / NETWORK / HASHES), folder / NETWORK
        sizes = [(place / part).stat().st_size for part in PARTS]
        small = all(size <= most for size, most in zip(sizes, MOST, strict=True))
        return small and hashes == _hashes(place, folder)
    except (OSError, ValueError):
        return False


def _hashes(place: Path, folder: Path) -> dict[str, str]:
    hashes = {part: sha256_of(place / part) for part in PARTS}
    return {"backbone": folder.name, **hashes}


def model_from(network: tuple[bytes, bytes]) -> Any:
    """Return the OpenVINO model of which `network_of` made these bytes.

    Raises:
        ArchiveError: It does more than compute, or is damaged.
    """
    check_operations(network[0])
    return runtime.core().read_model(*network)


def network_of(model: Any) -> tuple[bytes, bytes]:
    """Return an OpenVINO model as the bytes of its two files."""
    with tempfile.TemporaryDirectory(prefix="carlib-") as folder:
        paths = [Path(folder) / part for part in PARTS]
        runtime.save_openvino(model, paths[0])
        return paths[0].read_bytes(), paths[1].read_bytes()
