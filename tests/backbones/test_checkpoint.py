"""A checkpoint: read without PyTorch, and whatever was done to it."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.backbones import checkpoint, efficientnet_lite
from carlib.backbones.checkpoint import read_checkpoint
from carlib.errors import WeightsError

NUMBERS = np.arange(12, dtype="<f4")


def test_a_checkpoint_that_asks_for_code_is_refused_and_nothing_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    path = tmp_path / "evil.pth"
    with path.open("wb") as file:
        for part in (checkpoint.MAGIC, 1001, {}, Evil()):
            pickle.dump(part, file, 2)
    with pytest.raises(WeightsError, match="asks for"):
        read_checkpoint(path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("keep", [0, 10, 5_000, 10_000_000])
def test_a_checkpoint_cut_off_anywhere_is_an_error(tmp_path, keep):
    path = tmp_path / "cut.pth"
    path.write_bytes(efficientnet_lite.checkpoint_path().read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"cut\.pth is not"):
        read_checkpoint(path)


class Named:
    """What pickles as a name that isn't installed here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Storage:
    def __init__(self, count, kind="FloatStorage"):
        self.count, self.kind = count, kind


class Tensor:
    def __init__(self, *arguments):
        self.arguments = arguments


class Writer(pickle._Pickler):
    """Write what PyTorch does: names by GLOBAL, storages by persistent ids."""

    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            kind = Named("torch", thing.kind)
            return ("storage", kind, "0", "cpu", thing.count, None)
        return None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Named):
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(thing, save_persistent_id)


def written(path, tensor, numbers=NUMBERS, count=None):
    """A checkpoint of one tensor, "x", over some numbers."""
    with path.open("wb") as file:
        for part in (checkpoint.MAGIC, 1001, {}):
            pickle.dump(part, file, 2)
        Writer(file, 2).dump(OrderedDict(x=tensor))
        pickle.dump(["0"], file, 2)
        count = len(numbers) if count is None else count
        file.write(count.to_bytes(8, "little") + numbers.tobytes())
    return path


def tensor(offset=0, shape=(3, 4), strides=(4, 1), count=12):
    return Tensor(Storage(count), offset, shape, strides, False, OrderedDict())


def test_a_tensor_is_what_its_offset_shape_and_strides_say(tmp_path):
    path = written(tmp_path / "x.pth", tensor())
    np.testing.assert_array_equal(read_checkpoint(path)["x"], NUMBERS.reshape(3, 4))
    path = written(tmp_path / "y.pth", tensor(1, (2, 2), (1, 5)))
    np.testing.assert_array_equal(read_checkpoint(path)["x"], [[1, 6], [2, 7]])


@pytest.mark.parametrize(
    "given",
    [
        tensor(offset=-1, shape=(2,), strides=(1,)),
        tensor(shape=(2, 2), strides=(-5, 9)),
        tensor(shape=(3, 4), strides=(-4, 4)),
        tensor(offset=11, shape=(2,), strides=(-1,)),
        tensor(shape=(13,), strides=(1,)),
        tensor(shape=(1 << 40,), strides=(0,)),
        tensor(shape=(2.0,), strides=(1,)),
        tensor(shape=(True,), strides=(1,)),
        tensor(shape=(3, 4), strides=(1,)),
        tensor(offset=None),
        tensor(count=-1),
        tensor(count=1 << 60),
        tensor(count=11),
        Tensor(tensor(shape=(9,), strides=(0,)), 0, (9,), (1,), False, None),
        Tensor(Storage(12, "LongStorage"), 0, (12,), (1,), False, None),
        "no tensor",
    ],
)
def test_a_tensor_that_reaches_elsewhere_is_an_error(tmp_path, given):
    """Or it would be some of the process's own memory, and be saved with the model."""
    path = written(tmp_path / "x.pth", given)
    with pytest.raises(WeightsError, match=r"x\.pth is not a PyTorch checkpoint"):
        read_checkpoint(path)


def test_numbers_that_are_too_few_are_not_spread(tmp_path):
    path = written(tmp_path / "x.pth", tensor(), NUMBERS[:1])
    with pytest.raises(WeightsError, match="1 numbers came where 12 should"):
        read_checkpoint(path)


@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, 400),
    bits=st.integers(1, 255),
    numbers=st.tuples(*[st.integers(-20, 20)] * 5),
)
def test_any_edited_checkpoint_is_an_error_or_holds_its_own_numbers(
    tmp_path_factory, place, bits, numbers
):
    path = tmp_path_factory.mktemp("edited") / "x.pth"
    offset, *rest = numbers
    written(path, tensor(offset, tuple(rest[:2]), tuple(rest[2:])))
    data = bytearray(path.read_bytes())
    if place < len(data):
        data[place] ^= bits
    path.write_bytes(data)
    try:
        tensors = read_checkpoint(path)
    except WeightsError:
        return
    own = set(np.frombuffer(bytes(data[-NUMBERS.nbytes :]), "<f4").view("<u4").tolist())
    for values in tensors.values():
        if values.dtype == np.float32:
            assert set(values.view("<u4").ravel().tolist()) <= own
