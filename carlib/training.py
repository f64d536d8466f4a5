"""The trainer: ML.NET's options and meaning, on cached bottlenecks."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib.backbones import Backbone, resolve_arch
from carlib.bottlenecks import extract
from carlib.data import about, stratified_split
from carlib.errors import OptionError
from carlib.exporting import freeze_model, labels_text, write_frozen_graph
from carlib.files import write_text
from carlib.head import EarlyStopping, Epoch, Head, train_head
from carlib.model import ImageClassificationModel
from carlib.phases import BottleneckMetrics, EpochMetrics
from carlib.photosets import PhotoSet, class_names, data_hash
from carlib.precisions import or_float32
from carlib.schedules import ExponentialLRDecay

__all__ = [
    "BottleneckMetrics",
    "EarlyStopping",
    "EpochMetrics",
    "ExponentialLRDecay",
    "ImageClassificationTrainer",
]


@dataclass(kw_only=True)
class ImageClassificationTrainer:
    """Train a softmax head on the features of a frozen backbone.

    Names, defaults and meaning are those of ML.NET's ImageClassificationTrainer, except
    where that has a defect:

    - The learning rate is heeded with the default schedule, too.
    - Features are kept by default, and one belongs to its photo's bytes: reusing them
      is always right, whatever changed.
    - Validation photos are taken class by class, and none when early stopping is off.
    - Early stopping starts afresh in each fit and restores the best epoch.
    - Accuracy is over photos: a small last batch weighs no more than its photos.
    - The seed fixes everything, the head's first weights included.

    Args:
        arch: One of `carlib.ARCHS`, "auto", or a `Backbone`.
        batch_size: Photos a training step; a last, smaller batch is trained on too.
        epoch: The most passes over the training photos.
        learning_rate: The first, or with no schedule the only, learning rate.
        learning_rate_scheduler: How it falls; None: it doesn't.
        early_stopping: When to stop; None: after the last epoch.
        validation_set_fraction: Share of the training photos that early stopping
            watches where `fit` is given no validation set; None: the training photos
            themselves.
        workspace_path: Where features and the final model are kept; None: nowhere.
        reuse_train_set_bottleneck_cached_values: Look for features kept before.
        reuse_validation_set_bottleneck_cached_values: The same for validation photos.
        test_on_train_set: Tell the callback, after each epoch, of the training photos.
        final_model_prefix: What the name of the final model's `.pb` begins with.
        metrics_callback: Is called with a `BottleneckMetrics` a photo and an
            `EpochMetrics` an epoch and dataset; `print` makes the workshop's lines.
        seed: The same seed and photos give the same model.

    Raises:
        OptionError: With all options that are out of their range.

    Example:
        >>> trainer = carlib.ImageClassificationTrainer(arch="auto")
        >>> model = trainer.fit(train)
    """

    arch: str | Backbone = "InceptionV3"
    batch_size: int = 10
    epoch: int = 200
    learning_rate: float = 0.01
    learning_rate_scheduler: ExponentialLRDecay | None = ExponentialLRDecay()
    early_stopping: EarlyStopping | None = EarlyStopping()
    validation_set_fraction: float | None = 0.1
    workspace_path: str | os.PathLike | None = "workspace"
    reuse_train_set_bottleneck_cached_values: bool = True
    reuse_validation_set_bottleneck_cached_values: bool = True
    test_on_train_set: bool = True
    final_model_prefix: str = "custom_retrained_model_based_on_"
    metrics_callback: Callable[[Any], None] | None = None
    seed: int = 1

    def __post_init__(self):
        problems = [*_out_of_range(self)]
        if problems:
            raise OptionError("These options are out of their range.", problems)
        if isinstance(self.arch, str):
            self.arch = resolve_arch(self.arch)

    def fit(
        self, train: pd.DataFrame, validation: pd.DataFrame | None = None
    ) -> ImageClassificationModel:
        """Train on photos: bottleneck phase, then training phase.

        Args:
            train: Photos with the columns image_path and damage_class.
            validation: Photos that early stopping watches. Don't pass those that you
                will evaluate on: the model would be chosen to please them.

        Raises:
            DataError: Fewer than two classes, or a validation class that is never
                trained.
            ImageError: Photos that can't be read, all of them at once.
        """
        backbone = self._backbone()
        train, validation = self._divide(train, validation)
        classes = class_names(train, validation)
        fitted = self._photo_set(train, "Train", classes, backbone)
        watched = self._photo_set(validation, "Validation", classes, backbone)
        head = Head(backbone.n_features, len(classes), self.seed)
        history, best_epoch = self._train(head, fitted, watched)
        model = ImageClassificationModel(
            backbone=backbone,
            class_names=classes,
            kernel=head.weights[0],
            bias=head.weights[1],
            history=history,
            best_epoch=best_epoch,
            options=self._options_of_model(),
            data_hash=data_hash(fitted, watched),
            notes=[*_about_weights(backbone), *about(train)],
            workspace_path=self.workspace_path,
        )
        self._write_final_model(model)
        return model

    def options(self) -> dict:
        """Return all options but the callback as plain values, ready for JSON."""
        backbone = self._backbone()
        plain = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("arch", "metrics_callback")
        }
        for name in ("learning_rate_scheduler", "early_stopping"):
            plain[name] = plain[name] and dataclasses.asdict(plain[name])
        plain["workspace_path"] = self.workspace_path and str(self.workspace_path)
        return {"arch": backbone.arch, **backbone.weights_options, **plain}

    def _options_of_model(self) -> dict:
        """Return the options without what belongs to this machine only."""
        options = self.options() | {"weights": self._backbone().weights_name}
        del options["workspace_path"]
        return options

    @classmethod
    def from_options(
        cls, options: dict, metrics_callback: Callable[[Any], None] | None = None
    ) -> "ImageClassificationTrainer":
        """Make the trainer again whose `options()` these are."""
        rest = dict(options)
        backbone = Backbone(
            rest.pop("arch"),
            rest.pop("weights"),
            rest.pop("weights_seed"),
            or_float32(rest.pop("precision")),
        )
        for name, kind in _PARTS.items():
            rest[name] = rest[name] and kind(**rest[name])
        return cls(arch=backbone, metrics_callback=metrics_callback, **rest)

    def _backbone(self) -> Backbone:
        if isinstance(self.arch, str):
            self.arch = Backbone(self.arch)
        return self.arch

    def _divide(
        self, train: pd.DataFrame, validation: pd.DataFrame | None
    ) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Take validation photos out of the training photos where they are needed."""
        needed = self.early_stopping and self.validation_set_fraction
        if validation is not None or not needed:
            return train, validation
        return stratified_split(train, self.validation_set_fraction, self.seed)

    def _photo_set(
        self,
        photos: pd.DataFrame | None,
        dataset: str,
        classes: tuple[str, ...],
        backbone: Backbone,
    ) -> PhotoSet | None:
        if photos is None or not len(photos):
            return None
        reuse = (
            self.reuse_train_set_bottleneck_cached_values
            if dataset == "Train"
            else self.reuse_validation_set_bottleneck_cached_values
        )

        def tell(index: int) -> None:
            self._tell(BottleneckMetrics(dataset, index))

        extraction = extract(
            photos,
            backbone,
            self.workspace_path,
            reuse=reuse,
            on_photo=self.metrics_callback and tell,
        )
        labels = photos.damage_class.map(classes.index).to_numpy(np.int32)
        return PhotoSet.in_order(extraction, labels, self.seed)

    def _train(
        self, head: Head, fitted: PhotoSet, watched: PhotoSet | None
    ) -> tuple[pd.DataFrame, int]:
        """Train the head; return the history as a table, and the best epoch."""
        lines: list[EpochMetrics] = []

        def on_epoch(epoch: Epoch) -> None:
            for metrics in self._epoch_metrics(epoch, fitted, watched):
                lines.append(metrics)
                self._tell(metrics)

        best_epoch = train_head(
            head,
            fitted.pair,
            watched and watched.pair,
            batch_size=self.batch_size,
            epochs=self.epoch,
            rate=self._rate,
            early_stopping=self.early_stopping,
            on_epoch=on_epoch,
        )
        return pd.DataFrame(map(dataclasses.asdict, lines)), best_epoch

    def _epoch_metrics(
        self, epoch: Epoch, fitted: PhotoSet, watched: PhotoSet | None
    ) -> list[EpochMetrics]:
        sets = [("Train", fitted, epoch.train)] if self.test_on_train_set else []
        if epoch.validation:
            sets.append(("Validation", watched, epoch.validation))
        return [
            EpochMetrics(
                dataset=dataset,
                batch_processed_count=-(-len(photos.labels) // self.batch_size),
                epoch=epoch.number,
                accuracy=scores.accuracy,
                cross_entropy=scores.cross_entropy,
                learning_rate=epoch.learning_rate if dataset == "Train" else None,
            )
            for dataset, photos, scores in sets
        ]

    def _rate(self, epoch: int, batch: int, batches_per_epoch: int) -> float:
        if self.learning_rate_scheduler is None:
            return self.learning_rate
        return self.learning_rate_scheduler.rate(
            epoch, batch, batches_per_epoch, self.learning_rate
        )

    def _tell(self, metrics: BottleneckMetrics | EpochMetrics) -> None:
        if self.metrics_callback:
            self.metrics_callback(metrics)

    def _write_final_model(self, model: ImageClassificationModel) -> None:
        if self.workspace_path is None:
            return
        name = f"{self.final_model_prefix}{model.backbone.architecture.slug}"
        workspace = Path(self.workspace_path)
        write_frozen_graph(freeze_model(model), workspace / f"{name}.pb")
        write_text(workspace / f"{name}.labels.txt", labels_text(model))


_PARTS = {
    "learning_rate_scheduler": ExponentialLRDecay,
    "early_stopping": EarlyStopping,
}


def _out_of_range(trainer: ImageClassificationTrainer) -> Iterator[str]:
    """Yield a line for each option that is out of its range."""
    for name in ("batch_size", "epoch"):
        value = getattr(trainer, name)
        if not isinstance(value, Integral) or value < 1:
            yield f"{name} must be a whole number of 1 or more. Received: {value!r}"
    rate = trainer.learning_rate
    if not isinstance(rate, Real) or not 0 < rate < float("inf"):
        yield f"learning_rate must be a positive number. Received: {rate!r}"
    share = trainer.validation_set_fraction
    if share is not None and not (isinstance(share, Real) and 0 < share < 1):
        yield (
            "validation_set_fraction must be between 0 and 1, or None. "
            f"Received: {share!r}"
        )
    for name, kind in _PARTS.items():
        value = getattr(trainer, name)
        if value is not None and not isinstance(value, kind):
            yield f"{name} must be a {kind.__name__} or None. Received: {value!r}"


def _about_weights(backbone: Backbone) -> list[str]:
    if backbone.weights is None:
        return ["The backbone's weights are random: it has never seen a photo."]
    return []
