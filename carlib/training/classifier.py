"""The whole of it as a scikit-learn classifier: photos and labels in, labels out."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from carlib.backbones.backbone import Backbone
from carlib.data.labels import labels_of
from carlib.data.sources import Source, as_sources
from carlib.errors import DataError, OptionError
from carlib.training.early_stopping import EarlyStopping
from carlib.training.options import RECOMMENDED, TrainingOptions
from carlib.training.trainer import ImageClassificationTrainer


class ImageClassifier(ClassifierMixin, BaseEstimator):
    """Classify photos as a scikit-learn estimator: a frozen backbone and a head.

    It clones, searches and cross-validates as others do. Features are computed once a
    photo and backbone, whatever fits on top, and found in the workspace by all
    processes. Its defaults are `carlib.RECOMMENDED`, not ML.NET's, as they are of
    `ImageClassificationTrainer`. Photos that are copies of one another it keeps in one
    fold where it holds some out itself; `GridSearchCV` doesn't, unless it's given
    groups.

    Args:
        arch: One of `carlib.ARCHS`, "auto", or a `Backbone`; or a list of them, or
            "A+B", whose features are joined.
        augment, l2, within_class, class_weight, optimizer, early_stopping, epoch,
        calibrate, refuse, standardize, label_smoothing, validation_set_fraction,
        batch_size, learning_rate, shuffle, seed: See `TrainingOptions`.
        learning_rate_scheduler: The same, but that by default the rate stays as it is.
        workspace_path: Where features are kept; None: nowhere.
        progress: Show bars, and how many photos were cached.

    Attributes:
        classes_: The labels, sorted, of the kind that `fit` was given.
        model_: The trained `ImageClassificationModel`: to save, export, explain.

    Example:
        >>> from sklearn.model_selection import GridSearchCV
        >>> archs = ["EfficientNetLite0", "EfficientNetLite0-layers"]
        >>> classifier = carlib.ImageClassifier(**carlib.RECOMMENDED)
        >>> search = GridSearchCV(classifier, {"arch": archs}, cv=2)
        >>> search.fit(train.image_path, train.damage_class).best_params_
        >>> search.best_estimator_.model_.save("ImageModel.zip")
    """

    def __init__(
        self,
        arch: str | Backbone | Sequence[str | Backbone] = "auto",
        *,
        augment: Literal["flip"] | None = RECOMMENDED["augment"],
        l2: float | Literal["auto"] = RECOMMENDED["l2"],
        within_class: float = RECOMMENDED["within_class"],
        class_weight: Literal["balanced"] | Mapping[str, float] | None = RECOMMENDED[
            "class_weight"
        ],
        optimizer: Any = RECOMMENDED["optimizer"],
        early_stopping: EarlyStopping | None = RECOMMENDED["early_stopping"],
        epoch: int = RECOMMENDED["epoch"],
        calibrate: Literal["temperature", "bias-corrected", "adjusted"]
        | None = RECOMMENDED["calibrate"],
        refuse: float | None = RECOMMENDED["refuse"],
        standardize: bool | None = None,
        label_smoothing: float = 0.0,
        validation_set_fraction: float | Literal["auto"] | None = "auto",
        batch_size: int = 10,
        learning_rate: float = 0.01,
        learning_rate_scheduler: Any = None,
        shuffle: bool = False,
        seed: int = 1,
        workspace_path: str | os.PathLike | None = "workspace",
        progress: bool = False,
    ):
        self.arch = arch
        self.augment = augment
        self.l2 = l2
        self.within_class = within_class
        self.class_weight = class_weight
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.epoch = epoch
        self.calibrate = calibrate
        self.refuse = refuse
        self.standardize = standardize
        self.label_smoothing = label_smoothing
        self.validation_set_fraction = validation_set_fraction
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_scheduler = learning_rate_scheduler
        self.shuffle = shuffle
        self.seed = seed
        self.workspace_path = workspace_path
        self.progress = progress

    def fit(self, X: Any, y: Any) -> "ImageClassifier":  # noqa: N803
        """Train on photos.

        Args:
            X: What `model.predict` takes: n paths, bytes or arrays, a Series of them,
                or a column of a table, (n, 1).
            y: n labels: texts, whole numbers or booleans.

        Raises:
            OptionError: `y` isn't one label a photo, of two classes or more; an option
                is out of its range.
            DataError: A class has too few photos to hold some out.
            ImageError: Photos that can't be read, all of them at once.
        """
        sources, (classes, labels) = as_sources(X), _classes_of(y)
        if len(sources) != len(labels):
            raise OptionError(
                f"Expected a label a photo. Received: {len(sources):,} photos in X and "
                f"{len(labels):,} labels in y"
            )
        photos = {"image_path": _column(sources), "damage_class": labels}
        self.model_ = self._trainer().fit(pd.DataFrame(photos))
        self.classes_ = classes
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the likeliest class of each photo, of `y`'s kind, (n,).

        Raises:
            ImageError: Photos that can't be read, all of them at once.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the probabilities, float32 (n, n_classes), in the order of `classes_`.

        Raises:
            ImageError: Photos that can't be read, all of them at once.
        """
        check_is_fitted(self)
        order = pd.Index(self.model_.class_names).get_indexer(_names_of(self.classes_))
        return self.model_.predict_proba(X)[:, order]

    def _trainer(self) -> ImageClassificationTrainer:
        names = [field.name for field in dataclasses.fields(TrainingOptions)]
        options = {name: getattr(self, name) for name in names}
        if isinstance(self.class_weight, Mapping):
            classes = _names_of(list(self.class_weight))
            factors = self.class_weight.values()
            options["class_weight"] = dict(zip(classes, factors, strict=True))
        return ImageClassificationTrainer(
            arch=self.arch,
            workspace_path=self.workspace_path,
            progress=self.progress,
            **options,
        )

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that it takes photos, not numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _classes_of(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted classes, and the name of each label's class, (n,).

    Raises:
        OptionError: These aren't labels, or all of one class.
    """
    try:
        values = column_or_1d(y)
        check_classification_targets(values)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"Expected y to be one label a photo. Received: {type(y).__name__}: {error}"
        ) from error
    try:
        labels = _names_of(values)
    except DataError as error:
        raise OptionError(error.message, error.problems, error.hint) from error
    classes = np.unique(values)
    if len(classes) < 2:
        found = f"1 class, {classes.tolist()}" if len(classes) else "no labels"
        raise OptionError(f"Expected y to have two classes or more. Received: {found}")
    return classes, labels


def _names_of(labels: Any) -> np.ndarray:
    """Return the names of labels' classes; whole numbers may be floats, (n,)."""
    values = np.asarray(labels)
    whole = values.astype(np.int64) if values.dtype.kind == "f" else values
    return labels_of(pd.DataFrame({"y": whole}), "y")


def _column(sources: Sequence[Source]) -> list[Any]:
    return [each.name if each.content is None else each.content for each in sources]
