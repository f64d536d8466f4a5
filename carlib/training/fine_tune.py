"""Train a backbone's last block on your photos, too, and not only the head on it.

What lies below is computed once (see `CutBackbone`). First comes a head on the features
as they are; then both are trained together, with small steps: a head that knows nothing
would spoil the features first (Kumar et al., ICLR 2022). At the end a head is found
anew on the new features, by the model's own options.

The features of photos that a backbone was tuned on are too good: nothing that is found
on them holds for others. So a tenth of the photos is held out from all of it, and
nothing is chosen by it: there the head is calibrated, and found what isn't sure.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from carlib import interrupts
from carlib.backbones.backbone import Backbone
from carlib.backbones.cut import CutBackbone
from carlib.backbones.joined import TUNED, about_weights
from carlib.bottlenecks.extract import extract
from carlib.data.contents import held_out
from carlib.data.sources import as_sources
from carlib.data.table import about
from carlib.errors import DataError, OptionError
from carlib.messages import bar
from carlib.model.model import ImageClassificationModel
from carlib.training import loop
from carlib.training.folds import distinct_photos
from carlib.training.held_out import HeldOut
from carlib.training.loop import TrainedHead, about_optimum, confidence_of, too_few
from carlib.training.photo_set import PhotoSet, about_skipped, class_names, trained_on
from carlib.training.progress import EpochMetrics, Reporter
from carlib.training.task import class_weights
from carlib.training.trainer import ImageClassificationTrainer
from carlib.training.upper import Tuning, train_upper

SHARE = 0.1  # of the photos that is held out


@interrupts.insisted()
def fine_tune(
    model: ImageClassificationModel,
    photos: pd.DataFrame,
    layers: int = 4,
    epochs: int = 5,
    *,
    learning_rate: float = 1e-4,
    batch_size: int = 32,
    seed: int = 1,
    workspace_path: str | os.PathLike | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    metrics_callback: Callable[[EpochMetrics], object] | None = None,
) -> ImageClassificationModel:
    """Train the last convolutions of a model's backbones on photos, and a new head.

    What comes is a model like any, with backbones that have weights, and so a
    fingerprint, of their own; the one given isn't changed. Normalisations keep the
    statistics that they came with. After Ctrl-C the maps that were computed are kept.

    Does it help? Cross-validated on 1,210 photos of damaged cars (5 folds, 2 seeds,
    each photo named by a model that was tuned without it and its copies), a head by
    `RECOMMENDED` on EfficientNetLite0 names 0.824 right, and tuned as well 0.829: the
    difference, 95 % between -0.005 and 0.016, may be luck. The macro-accuracy goes from
    0.781 to 0.790 (-0.004 to 0.023), and the log-loss from 0.551 to 0.530, which is no
    luck (-0.033 to -0.008). `benchmarks/fine_tuning.py` judges it on photos of yours.
    The features of several layers do more for nothing: EfficientNetLite0-layers has a
    log-loss of 0.509 (one seed), which tuning doesn't lower. So try those first, and
    judge on photos that it never saw: cross-validated, those that a backbone was tuned
    on look far too good.

    Args:
        model: One of carlib's own backbones, or several, and not in int8.
        photos: Columns image_path and damage_class; the model's own classes. Mostly
            those that it was trained on.
        layers: How many convolutions of each backbone to train, at least: it's cut
            between blocks. 4 are EfficientNetLite0's last block and the one after it.
        epochs: Passes over the photos.
        learning_rate: Of Adam's first step; it falls to 0 as a cosine does.
        batch_size: Photos a step.
        seed: Draws their order, and which are held out.
        workspace_path: Where maps and features are kept; None: the model's own.
        on_error: As of `ImageClassificationTrainer`.
        metrics_callback: Is called with fresh `EpochMetrics` after each epoch.

    Returns:
        A model whose calibration and confidence come from the photos held out, and
        whose notes say how it was made; it has no metrics yet.

    Raises:
        OptionError: Options out of their range; a backbone that can't be cut, or was
            tuned before: photos that are held out now may have been learned then.
        DataError: Photos of other classes than the model's, or too few to hold some
            out.
        ImageError: Photos that can't be read.

    Example:
        >>> model = carlib.ImageClassificationTrainer(
        ...     arch="EfficientNetLite0", **carlib.RECOMMENDED).fit(train)
        >>> tuned = carlib.fine_tune(model, train, layers=1, epochs=1)
        >>> carlib.evaluate(tuned.predict(test)).micro_accuracy
    """
    tuning = Tuning(layers, epochs, learning_rate, batch_size, seed)
    _check_classes(model, photos)
    cuts = _cuts(model, layers)
    trainer = _trainer_of(model, workspace_path, on_error)
    before = _Divided.of(trainer, photos, model.class_names, seed)
    start = before.head()
    maps = before.seen_by(cuts, photos).learned
    history = _trained(cuts, start, maps, trainer, tuning, metrics_callback)
    backbones = [cut.whole(_name_of(cut)) for cut in cuts]
    after = before.by(backbones, start.l2, photos)
    return _model_of(model, photos, (start, after.head()), after, history)


@dataclass(frozen=True, eq=False)
class _Divided:
    """Photos, as a trainer's backbones see them, of which a tenth is held out.

    Attributes:
        trainer: Whose options make heads.
        every: The photos.
        out: Which are held out, bool (n,).
        groups: The same number for copies of a photo, int (n,).
    """

    trainer: ImageClassificationTrainer
    every: PhotoSet
    out: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(
        cls,
        trainer: ImageClassificationTrainer,
        photos: pd.DataFrame,
        classes: tuple[str, ...],
        seed: int,
    ) -> "_Divided":
        """Hold a tenth of each class out, copies of a photo together."""
        every = trainer.photo_set(photos, classes=classes)
        names = [classes[label] for label in every.labels]
        pictures = every.pictures
        out = held_out([picture.hex() for picture in pictures], names, SHARE, seed)
        if not out.any():
            raise DataError(
                "Expected two different photos of a class, or more. Received: one"
            )
        return cls(trainer, every, out, distinct_photos(pictures))

    @property
    def learned(self) -> PhotoSet:
        """The photos to learn from."""
        return self.every.some(~self.out)

    @property
    def held(self) -> PhotoSet:
        """The photos held out."""
        return self.every.some(self.out)

    def seen_by(self, cuts: Sequence[CutBackbone], photos: pd.DataFrame) -> "_Divided":
        """Return the same with what flows through cuts in the place of features."""
        features = extract(
            as_sources(photos),
            cuts,
            self.trainer.workspace_path,
            augment=self.trainer.augment,
            on_error=self.trainer.on_error,
        )
        return replace(self, every=replace(self.every, features=features))

    def by(
        self, backbones: Sequence[Backbone], l2: float, photos: pd.DataFrame
    ) -> "_Divided":
        """Return the same with other backbones' features.

        Args:
            l2: To be kept: on the photos that they were tuned on, none would do best.
        """
        trainer = replace(self.trainer, arch=list(backbones), l2=l2)
        every = trainer.photo_set(photos, classes=self.every.classes)
        return replace(self, trainer=trainer, every=every)

    def head(self) -> TrainedHead:
        """Return a head for the features, calibrated on the photos held out."""
        options = replace(self.trainer, calibrate=None, refuse=None)
        watched = self.held if options.early_stopping else None
        trained = loop.train_head(options, self.learned, watched)
        logits, labels = trained.logits(self.held), self.held.labels
        unseen = HeldOut(logits, labels, self.groups[self.out])
        return trained.sure(unseen, self.trainer.calibrate)


def _cuts(model: ImageClassificationModel, layers: int) -> list[CutBackbone]:
    tuned = [b.arch for b in model.backbones if b.weights_name.startswith(TUNED)]
    if tuned:
        raise OptionError(
            "Expected backbones that weren't tuned yet. Received: one that was, "
            f"{', '.join(tuned)}",
            hint="Tune the model that it came from, such as with more epochs.",
        )
    return [CutBackbone(backbone, layers) for backbone in model.backbones]


def _check_classes(model: ImageClassificationModel, photos: pd.DataFrame) -> None:
    """Refuse photos that a head of the model's classes can't learn from."""
    odd = set(class_names(photos, None)) ^ set(model.class_names)
    if odd:
        raise DataError(
            "Expected photos of all classes that the model names, and of no others. "
            "Received: some that are only in one of the two",
            sorted(odd),
            hint="For other classes train a model first.",
        )


def _trainer_of(
    model: ImageClassificationModel,
    workspace_path: str | os.PathLike | None,
    on_error: Literal["raise", "skip"],
) -> ImageClassificationTrainer:
    """Return the trainer that made a model; it calibrates, for it has to."""
    plain = dict(model.options) | {"logs": []}
    trainer = ImageClassificationTrainer.from_options(plain, arch=list(model.backbones))
    return replace(
        trainer,
        calibrate=trainer.calibrate or "temperature",
        workspace_path=model.workspace_path
        if workspace_path is None
        else workspace_path,
        on_error=on_error,
    )


def _trained(
    cuts: Sequence[CutBackbone],
    start: TrainedHead,
    maps: PhotoSet,
    trainer: ImageClassificationTrainer,
    tuning: Tuning,
    tell: Callable[[EpochMetrics], object] | None,
) -> pd.DataFrame:
    """Train the cuts' upper parts, with a bar; return the history."""
    batches = {"Train": tuning.batches(maps.n_rows)}
    reporter = Reporter(tell or (lambda _: None), batches)
    weights = class_weights(trainer.class_weight, maps)
    with bar(tuning.epochs, "Fine-tuning", "epoch") as shown:

        def hear(epoch: int, figures: Mapping[str, float]) -> None:
            shown.update()
            reporter.note(epoch, figures)

        train_upper(cuts, start.linear, maps, weights, tuning, hear)
    return reporter.history()


