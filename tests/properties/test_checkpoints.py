"""A checkpoint's tensors are what was written, whatever their shapes and strides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.backbones.checkpoint import read_checkpoint
from carlib.errors import WeightsError
from tests.properties.written import View, checkpoint

FEW = settings(max_examples=150, deadline=None, derandomize=True)
MOST = 48  # numbers of a storage


@st.composite
def storages(draw):
    sizes = draw(st.lists(st.integers(1, MOST), min_size=1, max_size=3))
    kinds = [draw(st.sampled_from(["<f4", "<i8"])) for _ in sizes]
    return {
        str(number): np.arange(size, dtype=kind) - 7
        for number, (size, kind) in enumerate(zip(sizes, kinds, strict=True))
    }


@st.composite
def views(draw, numbers):
    """A tensor of a storage that stays inside it: dense axes, in any order, cut."""
    key = draw(st.sampled_from(sorted(numbers)))
    shape, strides, room = [], [], numbers[key].size
    for _ in range(draw(st.integers(0, 4))):
        side = draw(st.integers(1, min(3, room)))
        strides.append(math.prod(shape))
        shape.append(side)
        room //= side
    order = draw(st.permutations(range(len(shape))))
    offset = draw(st.integers(0, numbers[key].size - math.prod(shape)))
    return View(
        key, offset, tuple(shape[i] for i in order), tuple(strides[i] for i in order)
    )


@st.composite
def checkpoints(draw):
    numbers = draw(storages())
    names = draw(st.lists(st.text(max_size=9), min_size=1, max_size=4, unique=True))
    names = [name for name in names if name.isascii()] or ["x"]
    tensors = {name: draw(views(numbers)) for name in names}
    shown = {view.storage for view in tensors.values()}
    return tensors, {key: values for key, values in numbers.items() if key in shown}


def shown_by(view: View, numbers) -> np.ndarray:
    flat = numbers[view.storage]
    places = np.full(view.shape, view.offset)
    for axis, (side, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        steps = np.arange(side) * stride
        places += steps.reshape(-1, *[1] * (len(view.shape) - axis - 1))
    return flat[places]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints") / "x.pth"


@FEW
@given(checkpoints())
def test_tensors_of_any_shape_and_strides_are_read_back(path, written):
    tensors, numbers = written
    path.write_bytes(checkpoint(tensors, numbers))
    found = read_checkpoint(path)
    assert list(found) == list(tensors)
    for name, view in tensors.items():
        assert found[name].dtype == numbers[view.storage].dtype
        np.testing.assert_array_equal(found[name], shown_by(view, numbers))


@settings(FEW, max_examples=300)
@given(checkpoints(), st.data())
def test_one_changed_byte_is_an_error_or_tensors_no_larger_than_was_written(
    path, written, data
):
    """A changed byte of a shape or stride can show less of a storage, never more."""
    tensors, numbers = written
    whole = bytearray(checkpoint(tensors, numbers))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        found = read_checkpoint(path)
    except WeightsError:
        return
    largest = max(values.size for values in numbers.values())
    assert len(found) <= len(tensors)
    assert all(array.size <= largest for array in found.values())
    assert {array.dtype.str for array in found.values()} <= {"<f4", "<i8"}


@FEW
@given(checkpoints(), st.data())
def test_a_changed_number_changes_no_shape(path, written, data):
    tensors, numbers = written
    whole = bytearray(checkpoint(tensors, numbers))
    last = list(numbers.values())[-1]
    place = data.draw(st.integers(1, last.nbytes))
    whole[-place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    found = read_checkpoint(path)
    shapes = {name: array.shape for name, array in found.items()}
    assert shapes == {name: view.shape for name, view in tensors.items()}


@FEW
@given(checkpoints(), st.data())
def test_a_checkpoint_that_is_cut_off_is_an_error(path, written, data):
    whole = checkpoint(*written)
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(WeightsError):
        read_checkpoint(path)
