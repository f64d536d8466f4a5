"""How a model was made: its options, its networks, and the versions at work."""

import json
from typing import Any

from carlib.errors import printable
from carlib.model.manifest import versions
from carlib.model.model import ImageClassificationModel
from carlib.pages.words import counted

LONGEST = 200  # characters of an option


def origin(model: ImageClassificationModel) -> dict:
    """Return the facts of a page's last section."""
    return {
        "sentences": _sentences(model),
        "tables": [
            _table("Options of the training", model.options),
            _table("Versions that made this page", versions()),
        ],
    }


def _sentences(model: ImageClassificationModel) -> list[str]:
    epochs = counted(model.best_epoch, "epoch")
    networks = counted(len(model.backbones), "frozen network")
    flipped = model.augment == "flip"
    both = ", and answers for a photo and its mirror image together" * flipped
    calibrated = [f"{model.calibration}"] if model.calibration else []
    return [
        f"A head was trained on the features of {networks} ({model.arch}), for "
        f"{epochs}; it computes in {model.precision}{both}.",
        *calibrated,
        f"Fingerprint of the photos it was trained on: {model.data_hash[:16]}.",
    ]


def _table(title: str, values: dict[str, Any]) -> dict:
    rows = [(name.replace("_", " "), _told(value)) for name, value in values.items()]
    return {"title": title, "words": True, "head": ("Name", "Value"), "rows": rows}


def _told(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return printable(text)[:LONGEST]
