"""A trained model: name photos, save to one file, load anywhere."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib.backbones.backbone import Backbone
from carlib.backbones.joined import name_of
from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources
from carlib.display import card
from carlib.errors import ArchiveError, CarlibError, OptionError
from carlib.files import as_path, named_in_errors
from carlib.model import keras_model
from carlib.model.answers import table_of, with_labels, with_reasons
from carlib.model.calibration import HeadCalibration
from carlib.model.card import card_text
from carlib.model.confidence import Confidence
from carlib.model.evidence import with_evidence
from carlib.model.file import (
    CONFIDENCE,
    HEAD,
    backbone_member,
    int8_members,
    read_model,
    write_model,
)
from carlib.model.head import LinearHead
from carlib.model.manifest import tell_of_versions
from carlib.model.parts import check_parts, described, made_backbones
from carlib.model.shown import facts

_FIGURES = dict.fromkeys(("accuracy", "cross_entropy", "learning_rate"), float)
_AS_SAVED = ("augment", "best_epoch", "options", "data_hash", "trained_on", "notes")


@dataclass(eq=False, repr=False)
class ImageClassificationModel:
    """Frozen backbones, mostly one, and a softmax head on their features.

    Made by `ImageClassificationTrainer.fit` and `load_model`.

    Attributes:
        backbones: In the order of their features.
        class_names: The labels, sorted; the order of the probabilities.
        head: Its weights, and what standardises the features.
        history: A row an epoch and dataset: epoch, dataset, batch_processed_count,
            accuracy, cross_entropy, learning_rate.
        best_epoch: The epoch whose weights these are.
        options: The trainer's options.
        data_hash: Changes with any photo, label or subset trained on.
        trained_on: Digests of the photos trained on and watched, by label; see `prove`.
        notes: What a reader of its figures must know, such as random weights.
        augment: "flip": trained on mirror images, too, and predictions average the
            logits of both.
        metrics: What `save` was given of an evaluation.
        calibration: How the head, which has it in its numbers, was calibrated; None: it
            wasn't.
        confidence: Tells which answers aren't sure; None: nothing does.
        workspace_path: Whose bottleneck cache `predict` uses; None: none. What it adds
            there is written once it is worth a file, or at the process's end.
    """

    backbones: tuple[Backbone, ...]
    class_names: tuple[str, ...]
    head: LinearHead
    history: pd.DataFrame
    best_epoch: int
    options: dict
    data_hash: str
    augment: str | None = None
    notes: list[str] = field(default_factory=list)
    metrics: dict = field(default_factory=dict)
    trained_on: dict[str, str] = field(default_factory=dict)
    calibration: HeadCalibration | None = None
    confidence: Confidence | None = None
    workspace_path: str | os.PathLike | None = None

    @property
    def arch(self) -> str:
        """The backbone's name; of several, all names: "A + B"."""
        return name_of(self.backbones)

    @property
    def precision(self) -> str:
        """What the backbones compute in: "bfloat16"; of several, "int8 + float32"."""
        precisions = [backbone.precision for backbone in self.backbones]
        return " + ".join(dict.fromkeys(precisions))

    def __repr__(self) -> str:
        return (
            f"ImageClassificationModel({self.arch}, {len(self.class_names)} classes, "
            f"best epoch {self.best_epoch})"
        )

    def _repr_html_(self) -> str:
        return card(type(self).__name__, facts(self))

    def at(self, precision: str) -> "ImageClassificationModel":
        """Return the same model, computing at another precision.

        Exports compute at float32: `model.at("float32")` predicts what they do.

        Example:
            >>> exact = model.at("float32").predict(photos.head())
        """
        keras_model.check_untrained(self)
        backbones = tuple(backbone.at(precision) for backbone in self.backbones)
        return dataclasses.replace(self, backbones=backbones)

    def predict(
        self,
        photos: Any,
        *,
        on_error: str = "raise",
        progress: bool = True,
        average: bool = True,
    ) -> pd.DataFrame:
        """Name the damage in photos.

        Args:
            photos: One photo or several: paths, a folder, encoded photos (bytes), open
                files, Pillow images, pixels (uint8, height × width × 3), or a DataFrame
                with a column image_path.
            on_error: What to do with photos that can't be read: "raise" an error that
                lists them, or "skip" them: their rows say why in the column error, and
                have no label and no score.
            progress: Show a bar with photos per second and time left.
            average: Average a photo and its mirror image where the model was trained on
                both; False: take the photo alone, in half the time.

        Returns:
            A row a photo, in order, under the index of the DataFrame or Series handed
            in: its columns, predicted_label, score (its probability) and a column of
            probabilities a class. Of a model with `confidence` also, before these,
            refused (whether a person should look), why, in words, and distance, the
            cosine distance to the nearest training photo.

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
        keras_model.check_untrained(self)
        sources = as_sources(photos)
        features = extract(
            sources,
            self.backbones,
            self.workspace_path,
            augment=self.augment if average else None,
            on_error=on_error,
            progress=progress,
            hold_back=True,
        )
        table = table_of(photos, sources)
        if on_error == "skip":
            rows = range(len(sources))
            table["error"] = [features.errors.get(row, "") for row in rows]
        views = (False, True) if features.mirrored else (False,)
        scores = self.head.averaged(map(features.of_photos, views))
        table = with_reasons(table, scores, features, self.confidence)
        return with_labels(table, scores, self.class_names)

    @property
    def classes_(self) -> np.ndarray:
        """The labels in the order of the probabilities, as scikit-learn has them."""
        return np.array(self.class_names)

    def predict_proba(self, photos: Any) -> np.ndarray:
        """Return the probabilities of each class, without a table, bar or word.

        Args:
            photos: What `predict` takes.

        Returns:
            float32 (n, n_classes), in the order of the photos and of `classes_`.

        Raises:
            ImageError: Photos that can't be read.
            WeightsError: `keras_model` was trained.

        Example:
            >>> model.predict_proba(["dent.jpeg"]).argmax(axis=1)
            array([2])
        """
        answers = self.predict(photos, progress=False)
        return answers[list(self.class_names)].to_numpy(np.float32)

    @functools.cached_property
    def keras_model(self) -> Any:
        """A copy of it all in Keras: pixels, uint8 of any size, to probabilities."""
        return keras_model.keras_model(self.backbones, self.head, self.augment)

    def save(self, path: str | os.PathLike, metrics: Any = None) -> Path:
        """Save to one file that holds all that's needed to name photos elsewhere.

        Written atomically: an existing file is replaced only by a complete one.

        Args:
            path: Where to, such as "ImageModel.zip".
            metrics: What `evaluate` returned, or a dict, to keep with the model.

        Returns:
            The path.

        Raises:
            OutputError: It can't be written there.
        """
        keras_model.check_untrained(self)
        if metrics is not None:
            self.metrics = with_evidence(metrics, self.backbones, self.head)
        arrays = {f"{name}.npy": getattr(self.head, name) for name in HEAD}
        if self.confidence:
            arrays |= zip(CONFIDENCE, self.confidence.arrays(), strict=True)
        networks: dict[str, bytes] = {}
        for number, backbone in enumerate(self.backbones):
            if not backbone.is_own:
                arrays[backbone_member(number)] = backbone.weights_vector()
            if network := backbone.int8_network():
                networks |= zip(int8_members(number), network, strict=True)
        path = as_path(path)
        with named_in_errors(path):
            write_model(path, described(self), arrays, networks, card_text(self))
        return path


def load_model(
    path: str | os.PathLike,
    workspace_path: str | os.PathLike | None = None,
    backbones: Sequence[Backbone] = (),
) -> ImageClassificationModel:
    """Load a model that `save` wrote; needs no network, data or cache.

    The network is rebuilt from carlib's own code and the file gives the numbers only:
    nothing in it can run, but for an int8 network, whose parts are checked. Each
    member's hash is checked.

    Args:
        path: The file.
        workspace_path: A workspace whose bottleneck cache `predict` shall use.
        backbones: Those that `Backbone.from_keras` made, if it was trained on such:
            they are in no file.

    Raises:
        ArchiveError: It's not such a file, or damaged, or from a newer carlib, or was
            trained on a network of somebody's own that isn't among `backbones`.

    Example:
        >>> model = carlib.load_model("ImageModel.zip")
    """
    try:
        fields, arrays, networks = read_model(as_path(path))
        made = made_backbones(fields["backbones"], arrays, networks, backbones)
        head = LinearHead(*(arrays[f"{name}.npy"] for name in HEAD))
        confidence = None
        if told := fields["confidence"]:
            parts = [arrays[name] for name in CONFIDENCE]
            confidence = Confidence(told["error_rate"], *parts)
        check_parts(fields, made, head, confidence)
    except CarlibError as error:
        raise ArchiveError(
            f"{Path(path).name} can't be loaded. {error.message}",
            error.problems,
            error.hint or "Save the model again, or fetch the file again.",
        ) from error
    tell_of_versions(fields["versions"])
    return ImageClassificationModel(
        backbones=made,
        class_names=tuple(fields["class_names"]),
        head=head,
        calibration=HeadCalibration.from_dict(fields["calibration"]),
        confidence=confidence,
        history=pd.DataFrame(fields["history"]).astype(_FIGURES),
        workspace_path=workspace_path,
        **{name: fields[name] for name in (*_AS_SAVED, "metrics")},
    )
