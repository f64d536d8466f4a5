"""What is fuzzed: of each reader, what reads an input, and the error it documents.

A reader is given a folder of its own, in which `data` holds photos.
"""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from tests.properties.written import own_backbone

Reader = tuple[Callable[[bytes], None], type[Exception]]


class Broken(Exception):
    """A reader returned what it must not, or left it behind."""


def _check(holds: bool, what: object) -> None:
    if not holds:
        raise Broken(ascii(what)[:500])


def _read_index(room: Path) -> Reader:
    from carlib.data.table import load_index
    from carlib.errors import DataError

    def read(data: bytes) -> None:
        (room / "data" / "index.csv").write_bytes(data)
        table = load_index(room / "data")
        for photo, label in zip(table.image_path, table.damage_class, strict=True):
            _check(Path(photo).resolve().is_relative_to(room / "data"), photo)
            _check(label == unicodedata.normalize("NFC", label).strip() != "", label)

    return read, DataError


def _read_image(_: Path) -> Reader:
    from carlib.data.images import decode, squares
    from carlib.errors import ImageError

    def read(data: bytes) -> None:
        pixels = decode(data)
        _check(pixels.dtype == "uint8" and pixels.shape[2:] == (3,), pixels.shape)
        _check(squares(data, [(16, "bilinear")])[0].shape == (16, 16, 3), "squares")

    return read, ImageError


def _read_zip(room: Path) -> Reader:
    from carlib.archives import unzip
    from carlib.errors import ArchiveError

    path, out = room / "data" / "input", room / "out"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            unzip(path, out)
        finally:
            left = {child.name for child in room.iterdir()}
            shutil.rmtree(out, ignore_errors=True)
            _check(left <= {"board", "log", "data", "out"}, left)

    return read, ArchiveError


def _read_model(room: Path) -> Reader:
    from carlib.errors import ArchiveError
    from carlib.model.model import load_model

    backbones, path = [own_backbone()], room / "data" / "input"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        loaded = load_model(path, backbones=backbones)
        n_classes = len(loaded.class_names)
        _check(loaded.head.kernel.shape[1] == n_classes > 1, loaded.class_names)

    return read, ArchiveError


def _read_checkpoint(room: Path) -> Reader:
    from carlib.backbones.checkpoint import read_checkpoint
    from carlib.errors import WeightsError

    path = room / "data" / "input"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        tensors = read_checkpoint(path)
        _check(all(isinstance(name, str) for name in tensors), list(tensors))

    return read, WeightsError


MAKERS: dict[str, Callable[[Path], Reader]] = {
    "index": _read_index,
    "image": _read_image,
    "zip": _read_zip,
    "model": _read_model,
    "checkpoint": _read_checkpoint,
}
