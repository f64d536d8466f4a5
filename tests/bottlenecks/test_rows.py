"""Rows that are read when they are asked for."""

import numpy as np
import pytest

from carlib.bottlenecks.rows import Rows, rows_of, widened


@pytest.fixture
def mapped(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float16)
    np.save(tmp_path / "features.npy", values)
    return np.load(tmp_path / "features.npy", mmap_mode="r")


def test_they_are_those_of_the_array_in_their_own_order_as_float32(mapped):
    places = np.random.default_rng(1).permutation(50)[:30]
    rows, expected = Rows(mapped, places), mapped[places].astype(np.float32)
    assert (len(rows), rows.shape, rows.nbytes) == (30, (30, 7), expected.nbytes)
    assert rows[:].dtype == np.float32
    for some in (slice(None), slice(3, 9), slice(0, None, 4), np.array([5, 2, 5]), 4):
        np.testing.assert_array_equal(rows[some], expected[some])
    order = rows.as_they_lie()
    np.testing.assert_array_equal(Rows(rows, order)[:], expected[np.argsort(places)])


def test_what_is_done_to_a_block_is_done_on_its_way_one_after_another(mapped):
    rows = rows_of(mapped).changed(lambda block: block + 1).changed(np.square)
    expected = (mapped.astype(np.float32) + 1) ** 2
    np.testing.assert_array_equal(rows[10:20], expected[10:20])
    assert rows_of(rows) is rows


def test_each_finite_half_is_widened_exactly():
    halves = np.arange(1 << 16).astype(np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    found, expected = widened(halves), halves.astype(np.float32)
    np.testing.assert_array_equal(found.view(np.int32), expected.view(np.int32))
