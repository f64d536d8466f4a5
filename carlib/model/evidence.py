"""What proves a model's figures: the photos, weights and precision that made them."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd

from carlib.backbones.backbone import Backbone
from carlib.data.contents import content_hashes
from carlib.data.labels import labels_of
from carlib.errors import DataError
from carlib.messages import say
from carlib.model.digests import MOST, digests_of
from carlib.model.head import LinearHead


def with_evidence(
    metrics: Any, backbones: Sequence[Backbone], head: LinearHead
) -> dict[str, Any]:
    """Return figures as plain values, and beside them what proves them.

    Args:
        metrics: What `evaluate` returned; a dict is left as it is.
    """
    if isinstance(metrics, dict):
        return metrics
    evidence = {
        "photos": _photos(metrics.photos),
        "weights": weights_of(backbones, head),
        "precisions": [backbone.precision for backbone in backbones],
    }
    return metrics.to_dict() | {"evidence": evidence}


def weights_of(backbones: Sequence[Backbone], head: LinearHead) -> dict[str, str]:
    """Return the SHA-256 of each part's weights; none of somebody's own network."""
    parts = {
        backbone.arch: [backbone.weights_vector()]
        for backbone in backbones
        if not backbone.is_own
    }
    parts["the head"] = [head.kernel, head.bias, head.mean, head.scale]
    return {
        name: hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
        for name, arrays in parts.items()
    }


def _photos(photos: pd.DataFrame | None) -> dict[str, str]:
    """Return the photos' digests; none where they are too many, or can't be had."""
    if photos is None or len(photos) > MOST:
        return {}
    try:
        return digests_of(content_hashes(photos), labels_of(photos))
    except DataError as error:
        say(f"The figures are saved without the photos that they are of: {error}")
        return {}
