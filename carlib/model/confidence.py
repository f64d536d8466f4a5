"""When a model had better say "not sure": two grounds, and sets of labels that hold.

Both grounds are found on photos that the judged head never saw. A probability is low if
answers with no more of it would be wrong too often. A photo is unlike the others if its
features point elsewhere than those of any training photo: the cosine distance to the
nearest, which told photos of cars from noise, text, icons and other pictures better
than k neighbours, standardised or Mahalanobis distances.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np

from carlib.errors import OptionError

ACCEPTED = 0.95  # share of photos like the training photos that distance lets pass
MOST_PHOTOS = 10_000  # that are kept of those it was found on
REFERENCE_BYTES = 3 << 20  # of features to compare with: 614 photos of 1,280
SAME = 0.01  # cosine distance up to which two photos are the same picture
FARTHEST = 2.0  # the largest cosine distance; of a photo that has nothing to be near to
# What is kept of each photo; columns of `Confidence.photos`.
COLUMNS = ("label", "predicted", "own", "top", "distance")
UNLIKE = "unlike the photos it was trained on"
_ROWS = 1024  # whose distances are computed at once


@dataclass(frozen=True, eq=False, repr=False)
class Confidence:
    """Know when an answer is sure: `model.confidence`, made by `fit`.

    Another rate: `model.confidence = dataclasses.replace(model.confidence,
    error_rate=0.02)`.

    Attributes:
        error_rate: The share of wrong answers among those not refused that is wanted.
        photos: What was found on the training photos, by heads that never saw them,
            float32 (n, 5): the actual class, the predicted one, the actual one's
            probability, the predicted one's, and the cosine distance to the nearest of
            the references that is no copy.
        references: Features of training photos, of length 1, float32 (m, d).

    Raises:
        OptionError: The rate is none, or there are too few photos to hold it.
    """

    error_rate: float
    photos: np.ndarray
    references: np.ndarray

    def __post_init__(self) -> None:
        check_rate("error_rate", self.error_rate, len(self.photos))

    def __repr__(self) -> str:
        return f"Confidence(error_rate={self.error_rate}, {len(self.photos):,} photos)"

    @cached_property
    def threshold(self) -> float | None:
        """The least probability that is accepted; None: no answer is sure enough.

        See `lowest_held`.
        """
        label, predicted, _, top, _ = self.photos.T
        return lowest_held(*selected(top, label != predicted), self.error_rate)

    @cached_property
    def farthest(self) -> float | None:
        """The largest distance that is accepted; None: there are too few photos.

        A new photo like these is nearer with a probability of 95 % or more.
        """
        n = len(self.photos)
        place = math.ceil(round((n + 1) * ACCEPTED, 9))
        return float(np.sort(self.photos[:, 4])[place - 1]) if place <= n else None

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the cosine distance to the nearest reference, float64 (n,).

        Args:
            features: As the backbones give them, of the photos as they are and not
                mirrored, float32 (n, d).
        """
        return nearest(unit_length(features), self.references)

    def reasons(self, scores: np.ndarray, distances: np.ndarray) -> list[str]:
        """Return why each answer isn't sure, in words; "" where it is.

        Args:
            scores: The predicted classes' probabilities, (n,).
            distances: See `distances`, (n,).
        """
        grounds = (scores, self.are_unlike(distances), self.are_unsure(scores))
        return ["; ".join(self._grounds(*each)) for each in zip(*grounds, strict=True)]

    def are_unlike(self, distances: np.ndarray) -> np.ndarray:
        """Tell of which photos the distance is too large, bool (n,)."""
        return distances > (FARTHEST if self.farthest is None else self.farthest)

    def are_unsure(self, scores: np.ndarray) -> np.ndarray:
        """Tell of which answers the probability is too low, bool (n,)."""
        return scores < (np.inf if self.threshold is None else self.threshold)

    def _grounds(self, score: float, unlike: bool, unsure: bool) -> Iterator[str]:
        if not np.isfinite(score):
            yield "not read"
        if unlike:
            yield UNLIKE
        if unsure and self.threshold is None:
            yield f"not sure: {score:.2f}, and no answer of it is sure enough"
        elif unsure:
            yield _below(score, self.threshold)

    def sets(
        self,
        probabilities: np.ndarray,
        alpha: float = 0.1,
        per_class: bool = False,
        seed: int = 1,
    ) -> np.ndarray:
        """Return for each photo a set of classes that holds the actual one.

        It does so with a probability of 1 - alpha or more, if the photos are like the
        training photos: a class is in the set unless its probability is lower than
        those of all but a share alpha of photos' actual classes (Sadinle, Lei and
        Wasserman, JASA 114, 2019). Which of equal ones is lower is drawn by lot.

        Args:
            probabilities: (n, n_classes).
            alpha: How often the actual class may be missing.
            per_class: Hold that for each class by itself, and not over all photos.
            seed: Draws the lots.

        Returns:
            bool (n, n_classes); without probabilities, none.

        Raises:
            OptionError: There are too few photos for such an alpha; it says how many
                it takes.
        """
        label, own = self.photos[:, 0].astype(int), self.photos[:, 2]
        n_classes = probabilities.shape[1]
        counts = np.bincount(label, minlength=n_classes) if per_class else [len(own)]
        check_rate("alpha", alpha, min(counts), " of each class" * per_class)
        generator = np.random.default_rng(seed)
        known = [own[label == c] if per_class else own for c in range(n_classes)]
        ranks = [_lower(k, probabilities[:, c], generator) for c, k in enumerate(known)]
        sizes = np.array([len(each) + 1 for each in known])
        likely = (np.stack(ranks, axis=1) + 1) / sizes > alpha
        return likely & np.isfinite(probabilities)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what it is made from, in the order of a model's members."""
        return self.photos, self.references

    def described(self) -> dict[str, float]:
        """Return what a model's manifest says of it."""
        photos, references = len(self.photos), len(self.references)
        rate = float(self.error_rate)
        return {"error_rate": rate, "photos": photos, "references": references}

    def fits(self, n_features: int, n_classes: int) -> bool:
        """Tell whether it can be of so many features and classes."""
        classes, shares, distance = np.split(self.photos, [2, 4], axis=1)
        return (
            self.references.shape[1] == n_features
            and bool(((classes >= 0) & (classes < n_classes)).all())
            and bool((classes == np.round(classes)).all())
            and bool(((shares >= 0) & (shares <= 1)).all())
            and bool((np.abs(distance - 1) <= 1.001).all())
            and bool((np.linalg.norm(self.references, axis=1) < 1.001).all())
        )