def _name_of(cut: CutBackbone) -> str:
    """Return what to call weights that were tuned."""
    # As it stands, `Backbone` would take the name for random weights, and the seed.
    first = cut.weights_name.replace("random, seed", "random weights, seed")
    return f"{TUNED}{first}, last {cut.layers} convolution{'s' * (cut.layers > 1)}"


def _model_of(
    model: ImageClassificationModel,
    photos: pd.DataFrame,
    heads: tuple[TrainedHead, TrainedHead],
    after: _Divided,
    history: pd.DataFrame,
) -> ImageClassificationModel:
    """Return the model that came of it; `heads` are those before and after."""
    head, trainer, backbones = heads[1], after.trainer, after.trainer.backbones
    described = [
        each | {"weights": backbone.weights_name}
        for each, backbone in zip(model.options["backbones"], backbones, strict=True)
    ]
    options = {"backbones": described, "calibrate": trainer.calibrate}
    return replace(
        model,
        backbones=backbones,
        head=head.linear,
        history=history,
        best_epoch=int(history["epoch"].max()),
        options=model.options | options | {"l2_chosen": head.l2},
        metrics={},
        calibration=head.calibration,
        confidence=confidence_of(trainer, after.held, head),
        workspace_path=trainer.workspace_path,
        **trained_on(after.learned, after.held),
        notes=[
            *about_weights(model.backbones),
            *about(photos),
            *_about_tuning(heads, after),
            *about_skipped(after.learned, after.held),
            *about_optimum(head),
            *too_few(trainer, after.held),
        ],
    )


def _about_tuning(heads: tuple[TrainedHead, TrainedHead], after: _Divided) -> list[str]:
    """Return what a reader of figures must know of a model that was tuned."""
    names = [f"{each.arch} ({each.weights_name})" for each in after.trainer.backbones]
    before, now = (_share_right(head.held_out) for head in heads)
    return [
        f"Tuned on {len(after.learned):,} photos: {', '.join(names)}. Figures on "
        "these, cross-validated ones too, are too good.",
        f"Of {len(after.held):,} photos held out, which tell little, it names "
        f"{now:.1%} right; before it was tuned, {before:.1%}.",
    ]


def _share_right(held: HeldOut) -> float:
    return float((held.logits.argmax(axis=1) == held.labels).mean())
