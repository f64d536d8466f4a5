"""An audit's searches on drawn features, for `out_of_memory.py`, under a limit.

Planted are labels that were changed by chance, photos of another kind than all others,
and near copies; what an audit finds of them is told.
"""

import time

import numpy as np
from memory import written_or_measured
from out_of_memory_head import path_of
from out_of_memory_head import write as write_features
from processes import answer

WRONG = 0.01  # of all labels
PLANTED = 1000  # copies, and as many photos that are unlike all others


def run(job: dict) -> dict:
    """Write the features, or search through some of them.

    Args:
        job: way ("write", "mapped", "in memory"), folder, rows, judged, features,
            classes, gigabytes.
    """
    return written_or_measured(job, write, measured)


def write(job: dict) -> None:
    """Write features of which the first are near copies, and the next unlike all."""
    write_features(job)
    draw = np.random.default_rng(1)
    features = np.load(path_of(job, "train", "features"), mmap_mode="r+")
    noise = draw.standard_normal((2, PLANTED, job["features"]), np.float32)
    noise *= np.geomspace(0.1, 2, job["features"], dtype=np.float32)
    features[:PLANTED] = features[2 * PLANTED : 3 * PLANTED] + 0.05 * noise[0]
    features[PLANTED : 2 * PLANTED] += 6 * noise[1]
    features.flush()


def measured(job: dict) -> dict:
    """Look for wrong labels, near copies and photos unlike all others."""
    from carlib.audits import pairs, suspects

    features = np.load(path_of(job, "train", "features"), mmap_mode="r")
    features = features[: job["rows"]]
    if job["way"] == "in memory":
        features = np.array(features, np.float32)
    labels = np.load(path_of(job, "train", "labels"))[: job["rows"]]
    labels[:PLANTED] = labels[2 * PLANTED : 3 * PLANTED]
    given, wrong = changed(labels, job["classes"])
    distinct = np.arange(len(labels))
    distinct[:PLANTED] = distinct[2 * PLANTED : 3 * PLANTED]
    seconds, clock = {}, time.perf_counter

    began = clock()
    scores = suspects.out_of_fold(pairs.standardised(features), given, distinct)
    doubtful = suspects.doubtful(given, scores)
    seconds["labels"] = clock() - began
    began = clock()
    near = pairs.neighbours(pairs.unit(pairs.standardised(features)))
    seconds["neighbours"] = clock() - began
    began = clock()
    distances = suspects.far_from_all(pairs.unit(features), distinct)
    outliers = np.flatnonzero(suspects.are_outliers(distances))
    seconds["outliers"] = clock() - began

    copies = {(row, row + 2 * PLANTED) for row in range(PLANTED)}
    odd = np.arange(PLANTED, 2 * PLANTED)
    return seconds | {
        "rows": len(labels),
        "accuracy": float((scores.argmax(axis=1) == labels).mean()),
        "wrong": float(np.isin(wrong, doubtful).mean()),
        "doubtful": len(doubtful) / len(labels),
        "copies": len(copies & set(near)) / PLANTED,
        "odd": float(np.isin(odd, outliers).mean()),
        "outlying": len(outliers) / len(labels),
    }


def changed(labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of which some were changed by chance, and which ones."""
    draw = np.random.default_rng(2)
    wrong = draw.permutation(len(labels))[: int(WRONG * len(labels))]
    given = labels.copy()
    given[wrong] = (given[wrong] + draw.integers(1, classes, len(wrong))) % classes
    return given, wrong


if __name__ == "__main__":
    answer(run)
