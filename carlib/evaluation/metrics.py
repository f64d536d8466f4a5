"""The figures of an evaluation, and how they read in print."""

import dataclasses
import math
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from carlib import display
from carlib.errors import AccuracyError, OptionError
from carlib.evaluation.paired import PairedComparison, paired_photos
from carlib.evaluation.text import (
    MOST_CLASSES,
    between,
    classes_text,
    confusion_text,
    figure_name,
    figures_text,
    number,
    pairs_text,
    quoted,
)

MOST_NAMED = 5  # classes without a photo
WIDE = 0.2  # of an accuracy's interval: what lies in it can hardly be told apart
FEW = 10  # photos of a class, whose recall then says little


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Metrics:
    """Hold the figures of one evaluation; print it to read them.

    Of more than 30 classes the print shows the 30 with the most mistakes, the most
    confused pairs, and the top-k accuracies up to k = 30; the attributes hold all.

    Attributes:
        n: Photos that count in the figures.
        n_dropped: Rows left out: an error, no label, or a score that isn't finite.
        class_names: The classes that the model knows, in order.
        micro_accuracy: Share of photos named right.
        micro_interval: Its 95 % Wilson interval.
        macro_accuracy: Mean recall of the classes present.
        macro_interval: Its 95 % score interval, see `mean_recall_interval`.
        log_loss: Mean of -ln of the probability given to the actual class.
        log_loss_interval: Its 95 % interval, see `mean_interval`.
        log_loss_reduction: Share of the loss saved against always answering with the
            class shares of these photos; nan if they are all of one class.
        top_k_accuracy: For k = 1, 2, …: share of photos whose class is in the top k.
        figures: A row a figure, by its name: value, low and high (its 95 % interval),
            baseline (always answering the most frequent class; for top-k the k most
            frequent, for log-loss the class shares), shuffled (the model's own answers,
            dealt out anew among the photos: what is right by chance).
        per_class: Columns class, precision, recall, log_loss and support; 0 where
            there is nothing to divide by. precision_low, recall_high and so on: their
            95 % Wilson intervals; 0 and 1 where nothing is known.
        confusion_matrix: Counts, actual class (rows) × predicted class (columns). A
            label that the model doesn't know has a row and an empty column at the end.
        majority_class: The most frequent actual class.
        majority_micro_accuracy: What always answering it would score.
        majority_macro_accuracy: The same, for the macro-accuracy.
        outcomes: A row a photo that counts, for `compare`: photo (its path, else its
            row's number), actual, predicted, hit and loss.
        photos: Those handed in, image_path and damage_class; None: they have no paths.
    """

    n: int
    n_dropped: int
    class_names: tuple[str, ...]
    micro_accuracy: float
    micro_interval: tuple[float, float]
    macro_accuracy: float
    macro_interval: tuple[float, float]
    log_loss: float
    log_loss_interval: tuple[float, float]
    log_loss_reduction: float
    top_k_accuracy: list[float]
    figures: pd.DataFrame
    per_class: pd.DataFrame
    confusion_matrix: pd.DataFrame
    majority_class: str
    majority_micro_accuracy: float
    majority_macro_accuracy: float
    outcomes: pd.DataFrame
    photos: pd.DataFrame | None = None

    def __str__(self) -> str:
        figures = figures_text(self.figures.head(MOST_CLASSES + 3))
        table = classes_text(self.per_class, self.confusion_matrix)
        blocks = [_heading(self), figures, "\n".join(_notes(self)), table]
        few = len(self.confusion_matrix) <= MOST_CLASSES
        confusion = (confusion_text if few else pairs_text)(self.confusion_matrix)
        return "\n\n".join(blocks) + "\n" + confusion

    __repr__ = __str__

    def _repr_html_(self) -> str:
        header = ("", "score", "95 % interval", "baseline", "shuffled")
        rows = [
            (
                figure_name(row.Index),
                number(row.value),
                between(row.low, row.high),
                number(row.baseline),
                number(row.shuffled),
            )
            for row in self.figures.head(MOST_CLASSES + 3).itertuples()
        ]
        return display.grid(_heading(self), header, rows, _notes(self))

    def compare(
        self, other: "Metrics", names: tuple[str, str] = ("The first", "The second")
    ) -> PairedComparison:
        """Compare with another model's figures on the same photos, photo by photo.

        That is much sharper than to lay two intervals side by side: on most photos both
        do the same. A photo counts once, in however many seeds' predictions it is, and
        so do its copies, which are looked for in the files.

        Args:
            other: What `evaluate` returns for the same photos.
            names: What to call the two.

        Returns:
            The differences, other less this, with their 95 % intervals, the exact
            McNemar test, and what they mean in words.

        Raises:
            DataError: They are of other photos, or of other labels.

        Example:
            >>> before, after = (carlib.evaluate(m.predict(photos)) for m in models)
            >>> print(before.compare(after, names=("before", "after")))
        """
        return paired_photos(self.outcomes, other.outcomes, names)

    def require(self, **least: float) -> "Metrics":
        """Raise an error where a figure is worse than it must be.

        Args:
            least: Bounds by the figure's name: what micro_accuracy, macro_accuracy and
                log_loss_reduction must at least, and log_loss must at most be.

        Returns:
            These metrics.

        Raises:
            AccuracyError: With each figure that misses its bound.
            OptionError: There is no such figure, or it can never be so.

        Example:
            >>> carlib.evaluate(predictions).require(micro_accuracy=0.5, log_loss=2)
        """
        _check_bounds(least)
        missed = [name for name, bound in least.items() if _misses(self, name, bound)]
        if missed:
            raise AccuracyError(
                f"The model is not as good as asked for, on {self.n:,} photos.",
                [_miss_text(self, name, least[name]) for name in missed],
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, text, lists and dicts; nan as None."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del values["photos"], values["outcomes"]
        values["figures"] = self.figures.to_dict("index")
        values["per_class"] = self.per_class.to_dict("records")
        values["confusion_matrix"] = {
            "labels": self.confusion_matrix.index,
            "counts": self.confusion_matrix.to_numpy(),
        }
        return _plain(values)


# The figures that can be asked for, and from where to where they can go.
_RANGES = {
    "micro_accuracy": (0.0, 1.0),
    "macro_accuracy": (0.0, 1.0),
    "log_loss": (0.0, math.inf),
    "log_loss_reduction": (-math.inf, 1.0),
}


def _check_bounds(least: dict[str, float]) -> None:
    problems = []
    for name, bound in least.items():
        low, high = _RANGES.get(name, (None, None))
        if low is None:
            problems.append(f"There is no {name}; there are {', '.join(_RANGES)}.")
        elif not (isinstance(bound, Real) and low <= bound <= high):
            problems.append(
                f"{name} must be between {low:g} and {high:g}. Received: {bound!r}"
            )
    if problems:
        raise OptionError("These figures can't be asked for.", problems)


def _misses(metrics: Metrics, name: str, bound: float) -> bool:
    """Tell whether a figure misses its bound, by more than rounding; nan does."""
    sign = -1 if name == "log_loss" else 1
    return not sign * (getattr(metrics, name) - bound) >= -1e-12


def _miss_text(metrics: Metrics, name: str, bound: float) -> str:
    value, low, high = metrics.figures.loc[name, ["value", "low", "high"]]
    interval = f", 95 %: {between(low, high)}" if math.isfinite(value) else ""
    side = "most" if name == "log_loss" else "least"
    return f"{name}: {value:.6g}{interval}. Asked for: {bound:g} at {side}."


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray | pd.Index):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def prior_log_loss(support: np.ndarray) -> float:
    """Return the loss, in nats, of always answering with the shares of the classes."""
    share = support[support > 0] / support.sum()
    return abs(float((share * np.log(share)).sum()))


