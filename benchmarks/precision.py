"""What a lower precision costs: features, log-loss, and what predictions change.

    python benchmarks/precision.py --data photos.zip --arch EfficientNetLite0

Cross-validated over all photos with a logistic head on cached features, so that no
single split decides.
"""

import json
import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, recall_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import carlib
from carlib.backbones import precisions

FOLDS, STRENGTH = 5, 0.02


def cross_validated(features: np.ndarray, labels: np.ndarray, seeds: int) -> dict:
    """Return the mean scores of a logistic head over folds and seeds."""
    head = LogisticRegression(C=STRENGTH, max_iter=5000)
    classes, scores = np.unique(labels), []
    for seed in range(seeds):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        given = cross_val_predict(
            head, features, labels, cv=folds, method="predict_proba"
        )
        named = classes[given.argmax(axis=1)]
        scores.append(
            {
                "log_loss": log_loss(labels, given, labels=classes),
                "micro": accuracy_score(labels, named),
                "macro": recall_score(labels, named, average="macro"),
            }
        )
    return pd.DataFrame(scores).mean().to_dict()


def apart(features: np.ndarray, exact: np.ndarray) -> dict:
    """Return how far features are from float32's."""
    norms = np.linalg.norm(features, axis=1) * np.linalg.norm(exact, axis=1)
    cosines = (features * exact).sum(axis=1) / norms
    difference = np.linalg.norm(features - exact) / np.linalg.norm(exact)
    return {
        "relative_difference": float(difference),
        "median_cosine": float(np.median(cosines)),
        "least_cosine": float(cosines.min()),
    }


def changed(model: carlib.ImageClassificationModel, photos: pd.DataFrame) -> dict:
    """Return how a model's predictions differ from the same model's at float32."""
    classes = list(model.class_names)
    own = model.predict(photos, progress=False)
    exact = model.at("float32").predict(photos, progress=False)
    differences = (own[classes] - exact[classes]).abs().to_numpy()
    labels = own["predicted_label"] != exact["predicted_label"]
    return {
        "photos": len(photos),
        "labels_changed": int(labels.sum()),
        "mean_probability_change": float(differences.mean()),
        "largest_probability_change": float(differences.max()),
    }


def measured(
    arch: str, precision: str, photos: pd.DataFrame, workspace: str, seeds: int
) -> dict:
    """Return all figures of one backbone at one precision."""
    train, validation = carlib.split(photos)
    calibration = train if precision == "int8" else None
    backbone = carlib.Backbone(arch, precision=precision, calibration=calibration)
    exact = carlib.compute_bottlenecks(
        photos, carlib.Backbone(arch, precision="float32"), workspace
    )
    features = carlib.compute_bottlenecks(photos, backbone, workspace)
    trainer = carlib.ImageClassificationTrainer(arch=backbone, workspace_path=workspace)
    return {
        "arch": arch,
        "precision": precision,
        **cross_validated(features, photos["damage_class"].to_numpy(), seeds),
        **apart(features, exact),
        **changed(trainer.fit(train), validation),
    }


@click.command()
@click.option("--data", default="auto", help="As for carlib train.")
@click.option("--arch", "archs", multiple=True, default=["EfficientNetLite0"])
@click.option("--seeds", default=3, show_default=True, help="Of the folds.")
@click.option("--json", "file", type=Path, help="Write the figures to this file.")
def main(data: str, archs: tuple[str, ...], seeds: int, file: Path | None) -> None:
    """Compare the precisions that this machine has."""
    photos = carlib.load_index(carlib.locate_data(data))
    known = [name for name in precisions.PRECISIONS if name in precisions.supported()]
    with tempfile.TemporaryDirectory() as workspace:
        rows = [
            measured(arch, precision, photos, workspace, seeds)
            for arch in archs
            for precision in known
        ]
    click.echo(pd.DataFrame(rows).set_index(["arch", "precision"]).T.to_string())
    if file:
        file.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
