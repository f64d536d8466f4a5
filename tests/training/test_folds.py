"""Folds: stratified, copies together, the same for the same seed."""

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.training import choose_l2 as choose_l2_module
from carlib.training import folds
from carlib.training.folds import distinct_photos, fold_numbers
from tests import copied


def test_another_seed_makes_other_folds_and_the_same_seed_the_same():
    labels, distinct = np.repeat([0, 1], 50), np.arange(100)
    first = fold_numbers(labels, distinct, 5, 1)
    assert (first == fold_numbers(labels, distinct, 5, 1)).all()
    assert (first != fold_numbers(labels, distinct, 5, 2)).any()
    assert np.bincount(first).tolist() == [0, 20, 20, 20, 20, 20]


@pytest.fixture
def stamped(photos, tmp_path):
    """Six photos a class, and of every other one a stamped copy."""
    some = photos.groupby("damage_class").head(6).reset_index(drop=True)
    copies = some.iloc[::2].copy()
    for row, path in copies.image_path.items():
        copies.loc[row, "image_path"] = copied.put(
            path, copied.stamped, tmp_path / f"{row}.jpg"
        )
    return pd.concat([some, copies], ignore_index=True)


def test_near_copies_are_in_one_fold_of_a_cross_validation(trainer, stamped):
    cv = carlib.cross_validate(
        trainer(epoch=1), stamped, folds=2, seeds=(1,), progress=False
    )
    fold = cv.predictions.fold.to_numpy()
    assert (fold[:48:2] == fold[48:]).all()
    assert len(set(cv.distinct)) == 48


def test_near_copies_are_in_one_fold_when_l2_is_chosen(trainer, stamped, monkeypatch):
    seen = []

    def note(labels, distinct, folds, seed):
        seen.append(distinct)
        return fold_numbers(labels, distinct, folds, seed)

    monkeypatch.setattr(choose_l2_module, "fold_numbers", note)
    choose_l2_module.choose_l2(trainer().photo_set(stamped), None, 1)
    (distinct,) = seen
    assert (distinct[:48:2] == distinct[48:]).all() and len(set(distinct)) == 48


def test_the_order_of_rows_does_not_change_what_is_one_picture(trainer, stamped):
    order = np.random.default_rng(0).permutation(len(stamped))
    numbers = [
        distinct_photos(trainer().photo_set(table).pictures)
        for table in (stamped, stamped.iloc[order].reset_index(drop=True))
    ]
    assert (numbers[0][order] == numbers[1]).all()


def test_of_many_each_class_is_dealt_out_evenly_and_copies_together(monkeypatch):
    monkeypatch.setattr(folds, "MANY", 100)
    labels = np.repeat([0, 1, 2], [600, 90, 30])
    distinct = np.arange(720) // 3  # three photos of a picture
    found = fold_numbers(labels, distinct, 5, 1)
    for label, size in enumerate([120, 18, 6]):
        assert (
            np.bincount(found[labels == label], minlength=6)[1:].tolist() == [size] * 5
        )
    assert (found.reshape(-1, 3) == found[::3, np.newaxis]).all()
    assert (found == fold_numbers(labels, distinct, 5, 1)).all()
    assert (found != fold_numbers(labels, distinct, 5, 2)).any()


def test_of_many_the_order_of_rows_does_not_matter(monkeypatch):
    monkeypatch.setattr(folds, "MANY", 100)
    generator = np.random.default_rng(0)
    labels, distinct = generator.integers(0, 3, 300), generator.integers(0, 200, 300)
    order = generator.permutation(300)
    found = fold_numbers(labels, distinct, 4, 1)
    np.testing.assert_array_equal(
        fold_numbers(labels[order], distinct[order], 4, 1), found[order]
    )
    assert len(set(zip(distinct.tolist(), found.tolist(), strict=True))) == len(
        set(distinct.tolist())
    )
