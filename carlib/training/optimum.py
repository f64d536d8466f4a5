"""A head's optimum, found directly: no mini-batches, no learning rate, no seed.

The loss is convex, and with an l2 penalty has one optimum. L-BFGS (Liu and Nocedal,
Mathematical Programming 45, 1989; scipy's L-BFGS-B) goes there by the gradient over all
rows, in float64. The loss is much more curved along the features' main axes than
elsewhere; with those scaled down it takes a third of the steps.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from carlib.model.head import LinearHead
from carlib.training import keras_head
from carlib.training.keras_head import blocks
from carlib.training.task import Task, within_unit

# Length of the gradient, in that of the start's: on the workshop's photos logits are
# then within 1e-6 of the optimum's. Beyond the second a double can't tell any more.
CLOSE, CLOSE_ENOUGH = 1e-9, 1e-8
FLAT = 1e-6  # a start with a shorter gradient may well be the optimum
ROUGH = 1e-5  # logits within 0.01, for heads that are only judged
AXES, SAMPLE = 50, 2048  # main axes, and the rows that they are found on
AT_ONCE = 512  # rows of a large set: their features stay in a processor's cache
CURVED = 0.03  # of cross-entropy, per variance of a feature; measured
REMEMBERED = 10  # steps that L-BFGS goes by

Hear = Callable[[int, Mapping[str, float], LinearHead], Any]


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the search ended.

    Attributes:
        linear: The head.
        last: The last iteration, from 0.
        converged: Whether it's the optimum.
    """

    linear: LinearHead
    last: int
    converged: bool


def find_optimum(task: Task, most: int, hear: Hear, close: float = CLOSE) -> Optimum:
    """Make the loss as small as it can be.

    The same task gives the same head, in whatever order its rows are but for rounding.

    Args:
        task: What to learn. Of a memory map only some rows are in memory at once.
        most: Iterations, at most.
        hear: Is called after each with its number, accuracy and loss (the plain one: no
            class weight, smoothing or penalty in it) over the rows, and the head; what
            counts as true ends the search.
        close: The length of the gradient to reach, in that of the start's.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):  # see choose_l2
        search = _Search(_Loss(task), hear, close)
        start = np.zeros((task.rows.shape[1] + 1) * task.n_classes)
        options = {"maxiter": most, "maxfun": 100 * most, "maxcor": REMEMBERED}
        found = minimize(
            search,
            start,
            jac=True,
            method="L-BFGS-B",
            callback=search.note,
            options=options | {"gtol": 0, "ftol": 0},
        )
        search.at_least_once(found.x)
    return Optimum(search.head(found.x), search.last, search.is_near(CLOSE_ENOUGH))


class _Loss:
    """A task's loss and its gradient, at any weights."""

    def __init__(self, task: Task):
        self.task, self.n_features = task, task.rows.shape[1]
        empty = np.zeros(self.n_features, np.float32)
        self.mean = empty if task.mean is None else task.mean
        self.scale = empty + 1 if task.scale is None else task.scale
        self.factors = np.ones(task.n_classes)
        if task.class_weight is not None:
            self.factors = task.class_weight.astype(np.float64)

    def standard(self, rows: slice) -> np.ndarray:
        """Return some rows, standardised, float64."""
        return (self.task.rows[rows].astype(np.float64) - self.mean) / self.scale

    @cached_property
    def _kept(self) -> list[np.ndarray]:
        return [self.standard(rows) for rows in blocks(self.task.rows)]

    @property
    def _few(self) -> bool:
        return self.task.rows.nbytes <= keras_head.IN_MEMORY

    def _blocks(self, large: Callable) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and labels: standardised ones, of many what `large` returns."""
        if self._few:
            for block, some in zip(self._kept, blocks(self.task.rows), strict=True):
                yield block, self.task.labels[some]
            return
        for start in range(0, len(self.task.rows), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            yield large(some), self.task.labels[some]

    def _plain(self, rows: slice) -> np.ndarray:
        """Return some rows as they are, float64."""
        return self.task.rows[rows].astype(np.float64)

    def _inner(self, kernel: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the kernel for plain rows, and what to take off their logits.

        Of a large set it's much less to standardise the kernel than all rows each time.
        """
        if self._few:
            return kernel, 0.0
        inner = kernel / self.scale[:, np.newaxis]
        return inner, self.mean @ inner

    def _outer(self, gradient: np.ndarray, pulls: np.ndarray) -> np.ndarray:
        """Return the gradient by the kernel of that by `_inner`'s."""
        if self._few:
            return gradient
        return (gradient - np.outer(self.mean, pulls)) / self.scale[:, np.newaxis]

    def at(
        self, kernel: np.ndarray, bias: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray, dict[str, float]]:
        """Return the loss, its gradient by kernel and by bias, and the figures."""
        from scipy.special import log_softmax

        n_rows, l2 = len(self.task.labels), self.task.l2
        value, by_kernel, by_bias = 0.0, np.zeros_like(kernel), np.zeros_like(bias)
        hits, plain = 0, 0.0
        within, centres = self.within, self.centres @ kernel
        inner, moved = self._inner(kernel)
        total = np.zeros_like(bias)
        for block, labels in self._blocks(self._plain):
            logits = block @ inner - moved
            logs = log_softmax(logits + bias, axis=1)
            rows = np.arange(len(labels))
            targets, weights = self._targets(labels), self.factors[labels]
            value -= weights @ (targets * logs).sum(axis=1)
            pulls = weights[:, np.newaxis] * (np.exp(logs) - targets) / n_rows
            by_bias += pulls.sum(axis=0)
            if within:
                off = logits - centres[labels]
                value += within * np.vdot(off, off)
                pulls += 2 * within / n_rows * off
            total += pulls.sum(axis=0)
            by_kernel += block.T @ pulls
            hits += int((logs.argmax(axis=1) == labels).sum())
            plain -= float(logs[rows, labels].sum())
        by_kernel = self._outer(by_kernel, total)
        l2 = l2 * (1 - self.task.within_class)
        value = value / n_rows + l2 * np.vdot(kernel, kernel)
        figures = {"accuracy": hits / n_rows, "loss": plain / n_rows}
        return value, by_kernel + 2 * l2 * kernel, by_bias, figures

    @cached_property
    def centres(self) -> np.ndarray:
        """The mean of each class's rows, (n_classes, d)."""
        sums = np.zeros((self.task.n_classes, self.n_features))
        for block, labels in (
            self._blocks(self.standard) if self.task.within_class else ()
        ):
            sums += self._of_class(labels).T @ block
        counts = np.bincount(self.task.labels, minlength=len(sums))
        return sums / np.maximum(counts, 1)[:, np.newaxis]

    @cached_property
    def within(self) -> float:
        """What the logits' spread within the classes is multiplied by."""
        if not self.task.within_class:
            return 0.0
        n_rows = len(self.task.labels)
        spread = sum(
            ((block - self.centres[labels]) ** 2).sum()
            for block, labels in self._blocks(self.standard)
        )
        unit = within_unit(spread, (n_rows, self.n_features))
        return self.task.l2 * self.task.within_class / unit

    def _of_class(self, labels: np.ndarray) -> np.ndarray:
        return np.eye(self.task.n_classes)[labels]

    def _targets(self, labels: np.ndarray) -> np.ndarray:
        smoothing, n_classes = self.task.label_smoothing, self.task.n_classes
        return smoothing / n_classes + (1 - smoothing) * self._of_class(labels)


