"""Photos as the head sees them: in an order that is their own, whatever the table's."""

import numpy as np
import pytest

from carlib.errors import DataError
from carlib.training.photo_set import data_hash
from tests.drawn import photo_set


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    return photo_set(rng.normal(size=(40, 5)), np.arange(40) % 4)


def test_the_order_is_the_seeds_and_not_the_tables(drawn):
    mixed = drawn.some(np.random.default_rng(1).permutation(40))
    for one, other in zip(drawn.in_order(3), mixed.in_order(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (drawn.in_order(3)[1] != drawn.in_order(4)[1]).any()
    assert data_hash(drawn, None) == data_hash(mixed, None)


def test_some_of_them_keep_their_labels_and_features(drawn):
    some = drawn.some(np.arange(40) % 2 == 0)
    assert len(some) == some.n_rows == 20
    assert some.keys == drawn.keys[::2]
    np.testing.assert_array_equal(some.labels, drawn.labels[::2])
    np.testing.assert_array_equal(some.as_they_are(), drawn.as_they_are()[::2])


def test_a_share_of_each_class_is_held_out_by_content(drawn):
    rest, out = drawn.hold_out(0.2, seed=1)
    assert np.bincount(out.labels).tolist() == [2, 2, 2, 2]
    assert not set(rest.keys) & set(out.keys) and len(rest) + len(out) == 40
    assert set(drawn.some(np.arange(40)[::-1]).hold_out(0.2, seed=1)[1].keys) == set(
        out.keys
    )


def test_those_that_can_not_be_read_are_left_out_with_a_warning(drawn):
    drawn.features.errors.update({3: "three is empty", 8: "eight is empty"})
    with pytest.warns(UserWarning, match="(?s)2 of 40.*three.*eight"):
        rest = drawn.readable()
    assert len(rest) == 38
    drawn.features.errors.update(dict.fromkeys(range(0, 40, 4), "gone"))
    with pytest.raises(DataError, match="no photo can be read") as caught:
        drawn.readable()
    assert caught.value.problems[0] == "class 0"
