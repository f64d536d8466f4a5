"""Rows of features that are read when they are asked for: an array to look at."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of an array, as float32, of which only those asked for are in memory.

    So the array may be a memory map that is larger than memory, of any precision. It
    has what an array has that is gone through in blocks: `len`, `shape`, `nbytes`, and
    rows by a slice or by their positions.

    Attributes:
        array: Finite floats, (n, d), an array, a memory map, or rows themselves.
        places: Which of its rows, and in which order, int (m,).
        change: What is done to a block, float32 (b, d), on its way; None: nothing.
    """

    array: "np.ndarray | Rows"
    places: np.ndarray
    change: Change | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows, and features in each."""
        return len(self.places), self.array.shape[1]

    @property
    def nbytes(self) -> int:
        """What they would take in memory."""
        return 4 * self.shape[0] * self.shape[1]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        block = self.array[self.places[rows]]
        block = widened(block) if block.dtype == np.float16 else block
        block = np.asarray(block, np.float32)
        return block if self.change is None else self.change(block)

    def changed(self, change: Change) -> "Rows":
        """Return the same rows, with something done to each block on its way."""
        return Rows(self, np.arange(len(self)), change)

    def as_they_lie(self) -> np.ndarray:
        """Return the order in which they are read fastest, positions (m,)."""
        return np.argsort(self.places, kind="stable")


def rows_of(values: np.ndarray | Rows) -> Rows:
    """Return all rows of an array, to be read when they are asked for."""
    return values if isinstance(values, Rows) else Rows(values, np.arange(len(values)))


def widened(halves: np.ndarray) -> np.ndarray:
    """Return finite float16 as float32: NumPy's own way takes six times as long.

    The bits are moved to where float32 has them, and the exponent, which counts from
    another number there, put right by a product.
    """
    bits = np.asarray(halves).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= ~0x70000000  # the sign was copied to where the exponent is
    values = bits.view(np.float32)
    values *= np.float32(2.0**112)
    return values
