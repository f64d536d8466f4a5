"""Models to explain: joined, mirrored, standardised, and at their optimum."""

import dataclasses

import numpy as np
from sklearn.linear_model import LogisticRegression

from carlib.model.head import LinearHead

L2 = 0.05


def fitted(photos, arch, workspace, **options):
    from carlib.training.trainer import ImageClassificationTrainer

    options = {
        **{"augment": "flip", "l2": L2, "early_stopping": None, "epoch": 20},
        **{"class_weight": "balanced", "optimizer": "adam", "learning_rate": 0.003},
        **options,
    }
    trainer = ImageClassificationTrainer(arch=arch, workspace_path=workspace, **options)
    return trainer.fit(photos)


def views(model, photos):
    """Features of photos as they are and mirrored, each standardised: (2, n, d)."""
    from carlib.data.sources import as_sources
    from carlib.explain.views import features_of

    found = features_of(model, as_sources(photos), progress=False)
    head = model.head
    return np.stack(
        [(found.of_photos(v).astype(float) - head.mean) / head.scale for v in (0, 1)]
    )


def at_its_optimum(model, photos, smoothing=0.0, left_out=(), tol=1e-12):
    """The model with the head that scikit-learn finds for its loss, in float64.

    Smoothed labels are rows that count for each class a little.
    """
    keep = np.setdiff1d(np.arange(len(photos)), left_out)
    rows = np.concatenate(views(model, photos)[:, keep])
    numbers = [model.class_names.index(name) for name in photos.damage_class]
    labels, n_classes = np.array(numbers)[keep], len(model.class_names)
    weights = (len(photos) / (n_classes * np.bincount(numbers)))[labels]
    shares = np.full((len(labels), n_classes), smoothing / n_classes)
    shares[np.arange(len(labels)), labels] += 1 - smoothing
    counted = np.tile(weights[:, None] * shares, (2, 1)).T.ravel()
    regression = LogisticRegression(C=1 / (2 * L2 * len(rows)), tol=tol, max_iter=9999)
    every = np.repeat(np.arange(n_classes), len(rows))
    regression.fit(np.tile(rows, (n_classes, 1)), every, sample_weight=counted)
    kernel, bias = regression.coef_.T, regression.intercept_
    head = LinearHead(kernel, bias, model.head.mean, model.head.scale)
    return dataclasses.replace(model, head=head)
