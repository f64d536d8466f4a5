"""The figures of an evaluation, and how they read in print."""

import dataclasses
import html
import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from carlib.errors import AccuracyError, OptionError, printable

MOST_CLASSES = 30  # that print and pictures show one by one
MOST_PAIRS = 15  # of classes taken for one another, where those are too many
MOST_NAMED = 5  # classes without a photo
LONGEST = 60  # characters of a name in print


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
        macro_interval: Its 95 % stratified bootstrap interval.
        log_loss: Mean of -ln of the probability given to the actual class.
        log_loss_reduction: Share of the loss saved against always answering with the
            class shares of these photos; nan if they are all of one class.
        top_k_accuracy: For k = 1, 2, …: share of photos whose class is in the top k.
        per_class: Columns class, precision, recall, log_loss and support; 0 where
            there is nothing to divide by.
        confusion_matrix: Counts, actual class (rows) × predicted class (columns). A
            label that the model doesn't know has a row and an empty column at the end.
        majority_class: The most frequent actual class.
        majority_micro_accuracy: What always answering it would score.
        majority_macro_accuracy: The same, for the macro-accuracy.
    """

    n: int
    n_dropped: int
    class_names: tuple[str, ...]
    micro_accuracy: float
    micro_interval: tuple[float, float]
    macro_accuracy: float
    macro_interval: tuple[float, float]
    log_loss: float
    log_loss_reduction: float
    top_k_accuracy: list[float]
    per_class: pd.DataFrame
    confusion_matrix: pd.DataFrame
    majority_class: str
    majority_micro_accuracy: float
    majority_macro_accuracy: float

    def __str__(self) -> str:
        table = _classes_text(self.per_class, self.confusion_matrix)
        blocks = [_heading(self), _figures(self), _notes(self), table]
        few = len(self.confusion_matrix) <= MOST_CLASSES
        confusion = (confusion_text if few else _pairs_text)(self.confusion_matrix)
        return "\n\n".join(blocks) + "\n" + confusion

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

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
            >>> evaluate(predictions).require(micro_accuracy=0.8, log_loss=0.6)
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
    between = ""
    if name.endswith("_accuracy"):
        low, high = getattr(metrics, name.replace("_accuracy", "_interval"))
        between = f", 95 %: {low:.4f} – {high:.4f}"
    side = "most" if name == "log_loss" else "least"
    value = getattr(metrics, name)
    return f"{name}: {value:.6g}{between}. Asked for: {bound:g} at {side}."


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray | pd.Index):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of n (Wilson 1927: the score interval)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def prior_log_loss(support: np.ndarray) -> float:
    """Return the loss, in nats, of always answering with the shares of the classes."""
    share = support[support > 0] / support.sum()
    return abs(float((share * np.log(share)).sum()))


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text with an ellipsis for its end where it is longer than that."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def part_of(classes: int, most: str) -> str:
    """Say which of many classes are shown: those with the most of something."""
    return f"{MOST_CLASSES} of {classes:,} classes: those with the most {most}"


def worst(confusion: pd.DataFrame) -> np.ndarray:
    """Return the places of all classes, or of the 30 with the most mistakes first."""
    counts = confusion.to_numpy()
    mistakes = counts.sum(axis=1) - counts.diagonal()
    order = np.argsort(-mistakes, kind="stable")
    return order[:MOST_CLASSES] if len(order) > MOST_CLASSES else np.sort(order)


def _names(labels: pd.Index | pd.Series) -> list[str]:
    return [cut(printable(label)) for label in labels]


def _heading(metrics: Metrics) -> str:
    text = f"Evaluated {metrics.n:,} photos, {len(metrics.class_names)} classes."
    if metrics.n_dropped:
        text += f" Dropped {metrics.n_dropped:,} more: an error, no label or no score."
    return text


def _figures(metrics: Metrics) -> str:
    """Return a line a figure: its value, its interval and its baseline."""
    support = metrics.per_class["support"].to_numpy()
    largest = np.sort(support)[::-1].cumsum() / metrics.n
    rows = [
        ("Micro-accuracy", metrics.micro_accuracy, metrics.micro_interval, largest[0]),
        (
            "Macro-accuracy",
            metrics.macro_accuracy,
            metrics.macro_interval,
            metrics.majority_macro_accuracy,
        ),
    ]
    for k, accuracy in enumerate(metrics.top_k_accuracy[1:MOST_CLASSES], start=2):
        interval = wilson_interval(round(accuracy * metrics.n), metrics.n)
        rows.append((f"Top-{k} accuracy", accuracy, interval, largest[k - 1]))
    rows.append(("Log-loss", metrics.log_loss, None, prior_log_loss(support)))
    rows.append(("Log-loss reduction", metrics.log_loss_reduction, None, 0))
    header = f"{'':20}{'figure':>8}   {'95 % interval':17}{'baseline':>8}"
    return "\n".join([header, *(_figure_line(*row) for row in rows)])


def _figure_line(
    name: str, value: float, interval: tuple[float, float] | None, baseline: float
) -> str:
    between = f"{interval[0]:.4f} – {interval[1]:.4f}" if interval else ""
    return f"{name:20}{_number(value):>8}   {between:17}{baseline:>8.4f}"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "n/a"


def _notes(metrics: Metrics) -> str:
    """Return what a reader must know to read the figures right, a line each."""
    majority = _quoted([metrics.majority_class])
    notes = [
        f"Baseline: always answering {majority}, the most frequent class here;\n"
        "for top-k the k most frequent, for log-loss the shares of the classes here."
    ]
    unseen = metrics.per_class[~metrics.per_class["class"].isin(metrics.class_names)]
    if len(unseen):
        count, names = unseen["support"].sum(), _quoted(unseen["class"])
        notes.append(
            f"Photos with a label that the model doesn't know: {count:,} ({names}).\n"
            "They count as wrong, with the loss of a probability of 0."
        )
    absent = metrics.per_class["class"][metrics.per_class["support"] == 0]
    if len(absent):
        notes.append(
            "The macro-accuracy is the mean over the classes present;\n"
            f"no photo here is of {_quoted(absent, MOST_NAMED)}."
        )
    if math.isnan(metrics.log_loss_reduction):
        notes.append("No log-loss reduction: with one class the baseline's loss is 0.")
    if metrics.macro_interval[0] == metrics.macro_interval[1]:
        notes.append(
            "The macro-accuracy's interval has no width, since each class is all right "
            "or all wrong:\ntrust the micro-accuracy's."
        )
    return "\n".join(notes)


def _quoted(names: Sequence[str] | pd.Series, most: int = MOST_CLASSES) -> str:
    quoted = [repr(cut(name)) for name in names[:most]]
    more = [f"and {len(names) - most:,} more"] if len(names) > most else []
    return ", ".join(quoted + more)


def _classes_text(per_class: pd.DataFrame, confusion: pd.DataFrame) -> str:
    """Return a line a class; n/a where there is nothing to divide by."""
    places = worst(confusion)
    predicted = confusion.to_numpy().sum(axis=0)[places]
    shown = per_class.iloc[places].assign(**{"class": lambda x: _names(x["class"])})
    width = max(5, *(len(name) for name in shown["class"]))
    lines = [f"{'class':{width}}  precision   recall  log-loss  photos"]
    if len(shown) < len(per_class):
        lines.insert(0, part_of(len(per_class), "mistakes"))
    for row, answers in zip(shown.itertuples(index=False), predicted, strict=True):
        name, precision, recall, loss, support = row
        precision = _number(precision if answers else math.nan)
        recall, loss = (_number(x if support else math.nan) for x in (recall, loss))
        lines.append(
            f"{name:{width}}  {precision:>9}  {recall:>7}  {loss:>8}  {support:6,}"
        )
    return "\n".join(lines)


def confusion_text(confusion: pd.DataFrame) -> str:
    """Return the confusion table in ML.NET's layout, to the character.

    Names too long for a column's head give way to their numbers, which then also stand
    before the names of the rows.

    Args:
        confusion: Counts, actual (rows) × predicted (columns), labels as the index.
    """
    counts, names = confusion.to_numpy(), _names(confusion.index)
    width, bar = (8, "=" * 11) if len(names) == 2 else (5, "=" * 8)
    heads, sides = _numbered(names) if max(map(len, names)) > width else (names, names)
    left = max(9, *map(len, sides))
    rule = _row("", left, [bar] * len(names))
    lines = ["", "Confusion table", rule]
    head_cells = [f" {head:>{width}} |" for head in heads]
    lines.append(_row("PREDICTED", left, head_cells, " Recall"))
    lines.append(_row("TRUTH", left, [bar] * len(names)))
    for side, row, hits in zip(sides, counts, counts.diagonal(), strict=True):
        cells = [f" {count:>{width},} |" for count in row]
        lines.append(_row(f"{side:>{left}}", left, cells, f" {_share(hits, row):.4f}"))
    precision = [_share(column[i], column) for i, column in enumerate(counts.T)]
    cells = [f"{share:>{width + 1}.4f} |" for share in precision]
    return "\n".join([*lines, rule, _row("Precision", left, cells)])


def _pairs_text(confusion: pd.DataFrame) -> str:
    """Return the pairs of classes most often confused, a line each."""
    counts = confusion.to_numpy() * ~np.eye(len(confusion), dtype=bool)
    rows, columns = counts.nonzero()
    order = np.argsort(-counts[rows, columns], kind="stable")[:MOST_PAIRS]
    if not len(order):
        return "\nNo class is taken for another."
    names = _names(confusion.index)
    cells = [("actual", "predicted", "photos")]
    for i, j in zip(rows[order], columns[order], strict=True):
        cells.append((names[i], names[j], f"{counts[i, j]:,}"))
    left, middle, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = ["", f"Most confused: {len(order)} of {len(rows):,} pairs of classes"]
    lines += [f"{actual:{left}}  {name:{middle}}  {n:>6}" for actual, name, n in cells]
    return "\n".join(lines)


def _numbered(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of the names, and the names with their numbers before them."""
    heads = [str(index) for index in range(len(names))]
    digits = len(heads[-1])
    width = max(map(len, names))
    sides = [f"{i:>{digits}}. {name:>{width}}" for i, name in enumerate(names)]
    return heads, sides


def _row(name: str, left: int, cells: list[str], end: str = "") -> str:
    return f"{name:{left}} ||{''.join(cells)}{end}"


def _share(hits: int, counts: np.ndarray) -> float:
    return hits / counts.sum() if counts.sum() else 0.0
