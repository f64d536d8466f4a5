"""Models that can tell when they aren't sure, made without the trainer."""

import dataclasses

import numpy as np

from carlib.bottlenecks.extract import extract
from carlib.data.labels import labels_of
from carlib.data.sources import as_sources
from carlib.model.confidence import Confidence, make_confidence
from carlib.model.head import LinearHead


def _recipe(features):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=10 / np.square(features).sum(axis=1).mean(), max_iter=200
    )


def held_out(features, labels, folds=4):
    """Probabilities of each photo by a head that never saw it, (n, n_classes)."""
    from sklearn.model_selection import cross_val_predict

    options = {"cv": folds, "method": "predict_proba"}
    return cross_val_predict(_recipe(features), features, labels, **options)


def head_of(features, labels):
    """The head that `held_out` judges, trained on all."""
    fitted, width = _recipe(features).fit(features, labels), features.shape[1]
    rest = np.zeros(width, "f4"), np.ones(width, "f4")
    parts = fitted.coef_.T, fitted.intercept_
    return LinearHead(*(part.astype(np.float32) for part in parts), *rest)


def features_of(photos, backbone, workspace):
    """The features of photos, or of pixels, and of no mirror images."""
    sources = as_sources(photos)
    return extract(sources, [backbone], workspace, progress=False).of_photos()


def able_to_tell(model, photos, workspace, **options):
    """A model on the same backbone, with a confidence found on the same photos."""
    features = features_of(photos, model.backbones[0], workspace)
    labels = np.searchsorted(model.class_names, labels_of(photos))
    found = held_out(features, labels)
    made = make_confidence(found, labels, features, np.arange(len(labels)), **options)
    return dataclasses.replace(model, head=head_of(features, labels), confidence=made)


def confidence_of(labels, probabilities, error_rate=0.05, distances=None):
    """A confidence that such answers make, with one reference that is far from all."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    rows, predicted = np.arange(len(labels)), probabilities.argmax(axis=1)
    distances = np.linspace(0.2, 0.4, len(labels)) if distances is None else distances
    own, top = probabilities[rows, labels], probabilities[rows, predicted]
    photos = np.stack([labels, predicted, own, top, distances], axis=1)
    return Confidence(error_rate, photos.astype(np.float32), np.eye(1, 4, dtype="f4"))
