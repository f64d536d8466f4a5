"""The few lines that a run ends with, read from the files it left behind."""

import csv
import json
import os
from pathlib import Path
from typing import Any


def cached_photos(workspace: Path) -> int:
    """Return how many photos' bottlenecks the workspace holds, over all backbones."""
    import carlib

    return sum(entry["photos"] for entry in carlib.cache_info(workspace))


def summary(
    here: Path, workspace: Path, output: Path, cached: int, seconds: float
) -> str:
    """Return what was used, what came out, and where it lies.

    Args:
        here: Where the notebooks are, from which they name photos.
        workspace: Where the notebooks handed over their files.
        output: Where the executed notebooks are.
        cached: Photos whose bottlenecks were there before the run.
        seconds: The run took.
    """
    photos, metrics = _rows(workspace / "photos.csv"), _json(workspace / "metrics.json")
    lines = [
        ("data", _data(photos, here)),
        ("backbone", metrics.get("backbone", "")),
        *(("note", note) for note in metrics.get("notes", [])),
        ("micro-accuracy", _accuracy(metrics, "micro")),
        ("macro-accuracy", _accuracy(metrics, "macro")),
        ("bottlenecks", f"{cached_photos(workspace) - cached:,} computed in this run"),
        ("seconds", f"{seconds:.1f}"),
        ("notebooks", f"{_from_cwd(output)} (.ipynb and .html)"),
        ("model", _model(workspace / "ImageModel.zip")),
    ]
    return "\n".join(["", *(f"{name:<16}{text}" for name, text in lines if text)])


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _data(photos: list[dict[str, str]], here: Path) -> str:
    if not photos:
        return ""
    subsets = [row["subset"] for row in photos]
    counts = f"{subsets.count('T'):,} to train on, {subsets.count('V'):,} kept back"
    folder = here / _common([row["image_path"] for row in photos])
    return f"{len(photos):,} photos: {counts}, in {_from_cwd(folder)}"


def _common(paths: list[str]) -> Path:
    """Return the folder that holds all of the photos, `image` and the like within."""
    folder = Path(os.path.commonpath([Path(path).parent for path in paths]))
    return folder.parent if folder.name == "image" else folder


def _accuracy(metrics: dict[str, Any], kind: str) -> str:
    if not metrics:
        return ""
    accuracy, (low, high) = metrics[f"{kind}_accuracy"], metrics[f"{kind}_interval"]
    always, baseline = metrics["majority_class"], metrics[f"majority_{kind}_accuracy"]
    return (
        f"{accuracy:.3f}  (95 % interval {low:.3f} to {high:.3f}; "
        f"always answering {always!r}: {baseline:.3f})"
    )


def _model(path: Path) -> str:
    if not path.exists():
        return ""
    return f"{_from_cwd(path)} ({path.stat().st_size / 1e6:.1f} MB)"


def _from_cwd(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:  # Windows, another drive
        return str(path)
