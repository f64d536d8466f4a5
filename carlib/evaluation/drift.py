"""Whether the photos that come in still look like those that a model was trained on."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import DataError, OptionError
from carlib.evaluation.coverage import check_confidence
from carlib.model.confidence import SAME, Confidence
from carlib.model.model import ImageClassificationModel
from carlib.training import ranges

MEASURES = {
    "distance": "distance to the nearest training photo",
    "unlike": "share unlike the training photos",
    "unsure": "share with too low a probability",
}
FEW = 50  # photos, among which only a large change shows


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Drift:
    """Hold what tells whether photos still look like the training photos; print it.

    Attributes:
        found: Whether they don't: `p` is below `alpha`.
        p: How likely such photos are, or odder ones, if nothing changed: the lowest of
            the table's, times three, as each had its chance to be low (Bonferroni).
        alpha: How often an alarm may be false.
        n: Photos that were judged; copies among them count once.
        n_known: Photos that were left out: the model was trained on the same pictures.
        n_unread: Photos that were left out: they can't be read.
        table: A row a measure: photos, of those that came in; trained_on, of those
            trained on, by heads that never saw them; and p, how likely such a
            difference upwards is by chance. distance: the median cosine distance to the
            nearest training photo (Kolmogorov and Smirnov's test of two samples).
            unlike: the share that lies too far from all. unsure: the share of answers
            with too low a probability (both by Fisher's exact test).
    """

    found: bool
    p: float
    alpha: float
    n: int
    n_known: int
    n_unread: int
    table: pd.DataFrame

    def __str__(self) -> str:
        said = (
            "These photos don't look like those that the model was trained on."
            if self.found
            else "Nothing says that these photos differ from those trained on."
        )
        lines = [
            f"{said} (p {_p(self.p)}, alarm below {self.alpha:g})",
            f"{'':40}{'these':>8}{'trained on':>12}{'p':>9}",
        ]
        for row in self.table.itertuples(index=False):
            figures = f"{row.photos:>8.3f}{row.trained_on:>12.3f}{_p(row.p):>9}"
            lines.append(f"{MEASURES[row.measure]:40}{figures}")
        return "\n".join([*lines, *self._notes()])

    __repr__ = __str__

    def _notes(self) -> list[str]:
        notes = [f"Photos judged: {self.n:,}."]
        if self.n < FEW and not self.found:
            notes[0] += f" Among fewer than {FEW} only a large change shows."
        if self.n_known:
            notes.append(
                f"Left out, as the model was trained on them: {self.n_known:,}."
            )
        if self.n_unread:
            notes.append(f"Left out, as they can't be read: {self.n_unread:,}.")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return values | {"table": self.table.to_dict("records")}


def drift(
    model: ImageClassificationModel,
    photos: Any,
    *,
    alpha: float = 0.05,
    on_error: str = "raise",
    progress: bool = True,
) -> Drift:
    """Tell whether photos still look like those that a model was trained on.

    No labels are needed. Two things are compared with the training photos: how far the
    photos lie from the nearest of these, and how many answers are not sure. It finds
    other things, other cameras, other seasons; not that the same photos are now named
    otherwise.

    Args:
        model: One with `confidence`.
        photos: What `model.predict` takes.
        alpha: How often an alarm may be false.
        on_error: "raise" an error that lists photos that can't be read, or "skip" them.
        progress: Show a bar.

    Raises:
        OptionError: The model has no confidence, or alpha is none.
        ImageError: Photos that can't be read.
        DataError: No photo is left that the model wasn't trained on.

    Example:
        >>> carlib.drift(model, "incoming").found
        False
    """
    _check(model, alpha)
    answers = model.predict(photos, on_error=on_error, progress=progress)
    read = answers[answers["distance"].notna()]
    fresh = read[read["distance"] > SAME]
    judged = fresh[~fresh[["score", "distance"]].round(6).duplicated()]
    if judged.empty:
        raise DataError(
            "Expected photos that the model was not trained on. Received: "
            f"{len(read):,}, none of them new.",
            hint="Pass photos that have come in since.",
        )
    columns = (judged[name].to_numpy() for name in ("score", "distance"))
    return dataclasses.replace(
        compared(model.confidence, *columns, alpha),
        n_known=len(read) - len(fresh),
        n_unread=len(answers) - len(read),
    )


def compared(
    confidence: Confidence,
    scores: np.ndarray,
    distances: np.ndarray,
    alpha: float = 0.05,
) -> Drift:
    """Compare answers with what a confidence knows of the training photos.

    Args:
        scores: The predicted classes' probabilities, (n,).
        distances: The cosine distances to the nearest reference, (n,).
    """
    *_, tops, trained = confidence.photos.T
    rows = [
        (np.median(distances), np.median(trained), _farther(distances, trained)),
        _more(confidence.are_unlike(distances), confidence.are_unlike(trained)),
        _more(confidence.are_unsure(scores), confidence.are_unsure(tops)),
    ]
    table = pd.DataFrame(rows, columns=["photos", "trained_on", "p"])
    table.insert(0, "measure", list(MEASURES))
    p = min(1.0, len(rows) * float(table["p"].min()))
    found = bool(p < alpha)
    return Drift(found, p, float(alpha), len(scores), 0, 0, table)


def _farther(values: np.ndarray, usual: np.ndarray) -> float:
    from scipy.stats import ks_2samp

    return float(ks_2samp(values, usual, alternative="less").pvalue)


def _more(odd: np.ndarray, usual: np.ndarray) -> tuple[float, float, float]:
    """Return two shares, and how likely the first is so much larger by chance."""
    from scipy.stats import fisher_exact

    counts = [(each.sum(), (~each).sum()) for each in (odd, usual)]
    p = fisher_exact(counts, alternative="greater").pvalue
    return float(odd.mean()), float(usual.mean()), float(p)


def _check(model: ImageClassificationModel, alpha: float) -> None:
    check_confidence(model)
    if not ranges.is_number(alpha) or not 0 < alpha < 1:
        raise OptionError(f"Expected an alpha between 0 and 1. Received: {alpha!r}")


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
