"""A head's loss with a penalty: its optimum, and a step towards it."""

from dataclasses import dataclass, replace

import numpy as np

from carlib.errors import CarlibError
from carlib.model.head import softmax

BLOCK = 1024  # rows that are in float64 at once
MOST_STEPS = 20
CLOSE = 1e-2  # what is left of a step's residual when it's close enough
MOST_PRODUCTS = 200  # with the curvature, a step
INVERTED = 1e-10  # what is left of a column where the penalty's inverse is close enough
EXACT = 2e-6  # how far the sum over the photos may be from a logit


@dataclass(frozen=True, eq=False)
class Weights:
    """A head's numbers, float64: kernel (d, n_classes) and bias (n_classes,)."""

    kernel: np.ndarray
    bias: np.ndarray

    def plus(self, factor: float, other: "Weights") -> "Weights":
        """Return this and so many times another."""
        kernel = self.kernel + factor * other.kernel
        return Weights(kernel, self.bias + factor * other.bias)

    def dot(self, other: "Weights") -> float:
        """Return the product with another, number by number, summed."""
        return float(np.vdot(self.kernel, other.kernel) + self.bias @ other.bias)


@dataclass(frozen=True, eq=False)
class PenalisedLoss:
    """The mean of weight × cross-entropy over rows, plus a penalty on the kernel.

    That is l2 · |kernel|², and `within` times how far, squared and in the mean over the
    rows, their logits lie from those of their class's centre (see `training.task`).

    Attributes:
        rows: Standardised features, float32 (n, d).
        targets: What the probabilities should be, float64 (n, n_classes).
        weights: What each row's loss is multiplied by, float64 (n,).
        n_rows: How many rows the mean is over.
        l2: What |kernel|² is multiplied by, above 0.
        within: What the spread within the classes is multiplied by.
        classes: Each row's class, int (n,).
        centres: The mean of each class's rows, float64 (n_classes, d).
    """

    rows: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    n_rows: int
    l2: float
    within: float
    classes: np.ndarray
    centres: np.ndarray

    def without(self, rows: np.ndarray) -> "PenalisedLoss":
        """Return the loss without some rows, but with the same penalty."""
        weights = self.weights.copy()
        weights[rows] = 0
        return replace(self, weights=weights, n_rows=self.n_rows - len(rows))

    def logits(self, at: Weights) -> np.ndarray:
        """Return the rows' logits, float64 (n, n_classes)."""
        parts = [part.astype(np.float64) @ at.kernel for part in self._blocks()]
        return np.concatenate(parts) + at.bias

    def products(self, features: np.ndarray) -> np.ndarray:
        """Return how alike each photo's features and each row are, float64 (m, n).

        That is their product by the inverse of what the penalty measures a kernel by.
        """
        alike = self._unpenalised(features.T).T
        parts = [alike @ part.T.astype(np.float64) for part in self._blocks()]
        return np.concatenate(parts, axis=1)

    def coefficients(self, at: Weights) -> np.ndarray:
        """Return by how much each row pulls at the kernel, float64 (n, n_classes).

        At the optimum penalty · kernel is rowsᵀ · coefficients: there the gradient, the
        mean of weight × (probability - target) × row plus 2 · penalty · kernel, is 0.
        """
        return self._residuals(softmax(self.logits(at))) / (-2 * self.n_rows)

    def gradient(self, at: Weights) -> Weights:
        """Return the gradient, of which each block of rows is summed in float64."""
        pulls = self.coefficients(at)
        kernel, start = np.zeros_like(at.kernel), 0
        for part in self._blocks():
            rows = slice(start, start := start + len(part))
            kernel += part.T.astype(np.float64) @ pulls[rows]
        bias = -2 * pulls.sum(axis=0)
        return Weights(2 * (self._penalised(at.kernel) - kernel), bias)

    def step(self, at: Weights, gradient: Weights) -> Weights:
        """Return Newton's step, by conjugate gradients on the curvature."""
        probabilities = softmax(self.logits(at))
        rest = Weights(-gradient.kernel, -gradient.bias)
        made = Weights(np.zeros_like(at.kernel), np.zeros_like(at.bias))
        way, size = rest, rest.dot(rest)
        goal = CLOSE**2 * size
        for _ in range(MOST_PRODUCTS):
            if size <= goal:
                break
            curved = self._curvature(probabilities, way)
            length = size / way.dot(curved)
            made, rest = made.plus(length, way), rest.plus(-length, curved)
            before, size = size, rest.dot(rest)
            way = rest.plus(size / before, way)
        return made

    def optimum(self, at: Weights) -> Weights:
        """Return the optimum near a head, by Newton's steps.

        Raises:
            CarlibError: There is none near.
        """
        # A row of d standardised features is about √d long.
        goal = EXACT * 2 * self.l2 / np.sqrt(len(at.kernel))
        before = np.inf
        for _ in range(MOST_STEPS):
            gradient = self.gradient(at)
            left = np.sqrt(gradient.dot(gradient))
            if left <= goal:
                return at
            if not left < 2 * before:
                break
            before, at = left, at.plus(1, self.step(at, gradient))
        raise CarlibError("The head is not near an optimum of its loss.")

    def _residuals(self, probabilities: np.ndarray) -> np.ndarray:
        return self.weights[:, np.newaxis] * (probabilities - self.targets)

    def _curvature(self, probabilities: np.ndarray, way: Weights) -> Weights:
        """Return the second derivative times a direction; single precision will do."""
        turned = self.rows @ way.kernel.astype(np.float32) + way.bias
        mean = (probabilities * turned).sum(axis=1, keepdims=True)
        moved = self.weights[:, np.newaxis] * probabilities * (turned - mean)
        moved /= self.n_rows
        kernel = self.rows.T @ moved.astype(np.float32)
        return Weights(kernel + 2 * self._penalised(way.kernel), moved.sum(axis=0))

    def _penalised(self, kernel: np.ndarray) -> np.ndarray:
        """Return the penalty, a matrix (d, d), times some columns (d, k)."""
        made = self.l2 * kernel
        if self.within:
            centres, start = self.centres @ kernel, 0
            for part in self._blocks():
                rows, part = (
                    slice(start, start := start + len(part)),
                    part.astype(float),
                )
                off = part @ kernel - centres[self.classes[rows]]
                made = made + self.within / len(self.rows) * (part.T @ off)
        return made

    def _unpenalised(self, columns: np.ndarray) -> np.ndarray:
        """Return the penalty's inverse times some columns, by conjugate gradients."""
        made = columns / self.l2
        if not self.within:
            return made
        rest = columns - self._penalised(made)
        way, size = rest, (rest**2).sum(axis=0)
        goal = (INVERTED**2 * (columns**2).sum(axis=0)).clip(np.finfo(float).tiny)
        for _ in range(MOST_PRODUCTS):
            if (size <= goal).all():
                break
            turned = self._penalised(way)
            length = size / np.maximum((way * turned).sum(axis=0), np.finfo(float).tiny)
            made, rest = made + length * way, rest - length * turned
            before, size = size, (rest**2).sum(axis=0)
            way = rest + size / np.maximum(before, np.finfo(float).tiny) * way
        return made

    def _blocks(self) -> list[np.ndarray]:
        starts = range(0, len(self.rows), BLOCK)
        return [self.rows[start : start + BLOCK] for start in starts]
