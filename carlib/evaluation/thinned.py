"""Heads trained on fewer and fewer of the photos, and which photos they name right."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from carlib.evaluation.power_law import DRAWS
from carlib.training.folds import fold_numbers
from carlib.training.optimum import find_optimum
from carlib.training.options import TrainingOptions
from carlib.training.task import Task, class_weights, statistics

# From many to few, beside all of them.
SHARES = (3 / 4, 1 / 2, 1 / 4, 1 / 8)
SHARES_OF_CLASS = (1 / 2, 1 / 4)
# Length of the gradient at a head, in that of the start's: of a hundred answers none
# differs from the optimum's, in half the time.
CLOSE, MOST = 1e-3, 200


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos to learn from, a row each, and how.

    Attributes:
        features: float32 (n, d); labels: int32 (n,), positions in `classes`.
        distinct: A number a photo, the same for copies, (n,).
        classes: The names of the classes.
        options: How heads are trained; its l2 is a number above 0.
    """

    features: np.ndarray
    labels: np.ndarray
    distinct: np.ndarray
    classes: tuple[str, ...]
    options: TrainingOptions

    def some(self, rows: np.ndarray) -> "Photos":
        """Return some of these photos, by position or by a mask."""
        parts = ("features", "labels", "distinct")
        return dataclasses.replace(self, **{n: getattr(self, n)[rows] for n in parts})


@dataclass(frozen=True, eq=False)
class Hits:
    """Which photos were named right, by heads trained on more and more photos.

    Attributes:
        sizes: Training photos, the mean over folds and repeats, (k,).
        right: bool (k, repeats, n).
        labels, distinct: Of the photos that were named, (n,).
    """

    sizes: np.ndarray
    right: np.ndarray
    labels: np.ndarray
    distinct: np.ndarray

    def recall(self) -> np.ndarray:
        """Return the mean recall of the classes at each size, (k,)."""
        share = self.right.mean(axis=1)
        rows = [self.labels == label for label in np.unique(self.labels)]
        return np.mean([share[:, each].mean(axis=1) for each in rows], axis=0)

    def drawn(self, seed: int = 0) -> np.ndarray:
        """Return that of photos, copies together, and repeats drawn anew, (draws, k).

        The sizes of a draw are judged on the same photos, as those of the curve are.
        Each photo gets a random weight (the Bayesian bootstrap, Rubin 1981); beside
        them stand half a photo that is always named right and half a one that never is
        (Jeffreys' prior), so that of few photos, all named right, not all is known.
        """
        generator = np.random.default_rng(seed)
        n_repeats = self.right.shape[1]
        repeats = generator.multinomial(n_repeats, [1 / n_repeats] * n_repeats, DRAWS)
        recalls = [
            _means(generator, self.right[:, :, rows], self.distinct[rows], repeats)
            for rows in (self.labels == label for label in np.unique(self.labels))
        ]
        return np.mean(recalls, axis=0)


def _means(
    generator: np.random.Generator,
    right: np.ndarray,
    distinct: np.ndarray,
    repeats: np.ndarray,
) -> np.ndarray:
    """Return the share named right of one class's photos drawn anew, (draws, k)."""
    _, unit = np.unique(distinct, return_inverse=True)
    members = np.eye(unit.max() + 1)[unit]  # (n, units)
    weights = generator.standard_gamma(1, (len(repeats), members.shape[1]))
    never, always = generator.standard_gamma(0.5, (2, len(repeats), 1))
    sums = (right @ members).transpose(1, 0, 2)  # (repeats, k, units)
    hits = np.einsum("dr,rku,du->dk", repeats, sums, weights, optimize=True)
    photos = weights @ members.sum(axis=0)[:, np.newaxis]
    return (hits / right.shape[1] + always) / (photos + always + never)


def order_of(photos: Photos, generator: np.random.Generator) -> np.ndarray:
    """Return each photo's place in its class, above 0 to 1, drawn, copies together.

    Those up to a share are a subset of that share, class by class; a larger share has
    all of a smaller one.
    """
    labels, places = photos.labels, np.empty(len(photos.labels))
    _, unit = np.unique(photos.distinct, return_inverse=True)
    drawn = generator.permutation(unit.max() + 1)[unit]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        ranks = np.searchsorted(np.sort(drawn[rows]), drawn[rows])
        places[rows] = (ranks + 1) / len(rows)
    return places


