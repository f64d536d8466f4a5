"""Sorted arrays find what a dict would, hashes that begin alike too."""

import threading

import numpy as np
import pytest

from carlib.bottlenecks.tables import FACTOR, Tables, as_words


def rows_of(keys, values):
    return np.column_stack([as_words(keys), np.asarray(values, np.uint64)])


def random_keys(rng, count):
    return rng.integers(0, 256, (count, 32), np.uint8)


def value_at(tables, key):
    found = next(tables.matches(key.tobytes()), None)
    return None if found is None else int(np.frombuffer(found, np.uint64)[0])


@pytest.fixture
def alike():
    """Sixty keys that begin with the same eight bytes or one of two others."""
    rng = np.random.default_rng(3)
    keys = random_keys(rng, 60)
    keys[:, :8] = keys[rng.integers(0, 3, 60), :8]
    return keys


@pytest.mark.parametrize("seed", range(5))
def test_what_was_added_in_parts_of_any_size_is_found_as_in_a_dict(seed):
    rng = np.random.default_rng(seed)
    tables, expected = Tables(4, 5), {}
    known = random_keys(rng, 0)
    for size in rng.integers(0, 200, 40):
        again = known[rng.integers(0, len(known), size // 4)] if len(known) else known
        keys = np.concatenate([random_keys(rng, int(size)), again])
        values = rng.integers(0, 2**40, len(keys))
        tables.add(rows_of(keys, values))
        expected |= {key.tobytes(): int(v) for key, v in zip(keys, values, strict=True)}
        known = np.concatenate([known, keys])
    asked = np.concatenate([known, random_keys(rng, 100)])
    found, values = tables.find(as_words(asked))
    right = [expected.get(key.tobytes()) for key in asked]
    assert [value_at(tables, key) for key in asked] == right
    assert found.tolist() == [value is not None for value in right]
    assert values[found, 0].tolist() == [value for value in right if value is not None]
    assert sorted(tables.keys()) == sorted(expected) == list(tables.keys())


def test_keys_that_begin_alike_are_told_apart(alike):
    """Nobody makes two photos of which so much is the same; a hint can say so."""
    tables = Tables(4, 5)
    for start in range(0, 50, 10):
        tables.add(rows_of(alike[start : start + 10], range(start, start + 10)))
    assert [value_at(tables, key) for key in alike] == [*range(50), *[None] * 10]
    found, values = tables.find(as_words(alike))
    assert found.tolist() == [True] * 50 + [False] * 10
    assert values[:50, 0].tolist() == [*range(50)]


def test_of_keys_that_begin_alike_each_is_counted_once_with_its_last_row(alike):
    tables = Tables(4, 5)
    for start in (0, 100, 200):
        tables.add(rows_of(alike, range(start, start + 60)))
    assert sorted(tables.distinct()[:, 4].tolist()) == [*range(200, 260)]
    assert list(tables.keys()) == sorted(key.tobytes() for key in alike)


def test_what_is_not_kept_uncovers_what_was_added_before():
    keys = random_keys(np.random.default_rng(0), 3)
    tables = Tables(4, 5)
    tables.add(rows_of(keys, [1, 2, 3]))
    tables.add(rows_of(keys[:2], [10, 20]))
    tables.keep(lambda rows: rows[:, 4] != 10)
    assert [value_at(tables, key) for key in keys] == [1, 20, 3]
    tables.keep(lambda rows: np.zeros(len(rows), bool))
    assert not tables and list(tables.keys()) == []


def test_however_often_rows_are_added_they_lie_in_a_few_tables():
    rng, tables = np.random.default_rng(0), Tables(4, 5)
    for _ in range(2000):
        tables.add(rows_of(random_keys(rng, 3), [0, 0, 0]))
    assert len(tables._tables) <= 1 + np.log(6000) / np.log(FACTOR)


def test_one_thread_looks_while_another_adds_and_misses_nothing():
    rng, tables = np.random.default_rng(0), Tables(4, 5)
    keys = random_keys(rng, 2000)
    tables.add(rows_of(keys[:1], [0]))
    adding = threading.Thread(
        target=lambda: [tables.add(rows_of(keys[i : i + 1], [i])) for i in range(2000)]
    )
    adding.start()
    while adding.is_alive():
        assert value_at(tables, keys[0]) == 0
    adding.join()
    assert tables.find(as_words(keys))[1][:, 0].tolist() == [*range(2000)]


def test_nothing_is_found_in_nothing():
    tables = Tables(4, 5)
    tables.add(np.empty((0, 5), np.uint64))
    assert not tables and len(tables.distinct()) == 0
    for count in (0, 3):
        keys = random_keys(np.random.default_rng(0), count)
        assert tables.find(as_words(keys))[0].tolist() == [False] * count


def test_what_is_no_key_is_not_found_whatever_there_is():
    tables = Tables(4, 5)
    tables.add(np.zeros((3, 5), np.uint64))
    assert [*tables.matches(bytes(32))] == [bytes(8)] * 3
    for key in (b"", bytes(8), bytes(40)):
        assert [*tables.matches(key)] == []
