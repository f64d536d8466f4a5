"""What a notebook shows of a model: a few facts, in words."""

from typing import Any


def facts(model: Any) -> dict[str, object]:
    """Return what to know of a trained model at a glance, by name."""
    names = model.class_names
    return {
        "backbone": f"{model.arch}, {model.precision}",
        "classes": f"{len(names)}: {', '.join(names)}",
        "best epoch": model.best_epoch,
        "calibration": model.calibration and model.calibration.method,
        "refuses below": model.confidence and f"{model.confidence.threshold:.2f}",
        "micro-accuracy": _saved(model.metrics),
        "notes": " ".join(model.notes),
    }


def _saved(metrics: dict[str, Any]) -> str:
    """Return the figure that was saved with a model; a file may hold any other."""
    share, photos = metrics.get("micro_accuracy"), metrics.get("n")
    if not (isinstance(share, float) and isinstance(photos, int)):
        return ""
    return f"{share:.3f} on {photos:,} photos"
