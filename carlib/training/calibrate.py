"""Make a head's probabilities true: what its logits are divided by, and moved by.

Found on logits of photos that the head, or one like it, never saw; a linear head whose
logits are so changed is a linear head again.
"""

from typing import Any

import numpy as np

from carlib.model.calibration import HeadCalibration
from carlib.model.head import softmax

STEPS = 20  # in which an adjustment's strength is tried
LEAST = 0.01  # of 1 / temperature: a head that knows nothing


def calibrate(method: str, logits: np.ndarray, labels: np.ndarray) -> HeadCalibration:
    """Find the temperature, and the shift, with the least log-loss.

    - "temperature": one number for all logits (Guo et al., ICML 2017).
    - "bias-corrected": and one to add for each class (Alexandari et al., ICML 2020).
    - "adjusted": and to add, a part of the log of the classes' shares (Menon et al.,
      ICLR 2021), as large as lowers the log-loss without a loss of macro-accuracy.
      What balanced class weights took from frequent classes, it gives back.

    All are found with a weak pull, of one photo in weight, to no change: else photos
    that are all named right would make the head sure beyond measure.

    Args:
        method: One of these.
        logits: Of photos held out, float64 (n, n_classes).
        labels: Their classes, int (n,).
    """
    counts = np.bincount(labels, minlength=logits.shape[1])
    if method == "adjusted":
        inverse, shift = _adjusted(logits, labels, np.log(np.maximum(counts, 0.5)))
    else:
        n_shifts = len(counts) if method == "bias-corrected" else 0
        inverse, shift = _fitted(logits, labels, np.eye(n_shifts, len(counts)))
    return HeadCalibration(
        method=method,
        temperature=float(1 / inverse),
        shift=tuple(map(float, shift)),
        photos=len(labels),
        log_loss_before=_log_loss(logits, labels),
        log_loss_after=_log_loss(inverse * logits + shift, labels),
    )


def _adjusted(
    logits: np.ndarray, labels: np.ndarray, log_prior: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return 1 / temperature and shift, the least log-loss at no loss of macro."""
    log_prior = log_prior - log_prior.mean()
    _, most = _fitted(logits, labels, log_prior[np.newaxis])
    none, found = np.zeros((0, len(log_prior))), []
    for share in np.linspace(0, 1, STEPS + 1):
        inverse, _ = _fitted(logits, labels, none, share * most)
        made = inverse * logits + share * most
        found.append((_log_loss(made, labels), _macro(made, labels), inverse, share))
    good = [each for each in found if each[1] >= found[0][1]]
    *_, inverse, share = min(good)
    return inverse, share * most


def _fitted(
    logits: np.ndarray, labels: np.ndarray, design: np.ndarray, moved: Any = 0.0
) -> tuple[float, np.ndarray]:
    """Return 1 / temperature and shift with the least log-loss, which is convex.

    Args:
        design: The shift is a sum of these rows, each times a number, (k, n_classes).
        moved: A shift that is there already.
    """
    from scipy.optimize import minimize

    n_rows = len(labels)
    targets = np.eye(logits.shape[1])[labels]

    def loss(given: np.ndarray) -> tuple[float, np.ndarray]:
        made = given[0] * logits + given[1:] @ design + moved
        pulls = (softmax(made) - targets) / n_rows
        change = given - start
        by_shift = design @ pulls.sum(axis=0)
        gradient = np.r_[np.vdot(pulls, logits), by_shift] + change / n_rows
        return _log_loss(made, labels) + change @ change / (2 * n_rows), gradient

    start = np.r_[1.0, np.zeros(len(design))]
    bounds = [(LEAST, None)] + [(None, None)] * len(design)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12)
    return float(found.x[0]), found.x[1:] @ design + moved


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def _macro(logits: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(labels, logits.argmax(axis=1)))
