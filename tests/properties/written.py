"""A model's file and a PyTorch checkpoint, small, written without carlib or PyTorch."""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

SCALING = {"input_size": 32, "interpolation": "bilinear", "scale": 1.0, "offset": 0.0}
OWN = {
    "arch": "Tiny",
    "weights": "your own",
    "preprocessing": SCALING,
    "precision": "float32",
    "calibration": "",
    "own": "0" * 64,
}
FIELDS: dict[str, Any] = {
    "format": "carlib model",
    "format_version": 5,
    "backbones": [OWN],
    "augment": None,
    "class_names": ["door_dent", "ünknown"],
    "options": {"epoch": 2, "weights": None, "learning_rate": 0.01},
    "best_epoch": 1,
    "history": {
        "epoch": [1, 1],
        "dataset": ["train", "validation"],
        "batch_processed_count": [4, 4],
        "accuracy": [0.5, None],
        "cross_entropy": [0.7, 0.8],
        "learning_rate": [0.01, 0.01],
    },
    "metrics": {"micro_accuracy": 0.5},
    "notes": ["The photos are the drawn sample."],
    "calibration": None,
    "confidence": {"error_rate": 0.5, "photos": 3, "references": 2},
    "data_hash": "ab" * 32,
    "trained_on": {},
    "versions": {"carlib": "0.1.0"},
}
HEAD = {
    "kernel": np.arange(8, dtype="<f4").reshape(4, 2),
    "bias": np.zeros(2, "<f4"),
    "mean": np.zeros(4, "<f4"),
    "scale": np.ones(4, "<f4"),
}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


SURE = {
    "confidence": np.array([[0, 0, 0.9, 0.9, 0.1]] * 3, "<f4"),
    "references": np.eye(2, 4, dtype="<f4"),
}
MEMBERS = {f"{name}.npy": npy(array) for name, array in (HEAD | SURE).items()}


def own_backbone() -> Any:
    """What load_model asks of the backbone that the file's was trained on."""
    backbone = SimpleNamespace(arch="Tiny", n_features=4, preprocessing=SCALING)
    backbone.architecture = SimpleNamespace(own=OWN["own"])
    backbone.calibration, backbone.calibration_id, backbone.is_own = None, "", True
    backbone.precision, backbone.weights_name = "float32", OWN["weights"]
    backbone.int8_network = lambda: None
    backbone.at = lambda *_: backbone
    return backbone


def sealed(fields: Any, members: dict[str, bytes]) -> Any:
    """Put the hashes in, as somebody does who wants to be believed."""
    if not isinstance(fields, dict):
        return fields
    rest = {name: value for name, value in fields.items() if name != "sha256"}
    own = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    return rest | {"sha256": hashes | {"manifest.json": own}}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def model(fields: Any, members: dict[str, bytes] = MEMBERS) -> bytes:
    text = json.dumps(sealed(fields, members)).encode()
    return zipped({"manifest.json": text, **members})


class View(NamedTuple):
    """A tensor: what it shows of a storage."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
KINDS = {"<f4": b"ctorch\nFloatStorage\n", "<i8": b"ctorch\nLongStorage\n"}
EMPTY = b"ccollections\nOrderedDict\n)R"


def checkpoint(views: dict[str, View], storages: dict[str, np.ndarray]) -> bytes:
    """Write a PyTorch checkpoint in the layout from before it was a zip."""
    items = [_text(name) + _tensor(view, storages) for name, view in views.items()]
    keys = b"".join(map(_text, storages))
    numbers = [struct.pack("<Q", n.size) + n.tobytes() for n in storages.values()]
    tensors = b"\x80\x02" + EMPTY + b"(" + b"".join(items) + b"u."
    return START + tensors + b"\x80\x02](" + keys + b"e." + b"".join(numbers)


def _tensor(view: View, storages: dict[str, np.ndarray]) -> bytes:
    numbers = storages[view.storage]
    where = KINDS[numbers.dtype.str] + _text(view.storage) + _text("cpu")
    storage = b"(" + _text("storage") + where + _int(numbers.size) + b"NtQ"
    arguments = _int(view.offset) + _tuple(view.shape) + _tuple(view.strides)
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return rebuild + storage + arguments + b"\x89" + EMPTY + b"tR"


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _int(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _tuple(numbers: Iterable[int]) -> bytes:
    return b"(" + b"".join(map(_int, numbers)) + b"t"
