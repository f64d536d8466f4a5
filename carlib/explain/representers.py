"""A model's logits as sums over the photos that it was trained on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from carlib.bottlenecks.features import Features
from carlib.data.sources import as_sources
from carlib.errors import CarlibError, DataError, OptionError
from carlib.explain.penalised import BLOCK, PenalisedLoss, Weights
from carlib.explain.views import features_of, mean_of_views, training_labels
from carlib.model.head import LinearHead
from carlib.model.model import ImageClassificationModel
from carlib.training.photo_set import PhotoSet, data_hash
from carlib.training.task import class_weights, within_unit
from carlib.training.trainer import ImageClassificationTrainer

# How far the kernel may be from the optimum's, in lengths of that: the farther, the
# less of an answer is explained.
FARTHEST = 0.25
_HINT = (
    "Train with **carlib.RECOMMENDED, or another l2 and no early stopping, and pass "
    "the photos that went into fit."
)


@dataclass(frozen=True, eq=False)
class Blamed:
    """A photo, and what each training photo gives to its answer's logit.

    Attributes:
        features: The photo's, standardised, the mean of its views, float64 (d,).
        best: The class that it is taken for.
        logit, bias: That class's.
        contributions: Each training photo's, float64 (n,). With the bias and what is
            `unexplained` they add up to the logit.
    """

    features: np.ndarray
    best: int
    logit: float
    bias: float
    contributions: np.ndarray

    @property
    def speaks_for(self) -> float:
        """The sum of the contributions above 0."""
        return float(self.contributions[self.contributions > 0].sum())

    @property
    def speaks_against(self) -> float:
        """The sum of the contributions below 0."""
        return float(self.contributions[self.contributions < 0].sum())

    @property
    def unexplained(self) -> float:
        """What the head, being off its optimum, has beside them."""
        return self.logit - self.bias - float(self.contributions.sum())

    def share(self, some: np.ndarray) -> np.ndarray:
        """Return what some training photos give, of all that speaks for the answer."""
        return self.contributions[some] / (self.speaks_for or 1.0)

    def strongest(self, n: int) -> np.ndarray:
        """Return the training photos that speak most for the answer, n at most."""
        order = np.argsort(-self.contributions, kind="stable")[:n]
        return order[self.contributions[order] > 0]


@dataclass(frozen=True, eq=False)
class Representers:
    """What a model's logits are sums of, at the optimum of its loss.

    Attributes:
        head: The model's.
        learned: The photos that it was trained on.
        loss: What it was trained by, before calibration.
        optimum: Of that loss.
        bias: The model's, at the optimum.
        temperature: What calibration divided the logits by; 1 without.
    """

    head: LinearHead
    learned: PhotoSet
    loss: PenalisedLoss
    optimum: Weights
    bias: np.ndarray
    temperature: float

    @classmethod
    def of(
        cls, model: ImageClassificationModel, train: pd.DataFrame, progress: bool
    ) -> "Representers":
        """Find the optimum that a model's head is at or near.

        Raises:
            OptionError: It isn't near, or there is no penalty.
            DataError: A label that the model doesn't know.
        """
        if not model.options.get("l2_chosen"):
            raise OptionError(
                "Expected a model that was trained with an l2 penalty: without one an "
                "answer is no sum over the training photos. Received: l2=0",
                hint=_HINT,
            )
        learned, trainer = _learned(model, train, progress)
        plain, temperature = _uncalibrated(model)
        loss = _loss(model, learned, trainer)
        optimum = _near(loss, plain)
        bias = model.head.bias + (optimum.bias - plain.bias) / temperature
        return cls(model.head, learned, loss, optimum, bias, temperature)

    def blamed(self, features: Features, rows: range) -> list[Blamed]:
        """Return what speaks for some photos' answers."""
        mean = mean_of_views(features, rows)
        logits, seen = self.head.logits(mean), (mean - self.head.mean) / self.head.scale
        best = logits.argmax(axis=1)
        pulls = self.loss.coefficients(self.optimum).T[best] / self.temperature
        given = self.loss.products(seen) * pulls
        views = given.reshape(len(seen), -1, len(self.learned)).sum(axis=1)
        return [
            Blamed(seen[row], each, logits[row, each], self.bias[each], views[row])
            for row, each in enumerate(best)
        ]

    def change_without(self, photo: Blamed, left_out: np.ndarray) -> float:
        """Foretell how the answer's logit moves without some of the training photos.

        By one of Newton's steps, from here, on the loss of the others.
        """
        count = len(self.learned)
        views = range(0, len(self.loss.rows), count)
        loss = self.loss.without(np.concatenate([left_out + view for view in views]))
        step = loss.step(self.optimum, loss.gradient(self.optimum))
        moved = photo.features @ step.kernel[:, photo.best] + step.bias[photo.best]
        return float(moved / self.temperature)