def make_confidence(
    probabilities: np.ndarray,
    labels: np.ndarray,
    features: np.ndarray,
    groups: np.ndarray,
    error_rate: float = 0.05,
    seed: int = 1,
) -> Confidence:
    """Find when a model is sure, from what heads said of photos they never saw.

    Args:
        probabilities: Out of fold, as the model will give them, (n, n_classes).
        labels: The actual classes, int (n,).
        features: The photos' own, not their mirror images', float32 (n, d).
        groups: The same number for copies of a photo, int (n,): none is near to itself.
        error_rate: The share of wrong answers wanted among those not refused.
        seed: Chooses the photos that are kept, where not all can be.

    Raises:
        OptionError: The rate is none, or there are too few photos to hold it.
    """
    check_rate("error_rate", error_rate, len(labels))
    generator, rows = np.random.default_rng(seed), np.arange(len(labels))
    most = max(1, REFERENCE_BYTES // (4 * features.shape[1]))
    kept, near = (_chosen(labels, n, generator) for n in (MOST_PHOTOS, most))
    predicted = probabilities.argmax(axis=1)
    columns = (
        labels,
        predicted,
        probabilities[rows, labels],
        probabilities[rows, predicted],
    )
    references = unit_length(features[near])
    distances = nearest(
        unit_length(features[kept]),
        references,
        groups[kept][:, np.newaxis] == groups[near],
    )
    photos = np.stack([*(each[kept] for each in columns), distances], axis=1)
    return Confidence(
        error_rate, photos.astype(np.float32), references.astype(np.float32)
    )


def check_rate(name: str, rate: float, n_photos: int, what: str = "") -> None:
    """Refuse a share of wrong answers that so few photos can't vouch for.

    Raises:
        OptionError: It's no share, or below 1 / (n + 1).
    """
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 < rate < 1:
        raise OptionError(f"Expected {name} between 0 and 1. Received: {rate!r}")
    least = least_photos(rate)
    if n_photos < least:
        lowest = math.ceil(1000 / (n_photos + 1)) / 1000
        raise OptionError(
            f"Expected {least:,} photos or more{what} for {name}={rate:g}. Received: "
            f"{n_photos:,}",
            hint="Add photos" + f", or choose {name}={lowest:g}." * (lowest < 1),
        )


def least_photos(rate: float) -> int:
    """Return how many photos it takes to vouch for a share of wrong answers."""
    return math.ceil(round(1 / rate, 9)) - 1


def selected(
    scores: np.ndarray, wrong: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the answers, and the wrong ones, that have a score or a higher one.

    Returns:
        The scores that differ, from high to low, and for each the two counts.
    """
    order = np.argsort(-scores, kind="stable")
    tops, counts = np.unique(-scores, return_counts=True)
    accepted = counts.cumsum()
    return -tops, accepted, wrong[order].cumsum()[accepted - 1]


def lowest_held(
    tops: np.ndarray, accepted: np.ndarray, wrong: np.ndarray, error_rate: float
) -> float | None:
    """Return the lowest score from which on no more answers are wrong, if there is one.

    One more is counted as wrong than were: the cautious count of conformal selection
    (Jin and Candès, JMLR 24, 2023). So the rate is held on average over such sets of
    photos; a bound that just fits these would let too many wrong answers pass among
    others, the fewer the photos the more.

    Args:
        tops, accepted, wrong: See `selected`.
    """
    held = (wrong + 1) / (accepted + 1) <= error_rate
    return float(tops[held].min()) if held.any() else None


def unit_length(features: np.ndarray) -> np.ndarray:
    """Return features scaled to length 1, float64 (n, d); those of all 0 stay so."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


def nearest(
    unit: np.ndarray, references: np.ndarray, left_out: np.ndarray | None = None
) -> np.ndarray:
    """Return the cosine distance from each row to the nearest reference, (n,).

    Args:
        unit: Of length 1, (n, d); a row with NaN has the distance NaN.
        references: Of length 1, (m, d).
        left_out: Which references a row is not compared with, bool (n, m).
    """
    found, columns = np.empty(len(unit)), references.T.astype(np.float64)
    for start in range(0, len(unit), _ROWS):
        block = slice(start, start + _ROWS)
        cosine = unit[block] @ columns
        if left_out is not None:
            cosine[left_out[block]] = 1 - FARTHEST
        found[block] = 1 - cosine.max(axis=1)
    return found.clip(0, FARTHEST)


def _chosen(
    labels: np.ndarray, most: int, generator: np.random.Generator
) -> np.ndarray:
    """Choose rows by lot, as many of each class as can be; return them sorted."""
    order = generator.permutation(len(labels))
    turn = np.zeros(len(labels), int)
    for label in np.unique(labels):
        own = labels[order] == label
        turn[own] = np.arange(own.sum())
    return np.sort(order[np.argsort(turn, kind="stable")[:most]])


def _lower(
    known: np.ndarray, values: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Count which of the known are lower than each value; of equal ones, by lot."""
    known, values = np.sort(known), values.astype(known.dtype)
    below = np.searchsorted(known, values, "left")
    equal = np.searchsorted(known, values, "right") - below
    return below + generator.integers(0, equal + 1)


def _below(score: float, threshold: float) -> str:
    """Say that a score is below a threshold, in as few digits as tell them apart."""
    texts = [(f"{score:.{n}f}", f"{threshold:.{n}f}") for n in (2, 3, 4, 9)]
    told = next((pair for pair in texts if pair[0] != pair[1]), texts[-1])
    return f"not sure: {told[0]}, below {told[1]}"
