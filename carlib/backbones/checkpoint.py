"""A PyTorch checkpoint: read without PyTorch, and without running anything in it.

Of what a pickle can say it admits only numbers, strings, an ordered dict and tensors.
"""

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from carlib.errors import WeightsError

# What a checkpoint is written in: no more is needed, and some of it would cost.
OPCODES = {
    *("PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "GLOBAL", "REDUCE"),
    *("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "BINPERSID", "BUILD"),
    *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE", "EMPTY_LIST", "APPEND"),
    *("APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
}
MAGIC = 0x1950A86A20F9469CFC6C  # opens every checkpoint in PyTorch's pre-zip layout


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch checkpoint in the pre-zip layout, and nothing else.

    Raises:
        WeightsError: The file isn't one, or asks for anything but tensors.
    """
    data = path.read_bytes()
    try:
        return _tensors(io.BytesIO(data), len(data))
    except Exception as error:  # hostile bytes get nearly anything out of an unpickler
        raise WeightsError(
            f"{path.name} is not a PyTorch checkpoint of plain tensors: {error}.",
            hint="Install the package that it came with again.",
        ) from error


def _tensors(file: io.BytesIO, size: int) -> dict[str, np.ndarray]:
    if _TensorsOnly(file, size).load() != MAGIC:
        raise ValueError("it does not begin as a checkpoint does")
    for _ in ("protocol version", "system"):
        _TensorsOnly(file, size).load()
    unpickler = _TensorsOnly(file, size)
    tensors = unpickler.load()
    for key in _TensorsOnly(file, size).load():
        _fill(unpickler.storages[key], file)
    if not all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        raise ValueError("it holds something else than tensors")
    return {str(name): tensor.copy() for name, tensor in tensors.items()}


def _fill(storage: np.ndarray, file: io.BytesIO) -> None:
    count = int.from_bytes(file.read(8), "little")
    data = np.frombuffer(file.read(count * storage.itemsize), storage.dtype)
    if len(data) != len(storage):
        raise ValueError(f"{len(data):,} numbers came where {len(storage):,} should")
    storage[:] = data


def _vet(file: io.BytesIO) -> None:
    """Refuse a pickle that would cost much; the file stays where it is.

    A memo is as large as its highest number, and tuples of tuples out of it double what
    there is to hash at each level.
    """
    start, before, tuples = file.tell(), "", set()
    for count, (opcode, value, _) in enumerate(pickletools.genops(file)):
        name = opcode.name
        if name not in OPCODES:
            raise pickle.UnpicklingError(f"it holds {name}")
        if name.endswith("PUT") and value > count:
            raise pickle.UnpicklingError(f"it remembers a thing as number {value:,}")
        if name.endswith("PUT") and before.startswith("TUPLE"):
            tuples.add(value)
        if name.endswith("GET") and value in tuples:
            raise pickle.UnpicklingError("it has a tuple in two places")
        before = name
    file.seek(start)


class _TensorsOnly(pickle.Unpickler):
    """Unpickle numbers, strings, an ordered dict and tensors; refuse all other names.

    The tensors come first and the numbers they hold after them: each tensor is a view
    of a storage that is filled in the end. All storages together have no more room than
    the file has bytes.
    """

    def __init__(self, file: io.BytesIO, size: int):
        _vet(file)
        super().__init__(file)
        self.storages: dict[str, np.ndarray] = {}
        self.room = self.shown = size

    def find_class(self, module: str, name: str) -> Any:
        admitted = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild,
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        if (module, name) not in admitted:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return admitted[module, name]

    def persistent_load(self, pid: tuple) -> np.ndarray:
        _, dtype, key, _, count, _ = pid
        if dtype not in ("<f4", "<i8") or not _are_counts(count):
            raise pickle.UnpicklingError("a storage is not of numbers")
        if key not in self.storages:
            self.room -= count * np.dtype(dtype).itemsize
            if self.room < 0:
                raise pickle.UnpicklingError("it says it holds more than it does")
            self.storages[key] = np.zeros(count, dtype)
        return self.storages[key]

    def _rebuild(self, storage: np.ndarray, offset, shape, strides, *_) -> np.ndarray:
        """Return a view of a storage that stays within it, whatever the numbers say."""
        if not any(storage is known for known in self.storages.values()):
            raise pickle.UnpicklingError("a tensor is not of a storage")
        if len(shape) != len(strides) or not _are_counts(offset, *shape, *strides):
            raise pickle.UnpicklingError("a tensor's shape is not one")
        reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if 0 in shape or reach >= len(storage) or math.prod(shape) > len(storage):
            raise pickle.UnpicklingError("a tensor reaches beyond its numbers")
        self.shown -= math.prod(shape) * storage.itemsize
        if self.shown < 0:
            raise pickle.UnpicklingError("its tensors show more than it holds")
        steps = [stride * storage.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)


def _are_counts(*values: Any) -> bool:
    return all(type(value) is int and value >= 0 for value in values)