def _learned(
    model: ImageClassificationModel, train: pd.DataFrame, progress: bool
) -> tuple[PhotoSet, ImageClassificationTrainer]:
    """Return the photos that the head was trained on, of those that went into `fit`."""
    labels, names = training_labels(train), list(model.class_names)
    if unknown := sorted(set(labels) - set(names)):
        raise DataError(
            "Expected the photos that the model was trained on. Received: photos of "
            "classes that it doesn't know.",
            unknown,
        )
    numbers = np.array([names.index(label) for label in labels], np.int32)
    features = features_of(model, as_sources(train), progress)
    every = PhotoSet(features, np.arange(len(labels)), numbers, model.class_names)
    trainer = ImageClassificationTrainer.from_options(
        model.options, arch=list(model.backbones)
    )
    rest, watched = trainer.hold_out(every)
    is_rest = data_hash(rest, watched) == model.data_hash
    return (rest if is_rest else every), trainer


def _uncalibrated(model: ImageClassificationModel) -> tuple[Weights, float]:
    """Return the head as it was trained, and what calibration divided it by."""
    kernel, bias = (
        each.astype(np.float64) for each in (model.head.kernel, model.head.bias)
    )
    if model.calibration is None:
        return Weights(kernel, bias), 1.0
    temperature, shift = model.calibration.temperature, model.calibration.shift
    return Weights(kernel * temperature, (bias - shift) * temperature), temperature


def _loss(
    model: ImageClassificationModel,
    learned: PhotoSet,
    trainer: ImageClassificationTrainer,
) -> PenalisedLoss:
    """Return the loss that the head was trained by."""
    head, n_classes = model.head, len(model.class_names)
    views = range(1 + learned.features.mirrored)
    rows = np.concatenate([learned.as_they_are(bool(view)) for view in views])
    labels = np.tile(learned.labels, len(views))
    weights = class_weights(trainer.class_weight, learned)
    if weights is None:
        weights = np.ones(n_classes)
    smoothing = trainer.label_smoothing
    targets = np.full((len(labels), n_classes), smoothing / n_classes)
    targets[np.arange(len(labels)), labels] += 1 - smoothing
    rows = ((rows - head.mean) / head.scale).astype(np.float32, copy=False)
    l2, share = model.options["l2_chosen"], trainer.within_class
    of_class = (rows[labels == label] for label in range(n_classes))
    centres = np.stack([some.mean(axis=0, dtype=np.float64) for some in of_class])
    return PenalisedLoss(
        rows=rows,
        targets=targets,
        weights=weights[labels].astype(np.float64),
        n_rows=len(labels),
        l2=l2 * (1 - share),
        within=l2 * share and l2 * share / _unit(rows, centres[labels]),
        classes=labels,
        centres=centres,
    )


def _unit(rows: np.ndarray, centres: np.ndarray) -> float:
    starts = range(0, len(rows), BLOCK)
    blocks = (rows[i : i + BLOCK] - centres[i : i + BLOCK] for i in starts)
    return within_unit(sum(np.vdot(block, block) for block in blocks), rows.shape)


def _near(loss: PenalisedLoss, plain: Weights) -> Weights:
    """Return the optimum that a head is near.

    Raises:
        OptionError: It isn't near one.
    """
    try:
        optimum = loss.optimum(plain)
    except CarlibError as error:
        raise OptionError(
            f"Nobody can be blamed. {error.message}", hint=_HINT
        ) from error
    off = np.linalg.norm(optimum.kernel - plain.kernel)
    off /= max(np.linalg.norm(optimum.kernel), np.finfo(float).tiny)
    if off > FARTHEST:
        raise OptionError(
            "Expected a head at the optimum of its loss on these photos. Received: one "
            f"that is {off:.0%} of its length away from it.",
            hint=_HINT,
        )
    return optimum
