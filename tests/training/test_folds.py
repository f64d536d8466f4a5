"""Folds: stratified, copies together, the same for the same seed."""

import numpy as np

from carlib.training.folds import fold_numbers


def test_another_seed_makes_other_folds_and_the_same_seed_the_same():
    labels, distinct = np.repeat([0, 1], 50), np.arange(100)
    first = fold_numbers(labels, distinct, 5, 1)
    assert (first == fold_numbers(labels, distinct, 5, 1)).all()
    assert (first != fold_numbers(labels, distinct, 5, 2)).any()
    assert np.bincount(first).tolist() == [0, 20, 20, 20, 20, 20]
