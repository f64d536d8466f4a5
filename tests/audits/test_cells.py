"""An audit of more photos than are compared one by one: by parts, with less memory."""

import tracemalloc

import numpy as np
import pytest

from carlib.audits import cells, pairs, suspects
from carlib.audits.cells import FARTHEST, nearest_in_cells
from carlib.audits.pairs import standardised, unit
from carlib.audits.suspects import are_outliers, far_from_all, out_of_fold
from carlib.bottlenecks.rows import Rows, rows_of
from carlib.training import folds, keras_head, optimum


@pytest.fixture
def many(monkeypatch):
    """More than a thousand photos, or a megabyte, are too many."""
    for module in (cells, pairs, suspects):
        monkeypatch.setattr(module, "EXACT", 1000)
    monkeypatch.setattr(cells, "MOST", 200 * cells.MOST // cells.PER_CELL)
    monkeypatch.setattr(cells, "PER_CELL", 200)
    monkeypatch.setattr(cells, "AT_ONCE", 25)
    monkeypatch.setattr(cells, "SAMPLE", 2000)
    monkeypatch.setattr(folds, "MANY", 1000)
    monkeypatch.setattr(optimum, "SAMPLE", 256)
    monkeypatch.setattr(keras_head, "IN_MEMORY", 1 << 20)


@pytest.fixture(scope="module")
def drawn():
    """Features of eight groups well apart, 4,000 × 32, and whose they are."""
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 8, 4000)
    centres = 3 * generator.normal(size=(8, 32))
    values = centres[groups] + generator.normal(size=(4000, 32)) + 5
    return values.astype(np.float32), groups


def test_features_are_standardised_and_of_length_1_as_in_memory(drawn, request):
    values, _ = drawn
    whole = unit(standardised(values))
    request.getfixturevalue("many")
    parts = unit(standardised(values))
    assert isinstance(parts, Rows)
    np.testing.assert_allclose(parts[:500], whole[:500], atol=1e-5)
    np.testing.assert_allclose(parts[3999], whole[3999], atol=1e-5)


def test_the_nearest_are_mostly_those_of_all(drawn, many):
    values, _ = drawn
    values = values.copy()
    values[2000:2100] = values[:100] + 1e-3
    features = unit(values)
    distances, places = nearest_in_cells(features, 3)
    assert (places[:100, 0] == np.arange(2000, 2100)).mean() > 0.95
    whole = features[:] @ features[:].T
    np.fill_diagonal(whole, -1)
    best = whole.max(axis=1)
    assert (distances >= 1 - best[:, np.newaxis] - 1e-5).all()  # never nearer
    assert (np.abs(1 - distances[:, 0] - best) < 1e-5).mean() > 0.75
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (places != np.arange(4000)[:, np.newaxis]).all()


def test_a_cell_of_one_has_no_neighbours(monkeypatch, drawn):
    values, _ = drawn
    alone = np.repeat([0, 1], [1, 3999]), np.full(4000, -1)
    monkeypatch.setattr(cells, "_cells", lambda features: alone)
    monkeypatch.setattr(cells, "MOST", 5000)
    distances, places = nearest_in_cells(rows_of(values), 2)
    assert (distances[0] == FARTHEST).all() and (places[0] == 0).all()


def test_a_cell_with_far_more_guests_than_photos_is_gone_through(monkeypatch, drawn):
    values, _ = drawn
    cell = np.repeat([0, 1, 2], [2, 1999, 1999])
    other = np.where(cell == 0, -1, 0)
    monkeypatch.setattr(cells, "_cells", lambda features: (cell, other))
    monkeypatch.setattr(cells, "MOST", 500)
    assert all(max(map(len, part)) <= 500 for part in cells._parts(cell, other))
    distances, places = nearest_in_cells(unit(values), 2)
    assert (places != np.arange(4000)[:, np.newaxis]).all()
    assert (distances < FARTHEST).all()


def test_photos_unlike_all_others_are_found_by_parts(drawn, many):
    values, _ = drawn
    odd = np.random.default_rng(5).normal(size=(4, 32)).astype(np.float32) * 20
    values = np.concatenate([values, odd])
    distances = far_from_all(unit(values), np.arange(4004))
    assert set(range(4000, 4004)) <= set(np.flatnonzero(are_outliers(distances)))


def test_probabilities_out_of_fold_are_those_of_memory(drawn, request):
    values, groups = drawn
    labels = np.where(np.arange(4000) < 40, (groups + 1) % 8, groups)
    whole = out_of_fold(standardised(values), labels, np.arange(4000))
    request.getfixturevalue("many")
    parts = out_of_fold(standardised(values), labels, np.arange(4000))
    np.testing.assert_allclose(parts.sum(axis=1), 1)
    assert (parts.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.999
    assert np.abs(parts - whole).mean() < 0.01


def test_it_holds_but_a_part_of_a_map_in_memory(tmp_path, many):
    generator = np.random.default_rng(0)
    values = generator.standard_normal((20_000, 256), np.float32)
    labels = generator.integers(0, 3, len(values))
    values[:, :3] += 2 * np.eye(3, dtype=np.float32)[labels]
    np.save(tmp_path / "values.npy", values)
    mapped, bytes_ = np.load(tmp_path / "values.npy", mmap_mode="r"), values.nbytes
    del values
    distinct = np.arange(len(labels))
    some = standardised(mapped[:1500])
    out_of_fold(some, labels[:1500], distinct[:1500])  # imports
    far_from_all(unit(some), distinct[:1500])
    tracemalloc.start()
    scores = out_of_fold(standardised(mapped), labels, distinct)
    far_from_all(unit(mapped), distinct)
    pairs.neighbours(unit(standardised(mapped)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.6 * bytes_
    assert (scores.argmax(axis=1) == labels).mean() > 0.7
