"""The trainer: ML.NET's options and meaning, on cached bottlenecks."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from carlib.backbones.backbone import Backbone, resolve_arch
from carlib.bottlenecks.features import gather
from carlib.data.table import about
from carlib.errors import CarlibError, OptionError
from carlib.files import write_text
from carlib.model.export import labels_text, write_kept_graph
from carlib.model.model import ImageClassificationModel
from carlib.training import options
from carlib.training.early_stopping import EarlyStopping
from carlib.training.loop import TrainedHead, train_on
from carlib.training.photo_set import PhotoSet, class_names, data_hash
from carlib.training.progress import BottleneckMetrics, EpochMetrics
from carlib.training.schedules import (
    ExponentialLRDecay,
    LearningRateScheduler,
)

# Cross-validated best, of what was tried, on the workshop's photos (see the README):
# long enough, with steps small enough, to come close to the optimum of the penalised
# loss, on all photos.
RECOMMENDED = MappingProxyType(
    {
        "augment": "flip",
        "l2": "auto",
        "class_weight": "balanced",
        "optimizer": "adam",
        "learning_rate": 0.003,
        "batch_size": 32,
        "early_stopping": None,
        "epoch": 100,
    }
)


@dataclass(kw_only=True)
class ImageClassificationTrainer:
    """Train a softmax head on the features of a frozen backbone, or of several.

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
        arch: One of `carlib.ARCHS`, "auto", or a `Backbone`; or a list of them, whose
            features are joined.
        batch_size: Photos a training step; a last, smaller batch is trained on too.
        epoch: The most passes over the training photos.
        learning_rate: The first, or with no schedule the only, learning rate.
        learning_rate_scheduler: How it changes: one of carlib's schedules or of Keras's
            (which counts the optimizer's steps); None: it doesn't.
        early_stopping: When to stop; None: after the last epoch.
        validation_set_fraction: Share of the training photos that is watched, and not
            trained on, where `fit` is given no validation set; None: no photos. "auto":
            0.1, or None where early stopping is off. (Early stopping without watched
            photos goes by the training photos.)
        workspace_path: Where features, logs and the final model go; None: nowhere.
        reuse_train_set_bottleneck_cached_values: Look for features kept before.
        reuse_validation_set_bottleneck_cached_values: The same for `fit`'s validation
            set.
        test_on_train_set: Tell the callback, after each epoch, of the training photos.
        final_model_prefix: What the name of the final model's `.pb` begins with.
        metrics_callback: Is called with a fresh `BottleneckMetrics` a photo and
            `EpochMetrics` an epoch and dataset; `print` makes the workshop's lines. It
            may call the trainer's `stop()`.
        augment: "flip": train on mirror images too, and average both in predictions.
        standardize: Bring each feature to mean 0 and variance 1 over the training
            photos; None: where backbones are joined or there is an l2.
        l2: Penalty on the kernel, as `keras.regularizers.L2` has it; "auto": chosen by
            cross-validation on the training photos (see `strength.choose_l2`).
        label_smoothing: As of `keras.losses.CategoricalCrossentropy`.
        class_weight: What the losses of a class are multiplied by: a dict by name (1
            where it has no entry), or "balanced": n / (n_classes · n_of_class), as in
            scikit-learn.
        optimizer: The name of one of Keras's, or an optimizer; each fit uses a fresh
            copy. An optimizer brings its own learning rate, which stays as it is unless
            there is a schedule: pass `learning_rate_scheduler=None` to keep it.
        shuffle: Draw a new order of the photos for each epoch.
        on_error: What to do with photos that can't be read: "raise" an error that lists
            them, or "skip" them: they are listed in a warning and in the model's notes.
        callbacks: Keras callbacks, told of the head's training.
        logs: "csv", "tensorboard" or both, written to the workspace (see
            `logs.log_callbacks`; to look at the latter: `pip install tensorboard`).
        seed: The same seed and photos give the same model.

    Raises:
        OptionError: With all options that are out of their range.

    Example:
        >>> trainer = carlib.ImageClassificationTrainer(arch="auto")
        >>> model = trainer.fit(train)
        >>> archs = ["EfficientNetLite0", "MobileNetV2"]
        >>> best = carlib.ImageClassificationTrainer(arch=archs, **carlib.RECOMMENDED)
    """

    arch: str | Backbone | Sequence[str | Backbone] = "InceptionV3"
    batch_size: int = 10
    epoch: int = 200
    learning_rate: float = 0.01
    learning_rate_scheduler: LearningRateScheduler | Any | None = ExponentialLRDecay()
    early_stopping: EarlyStopping | None = EarlyStopping()
    validation_set_fraction: float | str | None = "auto"
    workspace_path: str | os.PathLike | None = "workspace"
    reuse_train_set_bottleneck_cached_values: bool = True
    reuse_validation_set_bottleneck_cached_values: bool = True
    test_on_train_set: bool = True
    final_model_prefix: str = "custom_retrained_model_based_on_"
    metrics_callback: Callable[[Any], None] | None = None
    augment: str | None = None
    standardize: bool | None = None
    l2: float | str = 0.0
    label_smoothing: float = 0.0
    class_weight: str | Mapping[str, float] | None = None
    optimizer: Any = "sgd"
    shuffle: bool = False
    on_error: str = "raise"
    callbacks: Sequence[Any] = ()
    logs: Sequence[str] = ()
    seed: int = 1

    def __post_init__(self):
        for field in dataclasses.fields(self):
            setattr(self, field.name, options.as_python(getattr(self, field.name)))
        problems = [*options.out_of_range(self)]
        if problems:
            raise OptionError("These options are out of their range.", problems)
        if self.validation_set_fraction == "auto":
            self.validation_set_fraction = 0.1 if self.early_stopping else None
        if isinstance(self.arch, str):
            self.arch = resolve_arch(self.arch)
        self._stopped = False

    @functools.cached_property
    def backbones(self) -> tuple[Backbone, ...]:
        """The frozen networks, in the order of their features."""
        archs = [self.arch] if isinstance(self.arch, str | Backbone) else self.arch
        backbones = [Backbone(a) if isinstance(a, str) else a for a in archs]
        names = [backbone.arch for backbone in backbones]
        if not names or len(set(names)) < len(names):
            raise OptionError(f"arch must name different networks. Received: {names}")
        return tuple(backbones)

    def fit(
        self, train: pd.DataFrame, validation: pd.DataFrame | None = None
    ) -> ImageClassificationModel:
        """Train on photos: bottleneck phase, then training phase.

        Args:
            train: Photos with the columns image_path and damage_class.
            validation: Photos that are watched. Don't pass those that you will evaluate
                on: the model would be chosen to please them.

        Raises:
            DataError: Fewer than two classes, or a validation class that is never
                trained; a class none of whose photos can be read.
            ImageError: Photos that can't be read, all of them at once.
            CarlibError: `stop()` was called before there was anything to train.
        """
        self._stopped = False
        classes = class_names(train, validation)
        fitted, watched = self.photo_set(train, "Train", classes), None
        if validation is not None and len(validation):
            watched = self.photo_set(validation, "Validation", classes)
        else:
            fitted, watched = self.hold_out(fitted)
        trained = self.train_head(fitted, watched)
        model = ImageClassificationModel(
            backbones=self.backbones,
            class_names=classes,
            head=trained.linear,
            history=trained.history,
            best_epoch=trained.best_epoch,
            augment=self.augment,
            options=self._options_of_model(trained),
            data_hash=data_hash(fitted, watched),
            notes=[
                *about_weights(self.backbones),
                *about(train),
                *_about_skipped(fitted, watched),
            ],
            workspace_path=self.workspace_path,
        )
        self._write_final_model(model)
        return model

    def stop(self) -> None:
        """End the fit that is under way, after this epoch; a callback may call it.

        The model is that of the best epoch so far, or without early stopping of the
        last. In the bottleneck phase there is none: `fit` raises a CarlibError then,
        and what was computed is kept.
        """
        self._stopped = True

    def photo_set(
        self,
        photos: pd.DataFrame,
        dataset: str = "Train",
        classes: tuple[str, ...] | None = None,
    ) -> PhotoSet:
        """Return photos as the head sees them: the bottleneck phase alone.

        Args:
            photos: With the columns image_path and damage_class.
            dataset: "Train" or "Validation", for the callback and the reuse flag.
            classes: The names of the classes; None: those of the photos.
        """
        classes = class_names(photos, None) if classes is None else classes
        reuse = {
            "Train": self.reuse_train_set_bottleneck_cached_values,
            "Validation": self.reuse_validation_set_bottleneck_cached_values,
        }
        features = gather(
            photos,
            self.backbones,
            self.workspace_path,
            augment=self.augment,
            reuse=reuse[dataset],
            on_error=self.on_error,
            on_photo=self.metrics_callback and functools.partial(self._photo, dataset),
        )
        labels = photos.damage_class.map(classes.index).to_numpy(np.int32)
        return PhotoSet(features, np.arange(len(labels)), labels, classes).readable()

    def hold_out(self, fitted: PhotoSet) -> tuple[PhotoSet, PhotoSet | None]:
        """Take photos to watch out of those to train on, where that is asked for."""
        if not self.validation_set_fraction:
            return fitted, None
        rest, watched = fitted.hold_out(self.validation_set_fraction, self.seed)
        return rest, watched if len(watched) else None

    def train_head(
        self, fitted: PhotoSet, watched: PhotoSet | None = None
    ) -> TrainedHead:
        """Train a head on photos: the training phase alone."""
        return train_on(self, fitted, watched, self._tell, lambda: self._stopped)

    def options(self) -> dict:
        """Return all options but the callbacks as plain values, ready for JSON."""
        return options.to_plain(self)

    def _options_of_model(self, trained: TrainedHead) -> dict:
        """Return the options without what belongs to this machine only."""
        plain = self.options() | {"l2_chosen": trained.l2}
        del plain["workspace_path"]
        for made, backbone in zip(plain["backbones"], self.backbones, strict=True):
            made["weights"] = backbone.weights_name
        return plain

    @classmethod
    def from_options(
        cls, plain: dict, metrics_callback: Callable[[Any], None] | None = None
    ) -> "ImageClassificationTrainer":
        """Make the trainer again whose `options()` these are."""
        return cls(**options.from_plain(plain), metrics_callback=metrics_callback)

    def _photo(self, dataset: str, index: int) -> None:
        self._tell(BottleneckMetrics(dataset, index))
        if self._stopped:
            raise CarlibError(
                "Stopped in the bottleneck phase: nothing was trained.",
                hint="The features that were computed are kept; fit again to go on.",
            )

    def _tell(self, metrics: BottleneckMetrics | EpochMetrics) -> None:
        if self.metrics_callback:
            self.metrics_callback(metrics)

    def _write_final_model(self, model: ImageClassificationModel) -> None:
        if self.workspace_path is None:
            return
        slugs = [backbone.architecture.slug for backbone in self.backbones]
        name = f"{self.final_model_prefix}{'+'.join(slugs)}"
        workspace = Path(self.workspace_path)
        write_kept_graph(model, workspace / f"{name}.pb", workspace)
        write_text(workspace / f"{name}.labels.txt", labels_text(model))


def _about_skipped(*sets: PhotoSet | None) -> list[str]:
    found = [photo_set.features.errors for photo_set in sets if photo_set]
    errors = {error: 0 for errors in found for error in errors.values()}
    return [f"Left out of the training: {error}" for error in errors]


def about_weights(backbones: Sequence[Backbone]) -> list[str]:
    """Return what a reader of figures must know of the backbones' weights, if any."""
    random = [backbone.arch for backbone in backbones if backbone.weights is None]
    return [
        f"The weights of {name} are random: it never saw a photo." for name in random
    ]
