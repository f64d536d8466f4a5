"""Features drawn for `out_of_memory.py`, and a head trained on them under a limit."""

import time
from pathlib import Path

import numpy as np
from memory import written_or_measured
from processes import answer

LATENT = 96  # directions in which photos differ beyond chance
AT_ONCE = 10_000  # rows that are drawn together
L2 = 0.01  # of many photos: the recommended one is for hundreds
APART = 0.3  # the classes' centres, in deviations of a direction


def run(job: dict) -> dict:
    """Write the features, or train a head on some of them and judge it.

    Args:
        job: way ("write", "mapped", "in memory"), folder, rows, judged, features,
            classes, gigabytes.
    """
    return written_or_measured(job, write, measured)


def write(job: dict) -> None:
    """Write features (float16) and labels, to train on and to judge by."""
    draw = np.random.default_rng(0)
    mix = draw.normal(size=(LATENT, job["features"])).astype(np.float32)
    mix *= np.geomspace(1, 0.03, LATENT, dtype=np.float32)[:, np.newaxis]
    centres = draw.normal(size=(job["classes"], LATENT)).astype(np.float32)
    size = np.geomspace(0.1, 2, job["features"], dtype=np.float32)
    for name, count in (("train", job["rows"]), ("judged", job["judged"])):
        labels = draw.integers(0, job["classes"], count).astype(np.int32)
        np.save(path_of(job, name, "labels"), labels)
        features = np.lib.format.open_memmap(
            path_of(job, name, "features"),
            "w+",
            np.float16,
            (count, job["features"]),
        )
        for start in range(0, count, AT_ONCE):
            own = labels[start : start + AT_ONCE]
            latent = draw.standard_normal((len(own), LATENT), np.float32)
            latent += APART * centres[own]
            noise = draw.standard_normal((len(own), job["features"]), np.float32)
            features[start : start + AT_ONCE] = (latent @ mix + 0.5 * noise + 3) * size
        features.flush()


def path_of(job: dict, name: str, what: str) -> Path:
    return Path(job["folder"]) / f"{name}_{what}.npy"


def measured(job: dict) -> dict:
    """Train, calibrated, and judge."""
    import carlib

    features = np.load(path_of(job, "train", "features"), mmap_mode="r")
    features = features[: job["rows"]]
    if job["way"] == "in memory":
        features = np.array(features)
    labels = np.load(path_of(job, "train", "labels"))[: job["rows"]]
    options = {**carlib.RECOMMENDED, "augment": None, "within_class": 0, "l2": L2}
    trainer = carlib.ImageClassificationTrainer(**options, workspace_path=None)
    seconds = {}
    began = time.perf_counter()
    photos = carlib.from_features(features, labels)
    trained, history = trainer.train_head(photos)
    seconds["train"] = time.perf_counter() - began
    judged = np.load(path_of(job, "judged", "features"), mmap_mode="r")
    judged = carlib.from_features(judged, np.load(path_of(job, "judged", "labels")))
    began = time.perf_counter()
    predictions = trained.predictions(judged)
    seconds["predict"] = time.perf_counter() - began
    began = time.perf_counter()
    metrics = carlib.evaluate(predictions)
    seconds["evaluate"] = time.perf_counter() - began
    return seconds | {
        "rows": len(photos),
        "iterations": len(history),
        "converged": bool(trained.converged),
        "macro": [metrics.macro_accuracy, *metrics.macro_interval],
        "loss": [metrics.log_loss, *metrics.log_loss_interval],
        "temperature": trained.calibration.temperature,
    }


if __name__ == "__main__":
    answer(run)
