"""Rows that are found by a hash they begin with, in sorted arrays.

At ten million rows a dict of bytes takes some 250 bytes a row, and these arrays eight
more than the row itself.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

WORD = np.dtype(np.uint64)
FACTOR = 8  # times as many rows has each table as the next: ten millions lie in a few
PER_BLOCK = 1 << 16  # rows that are turned into bytes at once


class Table(NamedTuple):
    """Rows in ascending order of their first word, and that word of each.

    Attributes:
        heads: uint64 (n,), as the bytes' own order is.
        rows: uint64 (n, n_words).
    """

    heads: np.ndarray
    rows: np.ndarray


class Tables:
    """Rows of 64-bit words, the first of which are a key, that is a hash.

    Rows are added, in the place of none: of those with the same key the last counts.
    A table is never changed, only replaced by others: of several threads one may add
    while the others look.

    Args:
        n_key: How many of a row's words are its key.
        n_words: How many there are.
    """

    def __init__(self, n_key: int, n_words: int):
        self._n_key, self._n_words = n_key, n_words
        self._tables: tuple[Table, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._tables)

    def add(self, *parts: np.ndarray) -> None:
        """Add rows, uint64 (n, n_words) each."""
        if not sum(map(len, parts)):
            return
        tables = [*self._tables, _table(parts)]
        while len(tables) > 1 and len(tables[-2].rows) < FACTOR * len(tables[-1].rows):
            tables[-2:] = [_table([table.rows for table in tables[-2:]])]
        self._tables = tuple(tables)

    def keep(self, which: Callable[[np.ndarray], np.ndarray]) -> None:
        """Keep only the rows of which that is told.

        Args:
            which: Rows, uint64 (n, n_words), → bool (n,).
        """
        kept = []
        for table in self._tables:
            mask = which(table.rows)
            if mask.any():
                all_stay = mask.all()
                kept.append(table if all_stay else Table(*(a[mask] for a in table)))
        self._tables = tuple(kept)

    def matches(self, key: bytes) -> Iterator[bytes]:
        """Yield what follows a key in each row that has it, the last first."""
        if len(key) != self._n_key * WORD.itemsize:
            return
        head = WORD.type(int.from_bytes(key[:8], "big"))
        for table in reversed(self._tables):
            at = int(table.heads.searchsorted(head, "right")) - 1
            while at >= 0 and table.heads[at] == head:
                row = table.rows[at].tobytes()
                if row.startswith(key):
                    yield row[len(key) :]
                at -= 1

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look for many keys.

        Args:
            keys: uint64 (n, n_key).

        Returns:
            Which are there, bool (n,), and what follows them, uint64 (n, …), else 0.
        """
        found = np.zeros(len(keys), bool)
        values = np.zeros((len(keys), self._n_words - self._n_key), WORD)
        heads = _heads_of(keys)
        order = np.argsort(heads)  # neighbours lie in the same part of a table
        for table in reversed(self._tables):
            left = order[~found[order]]
            at = table.heads.searchsorted(heads[left], "right") - 1
            while len(left):
                begin_alike = (at >= 0) & (table.heads[at] == heads[left])
                left, at = left[begin_alike], at[begin_alike]
                rows = table.rows[at]
                is_it = (rows[:, : self._n_key] == keys[left]).all(axis=1)
                found[left[is_it]] = True
                values[left[is_it]] = rows[is_it, self._n_key :]
                left, at = left[~is_it], at[~is_it] - 1
        return found, values

    def distinct(self) -> np.ndarray:
        """Return the last row of each key, in the keys' order, uint64 (n, n_words)."""
        if not self._tables:
            return np.empty((0, self._n_words), WORD)
        heads, rows = _table([table.rows for table in self._tables])
        begin_alike = heads[1:] == heads[:-1]
        if begin_alike.any():
            keys = rows[:, : self._n_key]
            same = begin_alike & (keys[1:] == keys[:-1]).all(axis=1)
            if (same != begin_alike).any():  # hashes that somebody made begin alike
                rows = rows[np.lexsort([_heads_of(word) for word in keys.T[::-1]])]
                same = (rows[1:, : self._n_key] == rows[:-1, : self._n_key]).all(axis=1)
            rows = rows[~np.append(same, False)]
        return rows

    def keys(self) -> Iterator[bytes]:
        """Yield each key once."""
        rows, size = self.distinct(), self._n_key * WORD.itemsize
        for start in range(0, len(rows), PER_BLOCK):
            block = rows[start : start + PER_BLOCK, : self._n_key].tobytes()
            yield from (block[i : i + size] for i in range(0, len(block), size))


def as_words(data: np.ndarray) -> np.ndarray:
    """Return rows of bytes or of a record type as rows of words, uint64 (n, …)."""
    data = np.ascontiguousarray(data)
    n_words = data.itemsize * math.prod(data.shape[1:]) // WORD.itemsize
    return data.view(np.uint8).reshape(-1).view(WORD).reshape(len(data), n_words)


def _heads_of(rows: np.ndarray) -> np.ndarray:
    """Return the first words so that they are in order as their bytes are."""
    heads = np.ascontiguousarray(rows if rows.ndim == 1 else rows[:, 0])
    return heads.byteswap() if sys.byteorder == "little" else heads


def _table(parts: Sequence[np.ndarray]) -> Table:
    """Return rows as a table; those with the same first word stay in their order."""
    heads = np.concatenate([_heads_of(part) for part in parts])
    if len(parts) == 1 and (heads[1:] >= heads[:-1]).all():
        return Table(heads, parts[0])
    order = np.argsort(heads, kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    rows, start = np.empty((len(order), parts[0].shape[1]), WORD), 0
    for part in parts:  # each to its place: nothing is in memory a third time
        rows[places[start : start + len(part)]] = part
        start += len(part)
    return Table(heads[order], rows)
