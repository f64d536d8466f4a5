"""The trainer: ML.NET's options and meaning, on cached bottlenecks."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from carlib import runtime
from carlib.backbones.backbone import Backbone
from carlib.backbones.joined import about_weights, backbones_of, problems_of
from carlib.bottlenecks.extract import extract
from carlib.data.labels import labels_of
from carlib.data.sources import as_sources
from carlib.data.table import about
from carlib.errors import CarlibError, ImageError, together
from carlib.files import as_path
from carlib.model.frozen import write_final
from carlib.model.model import ImageClassificationModel
from carlib.training import loop, ranges
from carlib.training.epoch_bar import EpochBar, epoch_bar
from carlib.training.logs import KINDS, log_callbacks
from carlib.training.loop import TrainedHead, about_optimum, confidence_of, too_few
from carlib.training.optimizers import is_direct
from carlib.training.options import TrainingOptions
from carlib.training.photo_set import PhotoSet, about_skipped, class_names, trained_on
from carlib.training.plain import for_a_model, from_plain, to_plain
from carlib.training.progress import BottleneckMetrics, EpochMetrics, Reporter

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageClassificationTrainer(TrainingOptions):
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
    - The whole network is written by `carlib.export`, and not at the end of each fit.

    A trainer doesn't change: `dataclasses.replace(trainer, epoch=50)` makes another.

    Args:
        arch: One of `carlib.ARCHS`, "auto", or a `Backbone`; or a list of them, or
            "A+B", whose features are joined.
        workspace_path: Where features and logs go; None: nowhere.
        reuse_train_set_bottleneck_cached_values: Look for features kept before.
        reuse_validation_set_bottleneck_cached_values: The same for `fit`'s validation
            set.
        test_on_train_set: Tell the callback, after each epoch, of the training photos.
        final_model_prefix: What the names begin with of a `.pb` of the whole network
            and its labels, written to the workspace after each fit; None: none is.
        metrics_callback: Is called with a fresh `BottleneckMetrics` a photo and
            `EpochMetrics` an epoch and dataset; `print` makes the workshop's lines. It
            may call the trainer's `stop()`.
        on_error: What to do with photos that can't be read: "raise" an error that lists
            them, or "skip" them: they are listed in a warning and in the model's notes.
        progress: Show a bar, and how many photos were cached.
        callbacks: Keras callbacks, told of the head's training.
        logs: "csv", "tensorboard" or both, written to the workspace (see
            `log_callbacks`; to look at the latter: `pip install tensorboard`).
        **others: See `TrainingOptions`.

    Raises:
        OptionError: With all options that are out of their range.

    Example:
        >>> model = carlib.ImageClassificationTrainer(arch="auto").fit(train)
        >>> archs = ["EfficientNetLite0", "MobileNetV2"]
        >>> best = carlib.ImageClassificationTrainer(arch=archs, **carlib.RECOMMENDED)
    """

    arch: str | Backbone | Sequence[str | Backbone] = "InceptionV3"
    workspace_path: str | os.PathLike | None = "workspace"
    reuse_train_set_bottleneck_cached_values: bool = True
    reuse_validation_set_bottleneck_cached_values: bool = True
    test_on_train_set: bool = True
    final_model_prefix: str | None = None
    metrics_callback: Callable[[Any], object] | None = None
    on_error: Literal["raise", "skip"] = "raise"
    progress: bool = True
    callbacks: Sequence[Any] = ()
    logs: Sequence[str] = ()

    _shown_first = "arch", "workspace_path"
    _stopped = False  # whether the fit that is under way is to end; no option

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        yield from ranges.problems(self, _EXPECTED)
        if self.logs and self.workspace_path is None:
            yield "logs go into the workspace, and workspace_path is None."
        yield from problems_of(self.arch)

    @functools.cached_property
    def backbones(self) -> tuple[Backbone, ...]:
        """The frozen networks, in the order of their features; made when first asked.

        Raises:
            OptionError: `arch` names no network, or one twice.
            WeightsError: The weights aren't there and can't be had.
        """
        return backbones_of(self.arch)

    def fit(
        self,
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        client: "Client | None" = None,
    ) -> ImageClassificationModel:
        """Train on photos: bottleneck phase, then training phase.

        Args:
            train: Photos with the columns image_path and damage_class.
            validation: Photos that are watched. Don't pass those that you will evaluate
                on: the model would be chosen to please them.
            client: A `dask.distributed.Client`, whose workers compute the bottlenecks;
                see `carlib.compute_bottlenecks`.

        Raises:
            DataError: Fewer than two classes, or a validation class that is never
                trained; a class none of whose photos can be read.
            ImageError: Photos that can't be read, all of them at once.
            CarlibError: `stop()` was called before there was anything to train.
        """
        vars(self)["_stopped"] = False
        classes = class_names(train, validation)
        plain = for_a_model(self.options(), self.backbones)
        learned, watched = self._bottlenecks(train, validation, classes, client)
        with epoch_bar(self) as shown:
            trained, history = self.train_head(learned, watched, shown)
            if shown:
                shown.finish(trained)
        model = ImageClassificationModel(
            backbones=self.backbones,
            class_names=classes,
            head=trained.linear,
            history=history,
            best_epoch=trained.best_epoch,
            augment=self.augment,
            calibration=trained.calibration,
            confidence=confidence_of(self, learned, trained),
            options=plain | {"l2_chosen": trained.l2},
            **trained_on(learned, watched),
            notes=[
                *about_weights(self.backbones),
                *about(train),
                *about_skipped(learned, watched),
                *about_optimum(trained),
                *too_few(self, learned),
            ],
            workspace_path=self.workspace_path,
        )
        if self.workspace_path is not None and self.final_model_prefix is not None:
            write_final(model, self.workspace_path, self.final_model_prefix)
        return model

    def _bottlenecks(
        self,
        train: pd.DataFrame,
        validation: pd.DataFrame | None,
        classes: tuple[str, ...],
        client: "Client | None",
    ) -> tuple[PhotoSet, PhotoSet | None]:
        """Return what to train on and to watch; name all bad photos of both at once."""
        given, sets, errors = {"Train": train}, [], []
        if validation is not None and len(validation):
            given["Validation"] = validation
        for dataset, photos in given.items():
            try:
                sets.append(self.photo_set(photos, dataset, classes, client))
            except ImageError as error:
                errors.append(error)
        if errors:
            raise together(errors)
        return tuple(sets) if len(sets) > 1 else self.hold_out(sets[0])

    def stop(self) -> None:
        """End the fit that is under way, after this epoch; a callback may call it.

        The model is that of the best epoch so far, or without early stopping of the
        last. In the bottleneck phase there is none: `fit` raises a CarlibError then,
        and what was computed is kept.
        """
        vars(self)["_stopped"] = True

    def photo_set(
        self,
        photos: pd.DataFrame,
        dataset: str = "Train",
        classes: tuple[str, ...] | None = None,
        client: "Client | None" = None,
    ) -> PhotoSet:
        """Return photos as the head sees them: the bottleneck phase alone.

        Args:
            photos: With the columns image_path and damage_class.
            dataset: "Train" or "Validation", for the callback and the reuse flag.
            classes: The names of the classes; None: those of the photos.
            client: As of `fit`.
        """
        if not is_direct(self.optimizer):
            runtime.check_tensorflow()
        classes = class_names(photos, None) if classes is None else classes
        reuse = {
            "Train": self.reuse_train_set_bottleneck_cached_values,
            "Validation": self.reuse_validation_set_bottleneck_cached_values,
        }
        features = extract(
            as_sources(photos),
            self.backbones,
            self.workspace_path,
            augment=self.augment,
            reuse=reuse[dataset],
            progress=self.progress,
            on_error=self.on_error,
            on_photo=functools.partial(self._photo, dataset),
            client=client,
        )
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers[label] for label in labels_of(photos)], np.int32)
        return PhotoSet(features, np.arange(len(labels)), labels, classes).readable()

    def hold_out(self, train: PhotoSet) -> tuple[PhotoSet, PhotoSet | None]:
        """Take photos to watch out of those to train on, where that is asked for."""
        if not self.held_out_share:
            return train, None
        rest, watched = train.hold_out(self.held_out_share, self.seed)
        return rest, watched if len(watched) else None

    def train_head(
        self,
        train: PhotoSet,
        watched: PhotoSet | None = None,
        shown: EpochBar | None = None,
    ) -> tuple[TrainedHead, pd.DataFrame]:
        """Train a head on photos, and tell of it: the training phase alone.

        Args:
            shown: Is told of each epoch as well, with figures or without.

        Returns:
            The head, and the history as a model has it.
        """
        sizes = {"Train": train.n_rows} if self.test_on_train_set else {}
        sizes |= {"Validation": len(watched)} if watched else {}
        batches = {name: self.batches(size) for name, size in sizes.items()}

        def tell(metrics: EpochMetrics) -> None:
            self._tell(metrics)
            if shown:
                shown.tell(metrics)

        reporter = Reporter(tell, batches)

        def hear(epoch: int, figures: Mapping[str, float]) -> bool:
            reporter.note(epoch, figures)
            if shown:
                shown.count(epoch)
            return self._stopped

        with log_callbacks(self.logs, as_path(self.workspace_path or ".")) as written:
            callbacks = [*self.callbacks, *written]
            # `hear` comes last: whoever else is told may call `stop`.
            trained = loop.train_head(self, train, watched, callbacks, hear)
        return trained, reporter.history()

    def options(self) -> dict[str, Any]:
        """Return all options but the callbacks as plain values, ready for JSON."""
        workspace = self.workspace_path
        return to_plain(self, self.backbones) | {
            "workspace_path": None if workspace is None else os.fspath(workspace),
            "logs": list(self.logs),
        }

    @classmethod
    def from_options(
        cls,
        plain: Mapping[str, Any],
        metrics_callback: Callable[[Any], object] | None = None,
        arch: str | Backbone | Sequence[str | Backbone] | None = None,
    ) -> "ImageClassificationTrainer":
        """Make the trainer again whose `options()` these are.

        Args:
            arch: What to take for the backbones; None: those of the options, where they
                say all that is needed. They don't for weights that came from a file of
                somebody's own by way of a saved model, or for an int8 backbone that was
                calibrated on other than files.

        Raises:
            OptionError: They aren't a trainer's options.
            WeightsError: The weights aren't there and can't be had.

        Example:
            >>> options = json.loads(Path("trainer.json").read_text(encoding="utf-8"))
            >>> trainer = carlib.ImageClassificationTrainer.from_options(options)
        """
        known = {field.name for field in dataclasses.fields(cls)}
        made = from_plain(plain, known - {"arch"}, arch)
        return cls(**made | {"metrics_callback": metrics_callback})

    def _photo(self, dataset: str, index: int) -> None:
        if self.metrics_callback:
            from tqdm import tqdm

            with tqdm.external_write_mode():  # what it prints stands beside the bar
                self._tell(BottleneckMetrics(dataset, index))
        if self._stopped:
            raise CarlibError(
                "Stopped in the bottleneck phase: nothing was trained.",
                hint="The features that were computed are kept; fit again to go on.",
            )

    def _tell(self, metrics: BottleneckMetrics | EpochMetrics) -> None:
        if self.metrics_callback:
            self.metrics_callback(metrics)


_PATH = str | os.PathLike | None
_EXPECTED: dict[str, ranges.Expected] = {
    "workspace_path": ("a path or None", lambda each: isinstance(each, _PATH)),
    "reuse_train_set_bottleneck_cached_values": ranges.FLAG,
    "reuse_validation_set_bottleneck_cached_values": ranges.FLAG,
    "test_on_train_set": ranges.FLAG,
    "final_model_prefix": ranges.or_none(ranges.FILE_PREFIX),
    "metrics_callback": ranges.or_none(("a function", callable)),
    "on_error": ranges.one_of("raise", "skip"),
    "progress": ranges.FLAG,
    "callbacks": ranges.list_of(
        "Keras callbacks", lambda each: hasattr(each, "on_epoch_end")
    ),
    "logs": ranges.list_of(
        f"some of {', '.join(KINDS)}", lambda kind: ranges.is_one_of(kind, *KINDS)
    ),
}
