"""A trained model: name photos, save to one file, load anywhere."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib import runtime
from carlib.backbones import Backbone
from carlib.bottlenecks import extract
from carlib.errors import ArchiveError, OptionError
from carlib.modelfile import MEMBERS, read_model, write_model
from carlib.precisions import or_float32
from carlib.quantizing import Calibration
from carlib.reading import as_sources

_ROWS = 1024  # whose probabilities are computed at once
_AS_SAVED = ("best_epoch", "options", "data_hash", "notes", "metrics")


@dataclass(eq=False, repr=False)
class ImageClassificationModel:
    """A frozen backbone and a softmax head on its features.

    Made by `ImageClassificationTrainer.fit` and `load_model`.

    Attributes:
        class_names: The labels, sorted; the order of the probabilities.
        kernel, bias: The head's weights, float32 (n_features, n_classes), (n_classes,).
        history: A row an epoch and dataset: epoch, dataset, batch_processed_count,
            accuracy, cross_entropy, learning_rate.
        best_epoch: The epoch whose weights these are.
        options: The trainer's options.
        data_hash: Changes with any photo, label or subset trained on.
        notes: What a reader of its figures must know, such as random weights.
        metrics: What `save` was given of an evaluation.
        workspace_path: Whose bottleneck cache `predict` uses; None: none.
    """

    backbone: Backbone
    class_names: tuple[str, ...]
    kernel: np.ndarray
    bias: np.ndarray
    history: pd.DataFrame
    best_epoch: int
    options: dict
    data_hash: str
    notes: list[str] = field(default_factory=list)
    metrics: dict = field(default_factory=dict)
    workspace_path: str | os.PathLike | None = None

    @property
    def arch(self) -> str:
        """The backbone's name."""
        return self.backbone.arch

    def __repr__(self) -> str:
        return (
            f"ImageClassificationModel({self.arch}, {len(self.class_names)} classes, "
            f"best epoch {self.best_epoch})"
        )

    def at(self, precision: str) -> "ImageClassificationModel":
        """Return the same model, computing at another precision.

        Exports compute at float32: `model.at("float32")` predicts what they do.

        Example:
            >>> exact = model.at("float32").predict(photos)
        """
        return dataclasses.replace(self, backbone=self.backbone.at(precision))

    def predict(
        self, photos: Any, *, on_error: str = "raise", progress: bool = True
    ) -> pd.DataFrame:
        """Name the damage in photos.

        Args:
            photos: A DataFrame with a column image_path, or paths, encoded photos
                (bytes) or pixels (uint8 arrays, height × width × 3), or one of these.
            on_error: What to do with photos that can't be read: "raise" an error that
                lists them, or "skip" them: their rows say why in the column error, and
                have no label and no score.
            progress: Show a bar with photos per second and time left.

        Returns:
            A row a photo, in order: the columns handed in, predicted_label, score (its
            probability) and a column of probabilities a class.

        Raises:
            ImageError: Photos that can't be read.

        Example:
            >>> model.predict(["dent.jpeg"])["predicted_label"][0]
            'door_dent'
        """
        if on_error not in ("raise", "skip"):
            raise OptionError(
                f'Expected on_error="raise" or "skip". Received: {on_error!r}'
            )
        extraction = extract(
            photos,
            self.backbone,
            self.workspace_path,
            on_error=on_error,
            progress=progress,
        )
        table = _table_of(photos)
        if on_error == "skip":
            rows = range(len(extraction.photos))
            table["error"] = [extraction.errors.get(row, "") for row in rows]
        return self._with_labels(table, self.probabilities(extraction.features))

    def _with_labels(self, table: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
        good = np.isfinite(scores).all(axis=1)
        best = np.where(good, scores.argmax(axis=1), -1)
        names = np.array([*self.class_names, None], dtype=object)
        labels = pd.DataFrame(
            {"predicted_label": names[best], "score": scores.max(axis=1)},
            index=table.index,
        )
        columns = pd.DataFrame(scores, columns=self.class_names, index=table.index)
        earlier = [name for name in table if name in labels or name in columns]
        return pd.concat([table.drop(columns=earlier), labels, columns], axis=1)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Turn features (n, d) into probabilities, float64 (n, n_classes).

        A photo's probabilities don't depend on which others are with it.
        """
        starts = range(0, len(features), _ROWS)
        parts = [self._probabilities(features[i : i + _ROWS]) for i in starts]
        return np.concatenate([np.empty((0, len(self.class_names))), *parts])

    def _probabilities(self, features: np.ndarray) -> np.ndarray:
        # One product a row: BLAS sums in another order for other numbers of rows.
        rows = features.astype(np.float64)[:, np.newaxis]
        logits = (rows @ self.kernel.astype(np.float64))[:, 0] + self.bias
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    @functools.cached_property
    def keras_model(self):
        """The whole model in Keras: pixels, uint8 of any size, to probabilities."""
        keras, size = runtime.keras(), self.backbone.input_size
        with runtime.plain_float32():
            pixels = keras.Input((None, None, 3), dtype="uint8", name="pixels")
            x = keras.layers.Rescaling(1.0)(pixels)
            x = keras.layers.Resizing(
                size, size, interpolation=self.backbone.interpolation, antialias=True
            )(x)
            x = keras.ops.clip(keras.ops.round(x), 0, 255)  # as Pillow's pixels are
            features = self.backbone.network(x)
            head = keras.layers.Dense(
                len(self.class_names), activation="softmax", name="probabilities"
            )
            model = keras.Model(pixels, head(features), name="car_damage")
        head.set_weights([self.kernel, self.bias])
        return model

    def save(self, path: str | os.PathLike, metrics: Any = None) -> Path:
        """Save to one file that holds all that's needed to name photos elsewhere.

        Written atomically: an existing file is replaced only by a complete one.

        Args:
            path: Where to, such as "ImageModel.zip".
            metrics: What `evaluate` returned, or a dict, to keep with the model.

        Returns:
            The path.
        """
        if metrics is not None:
            self.metrics = metrics if isinstance(metrics, dict) else metrics.to_dict()
        arrays = (self.backbone.weights_vector(), self.bias, self.kernel)
        named = dict(zip(MEMBERS, arrays, strict=True))
        write_model(path, self._fields(), named, self.backbone.int8_network())
        return Path(path)

    def _fields(self) -> dict:
        return {
            "arch": self.arch,
            "weights": self.backbone.weights_name,
            "preprocessing": self.backbone.preprocessing,
            "precision": self.backbone.precision,
            "calibration": self.backbone.calibration_id,
            "class_names": list(self.class_names),
            "options": self.options,
            "best_epoch": self.best_epoch,
            "history": self.history.replace({np.nan: None}).to_dict("list"),
            "metrics": self.metrics,
            "notes": self.notes,
            "data_hash": self.data_hash,
            "versions": _versions(),
        }


def load_model(
    path: str | os.PathLike, workspace_path: str | os.PathLike | None = None
) -> ImageClassificationModel:
    """Load a model that `save` wrote; needs no network, data or cache.

    The network is rebuilt from carlib's own code and the file gives the numbers only:
    nothing in it can run. Each member's hash is checked.

    Args:
        path: The file.
        workspace_path: A workspace whose bottleneck cache `predict` shall use.

    Raises:
        ArchiveError: It's not such a file, or damaged, or from a newer carlib.

    Example:
        >>> model = carlib.load_model("ImageModel.zip")
    """
    try:
        fields, arrays, network = read_model(path)
        precision = or_float32(fields["precision"])
        backbone = Backbone(
            fields["arch"],
            weights=arrays["backbone.npy"],
            precision=precision,
            calibration=Calibration(fields["calibration"], network=network)
            if precision == "int8"
            else None,
        )
        _check(fields, backbone, arrays)
    except (ArchiveError, OptionError) as error:
        raise ArchiveError(
            f"{Path(path).name} can't be loaded. {error.message}",
            error.problems,
            error.hint or "Save the model again, or fetch the file again.",
        ) from error
    backbone.weights_name = fields["weights"]
    return ImageClassificationModel(
        backbone=backbone,
        class_names=tuple(fields["class_names"]),
        kernel=arrays["kernel.npy"],
        bias=arrays["bias.npy"],
        history=pd.DataFrame(fields["history"]).astype({"learning_rate": float}),
        workspace_path=workspace_path,
        **{name: fields[name] for name in _AS_SAVED},
    )


def _table_of(photos: Any) -> pd.DataFrame:
    """Return what was handed in as a table with a row a photo."""
    if isinstance(photos, pd.DataFrame):
        return photos.reset_index(drop=True)
    sources = as_sources(photos)
    paths = [source.name for source in sources if source.is_file]
    columns = {"image_path": paths} if len(paths) == len(sources) else {}
    return pd.DataFrame(columns, index=range(len(sources)))


def _check(fields: dict, backbone: Backbone, arrays: dict[str, np.ndarray]) -> None:
    """Refuse a model whose parts don't belong together; list all that is wrong."""
    names = fields["class_names"]
    distinct = len({name for name in names if isinstance(name, str)}) == len(names) > 1
    kernel, bias = arrays["kernel.npy"], arrays["bias.npy"]
    fits = kernel.shape == (backbone.n_features, len(names)) and len(bias) == len(names)
    checks = {
        "its class names are not distinct words": distinct,
        "the head does not fit the backbone and the classes": fits,
        "this carlib scales pixels otherwise": fields["preprocessing"]
        == backbone.preprocessing,
    }
    problems = [problem for problem, passed in checks.items() if not passed]
    if problems:
        raise ArchiveError("Its parts don't belong together.", problems)


def _versions() -> dict[str, str]:
    packages = ("carlib", "tensorflow", "keras", "openvino", "numpy", "pillow")
    found = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
