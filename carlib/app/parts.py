"""What a page needs of a model: its file, its graphs, and what they mean.

| part | content |
|---|---|
| page.json | the classes, what each backbone takes, when an answer is sure |
| ImageModel.zip | the model as `save` writes it |
| backbone.onnx | each backbone's graph, without weights: they lie in ImageModel.zip |
| photos.f16 | features of the photos it was trained on, if it shall be taught more |
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carlib.app.graph import onnx_graph
from carlib.app.proof import prove_graph
from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources
from carlib.errors import DataError, ExportError
from carlib.explain.views import training_labels
from carlib.files import temporary_folder
from carlib.model.confidence import FARTHEST, UNLIKE
from carlib.model.file import backbone_member
from carlib.model.model import ImageClassificationModel

FACTS, MODEL, PHOTOS = "page.json", "ImageModel.zip", "photos.f16"


def parts_of(
    model: ImageClassificationModel, beside: Path, train: pd.DataFrame | None = None
) -> dict[str, bytes]:
    """Return what a page needs of a model, by name.

    Args:
        beside: Near where the page is going to be; a file is made there for a moment.
        train: The photos it was trained on, with which the page can teach it more.

    Raises:
        ExportError: It has a backbone that a page can't hold, or one whose graph gives
            other features.
        DataError: `train` has labels that are no classes of the model.
    """
    if any(backbone.is_own for backbone in model.backbones):
        raise ExportError(
            f"Expected carlib's own networks. Received: {model.arch}, of which one is "
            "somebody's own: a page can't hold it.",
            hint="The formats saved_model and onnx can.",
        )
    if "int8" in model.precision:  # a page computes in float32
        model = model.at("float32")
    graphs = {
        _graph(number): onnx_graph(backbone.arch, backbone_member(number))
        for number, backbone in enumerate(model.backbones)
    }
    with temporary_folder(beside) as folder:
        saved = model.save(folder / MODEL).read_bytes()
        for number, backbone in enumerate(model.backbones):
            graph, weights = graphs[_graph(number)], backbone_member(number)
            prove_graph(graph, weights, backbone, folder)
    facts, photos = facts_of(model), {}
    if train is not None:
        facts["taught"], photos = _photos_of(model, train)
    said = json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()
    return {FACTS: said, MODEL: saved, **graphs, **photos}


def facts_of(model: ImageClassificationModel) -> dict[str, Any]:
    """Return what page.json says: plain values."""
    return {
        "about": f"{model.arch}, {len(model.class_names)} classes",
        "class_names": list(model.class_names),
        "augment": model.augment,
        "backbones": [
            {
                "graph": _graph(number),
                "weights": backbone_member(number),
                "size": backbone.input_size,
                "interpolation": backbone.interpolation,
            }
            for number, backbone in enumerate(model.backbones)
        ],
        "confidence": _confidence(model),
    }


def _graph(number: int) -> str:
    return backbone_member(number).replace(".npy", ".onnx")


def _confidence(model: ImageClassificationModel) -> dict[str, Any] | None:
    found = model.confidence
    if found is None:
        return None
    farthest = FARTHEST if found.farthest is None else found.farthest
    return {"threshold": found.threshold, "farthest": farthest, "unlike": UNLIKE}


def checked_labels(model: ImageClassificationModel, train: pd.DataFrame) -> np.ndarray:
    """Return the training photos' labels, (n,).

    Raises:
        DataError: Some are no classes of the model.
    """
    labels = training_labels(train)
    unknown = sorted(set(labels) - set(model.class_names))
    if unknown:
        raise DataError("Some labels are no classes of the model.", unknown)
    return labels


def _photos_of(
    model: ImageClassificationModel, train: pd.DataFrame
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the training photos' labels, and their features at float16, a view first.

    float16 keeps three digits: a head that is learned from them names photos alike.
    """
    labels = checked_labels(model, train)
    exact = model.at("float32")  # as the page computes what is added
    found = extract(
        as_sources(train), exact.backbones, exact.workspace_path, augment=exact.augment
    )
    views = [found.of_photos(view) for view in (False, True)[: 1 + found.mirrored]]
    numbers = np.concatenate(views).astype("<f2").tobytes()
    return {"labels": list(labels), "views": len(views)}, {PHOTOS: numbers}
