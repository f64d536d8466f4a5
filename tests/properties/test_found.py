"""What the fuzzers found: each input is read, or refused by its reader's own error."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from carlib.archives import unzip
from carlib.backbones.checkpoint import read_checkpoint
from carlib.data.images import decode
from carlib.data.table import load_index
from carlib.errors import ArchiveError, DataError, ImageError, WeightsError
from carlib.model.model import load_model
from tests.properties.test_manifests import DEEP, changed
from tests.properties.written import (
    FIELDS,
    HEAD,
    MEMBERS,
    OWN,
    View,
    checkpoint,
    model,
    npy,
    own_backbone,
    zipped,
)

FOUND = Path(__file__).resolve().parent.parent / "faults" / "found"
SECONDS, MEMORY = 1, 64 << 20
KERNEL = npy(HEAD["kernel"])


def _index(path: Path) -> None:
    path.rename(path.with_name("index.csv"))
    load_index(path.parent)


READERS: dict[str, tuple[Callable, type[Exception]]] = {
    "index": (_index, DataError),
    "image": (lambda path: decode(path.read_bytes()), ImageError),
    "zip": (lambda path: unzip(path, path.with_name("unzipped")), ArchiveError),
    "model": (lambda path: load_model(path, backbones=[own_backbone()]), ArchiveError),
    "checkpoint": (read_checkpoint, WeightsError),
}


def with_history(**columns) -> bytes:
    return model(FIELDS | {"history": FIELDS["history"] | columns})


def with_kernel(data: bytes) -> bytes:
    return model(FIELDS, MEMBERS | {"kernel.npy": data})


def with_text(text: str) -> bytes:
    return zipped({"manifest.json": text.encode(), **MEMBERS})


def many_views() -> bytes:
    views = {str(number): View("0", 0, (100_000,), (1,)) for number in range(400)}
    return checkpoint(views, {"0": np.zeros(100_000, "<f4")})


# Too large for a file here, or readable only as what they are.
MADE = {
    "model-deep-json": with_text(DEEP),
    "model-deep-field": with_text(
        '{"format": "carlib model", "options": ' + DEEP + "}"
    ),
    "model-history-without-columns": model(FIELDS | {"history": {}}),
    "model-history-of-single-values": model(FIELDS | {"history": {"a": 1}}),
    "model-history-ragged": with_history(epoch=[1]),
    "model-history-of-dicts": with_history(dataset={}),
    "model-history-of-text": with_history(learning_rate=["", "0.1"]),
    "model-history-of-objects": with_history(learning_rate=[{}, 0.1]),
    "model-history-of-huge-numbers": with_history(learning_rate=[10**400, 1]),
    "model-array-with-nul-in-header": with_kernel(KERNEL[:10] + b"\0" + KERNEL[11:]),
    "model-array-of-terabytes": with_kernel(
        KERNEL.replace(b"(4, 2), }" + b" " * 10, b"(4" + b"0" * 10 + b", 2), }")
    ),
    "model-label-that-is-no-text": model(changed(("class_names",), ["a", "\ud800"])),
    "model-backbone-without-arch": model(FIELDS | {"backbones": [{"a": 1}]}),
    "model-arch-auto": model(
        FIELDS | {"backbones": [OWN | {"arch": "auto", "own": ""}]},
        MEMBERS | {"backbone.npy": npy(np.zeros(3, "<f4"))},
    ),
    "checkpoint-many-views-of-one-storage": many_views(),
}
# What is wrong still.
CASES = {path.name: path.read_bytes() for path in sorted(FOUND.glob("*-*"))} | MADE


@pytest.fixture
def no_network(monkeypatch):
    import socket

    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
    return asked


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", CASES)
def test_what_was_found_is_read_or_refused_cheaply(tmp_path, no_network, name):
    read, documented = READERS[name.partition("-")[0]]
    path = tmp_path / name
    path.write_bytes(CASES[name])
    tracemalloc.start()
    began = time.perf_counter()
    try:
        read(path)
    except documented as error:
        assert str(error)
    finally:
        seconds, (_, peak) = (
            time.perf_counter() - began,
            tracemalloc.get_traced_memory(),
        )
        tracemalloc.stop()
    assert seconds < SECONDS and peak < MEMORY and not no_network