def _heading(metrics: Metrics) -> str:
    text = f"Evaluated {metrics.n:,} photos, {len(metrics.class_names)} classes."
    if metrics.n_dropped:
        text += f" Dropped {metrics.n_dropped:,} more: an error, no label or no score."
    return text


def _notes(metrics: Metrics) -> list[str]:
    """Return what a reader must know to read the figures right."""
    notes = [_about_baselines(metrics), *_about_labels(metrics)]
    if math.isnan(metrics.log_loss_reduction):
        notes.append("No log-loss reduction: with one class the baseline's loss is 0.")
    return notes + _about_widths(metrics)


def _about_baselines(metrics: Metrics) -> str:
    return (
        f"Baseline: always answering {quoted([metrics.majority_class])}, the most "
        "frequent class here;\n"
        "for top-k the k most frequent, for log-loss the shares of the classes here.\n"
        "Shuffled: the model's own answers, dealt out among these photos by chance."
    )


def _about_labels(metrics: Metrics) -> list[str]:
    """Return notes on labels that the model doesn't know, and classes without one."""
    notes, per_class = [], metrics.per_class
    unseen = per_class[~per_class["class"].isin(metrics.class_names)]
    if len(unseen):
        count, names = unseen["support"].sum(), quoted(unseen["class"])
        notes.append(
            f"Photos with a label that the model doesn't know: {count:,} ({names}).\n"
            "They count as wrong, with the loss of a probability of 0."
        )
    absent = per_class["class"][per_class["support"] == 0]
    if len(absent):
        notes.append(
            "The macro-accuracy is the mean over the classes present;\n"
            f"no photo here is of {quoted(absent, MOST_NAMED)}."
        )
    return notes


def _about_widths(metrics: Metrics) -> list[str]:
    """Return a note where the accuracies are hardly known, and why."""
    ends = {"Micro": metrics.micro_interval, "Macro": metrics.macro_interval}
    wide = [name for name, (low, high) in ends.items() if high - low > WIDE]
    if not wide:
        return []
    low, high = ends[wide[-1]]
    text = (
        f"{wide[-1]}-accuracy: any score between {between(low, high, 2)} fits these "
        f"{metrics.n:,} photos.\nDon't read much into a difference smaller than that."
    )
    support = metrics.per_class["support"]
    few = int(((support > 0) & (support < FEW)).sum())
    if few:
        text += f"\n{few:,} of the classes have fewer than {FEW} photos here."
    return [text]
