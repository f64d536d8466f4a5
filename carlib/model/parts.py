"""A model's parts as its file has them: described, made again, checked together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from carlib.backbones import architectures
from carlib.backbones.backbone import Backbone
from carlib.backbones.int8 import Calibration
from carlib.backbones.precisions import or_float32
from carlib.errors import ArchiveError
from carlib.model.confidence import Confidence
from carlib.model.file import backbone_member, check_network, int8_members
from carlib.model.head import LinearHead
from carlib.model.manifest import versions


def described(model: Any) -> dict[str, Any]:
    """Return what a model's file says of it, as plain values."""
    return {
        "backbones": [
            {
                "arch": backbone.arch,
                "weights": backbone.weights_name,
                "preprocessing": backbone.preprocessing,
                "precision": backbone.precision,
                "calibration": backbone.calibration_id,
                "own": backbone.architecture.own,
            }
            for backbone in model.backbones
        ],
        "augment": model.augment,
        "class_names": list(model.class_names),
        "options": model.options,
        "best_epoch": model.best_epoch,
        "history": model.history.replace({np.nan: None}).to_dict("list"),
        "metrics": model.metrics,
        "notes": model.notes,
        "trained_on": model.trained_on,
        "calibration": model.calibration and model.calibration.to_dict(),
        "confidence": model.confidence.described() if model.confidence else None,
        "data_hash": model.data_hash,
        "versions": versions(),
    }


def made_backbones(
    told: Sequence[dict],
    arrays: Mapping[str, np.ndarray],
    networks: dict[str, bytes],
    own: Sequence[Backbone],
) -> tuple[Backbone, ...]:
    """Return the backbones that a model's file describes.

    Args:
        told: Each one's fields.
        arrays: The file's numbers, by member.
        networks: Its int8 networks' parts, by member.
        own: Those of somebody's own that were handed in.

    Raises:
        ArchiveError: One of somebody's own isn't among those, or differs.
    """
    return tuple(
        _own_backbone(each, own)
        if each["own"]
        else _backbone(each, arrays[backbone_member(number)], networks, number)
        for number, each in enumerate(told)
    )


def _backbone(
    described: dict, weights: np.ndarray, networks: dict[str, bytes], number: int
) -> Backbone:
    precision, calibration = or_float32(described["precision"]), None
    if precision == "int8":
        network = tuple(networks[name] for name in int8_members(number))
        check_network(network, architectures.find(described["arch"]))
        calibration = Calibration(described["calibration"], network=network)
    backbone = Backbone(
        described["arch"], weights, precision=precision, calibration=calibration
    )
    backbone.weights_name = described["weights"]
    return backbone


def _own_backbone(described: dict, backbones: Sequence[Backbone]) -> Backbone:
    """Return the backbone of somebody's own that a model was trained on."""
    name, precision = described["arch"], or_float32(described["precision"])
    for backbone in backbones:
        if backbone.arch == name and backbone.architecture.own == described["own"]:
            return backbone.at(precision, backbone.calibration)
    changed = any(backbone.arch == name for backbone in backbones)
    raise ArchiveError(
        f"It was trained on {name}, a Keras network of somebody's own"
        + (", and the one handed in differs from it." if changed else "."),
        hint=f"Pass backbones=[Backbone.from_keras(..., name={name!r})], with the "
        "layers, weights and preprocessing that it was trained with.",
    )


def check_parts(
    fields: dict,
    backbones: tuple[Backbone, ...],
    head: LinearHead,
    confidence: Confidence | None,
) -> None:
    """Refuse a model whose parts don't belong together; list all that is wrong."""
    n_features = sum(backbone.n_features for backbone in backbones)
    n_classes = len(fields["class_names"])
    preprocessing = [described["preprocessing"] for described in fields["backbones"]]
    checks = {
        "the head does not fit the backbone and the classes": head.fits(
            n_features, n_classes
        ),
        "what tells when it is not sure fits neither": not confidence
        or confidence.fits(n_features, n_classes),
        "this carlib scales pixels otherwise": preprocessing
        == [backbone.preprocessing for backbone in backbones],
    }
    problems = [problem for problem, passed in checks.items() if not passed]
    if problems:
        raise ArchiveError("Its parts don't belong together.", problems)