def thinned(
    photos: Photos,
    classes: Sequence[int],
    folds: int,
    repeats: int,
    on_fold: Callable[[], object] = lambda: None,
) -> list[Hits]:
    """Train on fewer photos, of all classes and of each alone; name those held out.

    Each photo is named by heads that never saw it or a copy of it.

    Args:
        photos: All there are.
        classes: Which to thin alone, all other photos being kept.
        folds: Into how many parts to divide the photos, anew in each repeat.
        on_fold: Is called after each fold.

    Returns:
        That of all classes, all of them judged; then each class's, it alone judged.
    """
    curves = [_Curve(photos, only, repeats) for only in (*classes, None)]
    for repeat in range(repeats):
        fold = fold_numbers(photos.labels, photos.distinct, folds, repeat + 1)
        for number in range(1, folds + 1):
            held_out = fold == number
            pool = photos.some(~held_out)
            heads = Heads(pool, photos.features[held_out])
            places = order_of(pool, np.random.default_rng([repeat, number]))
            everything = heads.named(np.full(len(places), True))
            for curve in curves:
                taken = curve.subsets(pool, places)
                fewer = [heads.named(rows) for rows in taken]
                curve.note(repeat, held_out, taken, pool, [everything, *fewer])
            on_fold()
    return [curve.hits() for curve in (curves[-1], *curves[:-1])]


class _Curve:
    """What is being found of the photos, or of one class: from many to few."""

    def __init__(self, photos: Photos, only: int | None, repeats: int):
        self.photos, self.only = photos, only
        self.shares = SHARES if only is None else SHARES_OF_CLASS
        n_sizes = 1 + len(self.shares)
        self.right = np.zeros((n_sizes, repeats, len(photos.labels)), bool)
        self.sizes: list[np.ndarray] = []

    def _of(self, photos: Photos) -> np.ndarray:
        """Return which photos are thinned and judged, a mask (n,)."""
        whole = np.full(len(photos.labels), True)
        return whole if self.only is None else photos.labels == self.only

    def subsets(self, pool: Photos, places: np.ndarray) -> np.ndarray:
        """Return which photos each share has, bool (k - 1, n); of a class one at least.

        The order is `order_of`'s.
        """
        first = [places[pool.labels == label].min() for label in pool.labels]
        taken = [places <= np.maximum(share, first) for share in self.shares]
        return np.stack(taken) | ~self._of(pool)

    def note(
        self,
        repeat: int,
        held_out: np.ndarray,
        taken: np.ndarray,
        pool: Photos,
        named: list[np.ndarray],
    ) -> None:
        """Keep which of the photos held out each head named right."""
        thinned = self._of(pool)
        self.sizes.append([thinned.sum(), *(taken & thinned).sum(axis=1)])
        self.right[:, repeat, held_out] = named == self.photos.labels[held_out]

    def hits(self) -> Hits:
        """Return it all, from few to many."""
        rows = self._of(self.photos)
        judged = self.photos.some(rows)
        sizes, right = np.mean(self.sizes, axis=0), self.right[:, :, rows]
        return Hits(sizes[::-1], right[::-1], judged.labels, judged.distinct)


class Heads:
    """Heads trained on subsets of a pool, to judge other photos by."""

    def __init__(self, pool: Photos, features: np.ndarray):
        self.pool, self.features = pool, features

    def named(self, rows: np.ndarray) -> np.ndarray:
        """Return what a head trained on these rows calls the other photos, int (m,)."""
        return self.probabilities(rows).argmax(axis=1)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Return what it says of each class, (m, classes)."""
        found = find_optimum(self._task(self.pool.some(rows)), MOST, _deaf, CLOSE)
        return found.linear.probabilities(self.features)

    def _task(self, learned: Photos) -> Task:
        options = learned.options
        return Task(
            learned.features,
            learned.labels,
            len(learned.classes),
            *statistics(learned.features),
            options.l2,
            options.label_smoothing,
            class_weights(options.class_weight, learned),
            options.within_class,
        )


def _deaf(*_: object) -> bool:
    return False