class _Search:
    """The loss as scipy goes over it, and what is known of where it is.

    Attributes:
        last: The number of the last iteration; -1 before the first.
    """

    def __init__(self, loss: _Loss, hear: Hear, close: float):
        self._loss, self._hear, self._close = loss, hear, close
        self._axes, self._stretch, self._rest = _main_axes(loss)
        self._first, self._size, self._figures = None, np.inf, {}
        self._weights: tuple[np.ndarray, np.ndarray] = ()
        self.last = -1

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        self._weights = self._unscaled(flat)
        value, by_kernel, by_bias, self._figures = self._loss.at(*self._weights)
        self._size = np.sqrt(np.vdot(by_kernel, by_kernel) + by_bias @ by_bias)
        self._first = self._size if self._first is None else self._first
        scaled = self._scaled(by_kernel).ravel(), by_bias / np.sqrt(CURVED)
        return value, np.concatenate(scaled)

    def note(self, intermediate_result: Any) -> None:
        """Take up an iteration: scipy was there last."""
        self.last += 1
        stop = self._hear(self.last, self._figures, self._head(*self._weights))
        self._reached = self._size
        if stop or self.is_near(self._close):
            raise StopIteration

    def at_least_once(self, flat: np.ndarray) -> None:
        """Tell of the start where there was no way down from there."""
        if self.last < 0:
            self(flat)
            self.last, self._reached = 0, self._size
            self._hear(0, self._figures, self.head(flat))

    def is_near(self, close: float) -> bool:
        """Tell whether the gradient is as short as that, at the last iteration."""
        return bool(self._reached <= close * max(self._first, FLAT))

    def head(self, flat: np.ndarray) -> LinearHead:
        """Return the head that scipy's numbers stand for."""
        return self._head(*self._unscaled(flat))

    def _head(self, kernel: np.ndarray, bias: np.ndarray) -> LinearHead:
        weights = kernel.astype(np.float32), bias.astype(np.float32)
        return LinearHead(*weights, self._loss.mean, self._loss.scale)

    def _unscaled(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = flat.reshape(-1, self._loss.task.n_classes)
        return self._scaled(rows[:-1]), rows[-1] / np.sqrt(CURVED)

    def _scaled(self, kernel: np.ndarray) -> np.ndarray:
        along = self._stretch[:, np.newaxis] * (self._axes @ kernel)
        return self._rest * kernel + self._axes.T @ along


def _main_axes(loss: _Loss) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the features' main axes (k, d), and the lengths of a step.

    Along each axis it's rest + stretch, elsewhere rest: the root of 1 / curvature.
    """
    from sklearn.utils.extmath import randomized_svd

    n_rows = len(loss.task.rows)
    some = loss.standard(slice(None, None, -(-n_rows // SAMPLE)))
    count = min(AXES, *some.shape)
    _, spread, axes = randomized_svd(some, count, n_iter=2, random_state=0)
    variance = spread**2 / len(some)
    penalty = loss.task.l2 * (1 - loss.task.within_class) + loss.within * variance
    curved = CURVED * variance + 2 * penalty
    lengths = 1 / np.sqrt(np.maximum(curved, 1e-4 * curved[0] or 1.0))
    return axes, lengths - lengths[-1], float(lengths[-1])
