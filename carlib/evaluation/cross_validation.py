"""Cross-validate a trainer: each photo is named by heads that never saw it.

Features are taken from the cache once; then only heads are trained. What is judged is
all that `ImageClassificationTrainer.fit` does, early stopping on its own share of the
training photos included.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib import display, interrupts
from carlib.backbones.joined import about_weights, name_of
from carlib.data.table import about
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.headline import LEAST_PROBABILITY
from carlib.evaluation.intervals import mean_interval, mean_recall_interval
from carlib.evaluation.metrics import Metrics, prior_log_loss
from carlib.evaluation.text import between
from carlib.messages import bar
from carlib.training.folds import (
    OWN,
    check_classes,
    check_runs,
    distinct_photos,
    fold_numbers,
)
from carlib.training.loop import train_head
from carlib.training.photo_set import PhotoSet
from carlib.training.trainer import ImageClassificationTrainer

METRICS = {
    "micro_accuracy": "Micro-accuracy",
    "macro_accuracy": "Macro-accuracy",
    "log_loss": "Log-loss",
}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """Hold the figures of a cross-validation; print it to read them.

    Attributes:
        arch: The backbones' names.
        class_names: The classes, in order.
        folds: A row a seed and fold: seed, fold, photos, and the figures of the photos
            in that fold, micro_accuracy, macro_accuracy and log_loss.
        predictions: A row a photo and seed, under the photo's index, what
            `model.predict` returns with the columns seed and fold: the photo was in
            that fold, and was named by a head that was trained without it. Take one
            seed's for `evaluate`: `cv.predictions[cv.predictions.seed == 1]`.
        summary: A row a metric: mean (over the seeds, of `evaluate`'s figure for all
            photos), spread (standard deviation over all folds of all seeds), low and
            high (95 % interval of the mean), baseline (always answering the most
            frequent class; for log-loss the shares of the classes).
        distinct: A number a photo; copies of a photo have the same.
        notes: What a reader of the figures must know, such as random weights.
    """

    arch: str
    class_names: tuple[str, ...]
    folds: pd.DataFrame
    predictions: pd.DataFrame
    summary: pd.DataFrame
    distinct: np.ndarray
    notes: list[str]

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return self.folds["seed"].unique().tolist()

    def __str__(self) -> str:
        lines = [_line(METRICS[row.Index], row) for row in self.summary.itertuples()]
        header = (
            f"{'':16}{'mean':>8}   {'95 % interval':17}{'spread':>8}{'baseline':>10}"
        )
        return "\n".join([self._heading(), "", header, *lines, "", *self._legend()])

    __repr__ = __str__

    def _heading(self) -> str:
        return (
            f"Cross-validated {self.arch} on {len(self.distinct):,} photos, "
            f"{len(self.class_names)} classes: {shape_text(self.folds)}."
        )

    def _legend(self) -> list[str]:
        legend = (
            "Each photo was named by a head that was trained without it and its copies."
            "\nMean: over the seeds, of the figure for all photos. Spread: standard "
            f"deviation\nof the {len(self.folds)} folds' own figures. Baseline: "
            "always the most frequent class."
        )
        return [legend, *(f"Note: {note}" for note in self.notes)]

    def _repr_html_(self) -> str:
        header = ("", "mean", "95 % interval", "spread", "baseline")
        rows = [
            (
                METRICS[row.Index],
                f"{row.mean:.4f}",
                between(row.low, row.high),
                f"{row.spread:.4f}",
                f"{row.baseline:.4f}",
            )
            for row in self.summary.itertuples()
        ]
        return display.grid(self._heading(), header, rows, self._legend())

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, text, lists and dicts.

        All but the predictions, which are a row a photo and seed.
        """
        return {
            "arch": self.arch,
            "photos": len(self.distinct),
            "class_names": list(self.class_names),
            "seeds": self.seeds,
            "notes": list(self.notes),
            "summary": self.summary.to_dict("index"),
            "folds": self.folds.to_dict("records"),
        }


def shape_text(folds: pd.DataFrame) -> str:
    """Return how many folds and seeds there were, in words."""
    n_folds, n_seeds = folds["fold"].nunique(), folds["seed"].nunique()
    return f"{n_folds} folds × {n_seeds} seed" + "s" * (n_seeds != 1)


def _line(name: str, row: Any) -> str:
    figures = f"{row.spread:>8.4f}{row.baseline:>10.4f}"
    return f"{name:16}{row.mean:>8.4f}   {between(row.low, row.high):17}{figures}"


@interrupts.insisted()
def cross_validate(
    trainer: ImageClassificationTrainer,
    photos: pd.DataFrame,
    folds: int = 5,
    seeds: Sequence[int] = (1, 2, 3),
    progress: bool = True,
) -> CrossValidation:
    """Judge a trainer's options on photos, each by heads that never saw it.

    The photos are divided into folds, class by class, copies of a photo together; a
    head is trained on all folds but one, as `fit` does it, and names the photos of that
    one. This is done for every fold, and all of it for every seed, which divides the
    photos anew and replaces the trainer's own.

    The mean is that of the seeds, of the figures over all photos (pooled, as `evaluate`
    has them; not the mean of the folds' figures, where small folds would weigh as much
    as large ones). Its 95 % interval is that of `evaluate`, of so many photos as there
    are, copies counted once, and each in all seeds' runs as one: it says how sure these
    heads' figures are, given so many photos. The spread, the standard
    deviation of the folds' figures, also has the other training photos in it; as the
    folds share those, it is no standard error (Bengio and Grandvalet 2004).

    Args:
        trainer: Its options are judged; it isn't changed. Its callbacks hear of the
            bottleneck phase only, and no logs are written.
        photos: Columns image_path and damage_class.
        folds: Into how many parts to divide the photos; 2 or more.
        seeds: One run over all folds for each.
        progress: Show a bar with the time left.

    Raises:
        OptionError: Fewer than two folds, or no seeds.
        DataError: Fewer distinct photos of a class than folds, or what `fit` raises.
        ImageError: Photos that can't be read, all of them at once. (A trainer with
            on_error="skip" leaves them out, with a warning.)

    Example:
        >>> trainer = carlib.ImageClassificationTrainer(arch="EfficientNetLite0")
        >>> cv = carlib.cross_validate(trainer, photos, folds=3, seeds=[1])
        >>> cv.summary.loc["log_loss", "mean"]
    """
    check_runs(folds, seeds)
    photo_set = trainer.photo_set(photos)
    labels = [photo_set.classes[label] for label in photo_set.labels]
    photos = photos.iloc[photo_set.rows].assign(damage_class=labels)
    distinct = distinct_photos(photo_set.pictures)
    check_classes(photo_set, distinct, folds)
    name = f"Cross-validation, {name_of(trainer.backbones)}"
    with bar(folds * len(seeds), name, "fit", disable=not progress) as shown:
        runs = [
            _run(trainer, photos, photo_set, distinct, folds, int(seed), shown)
            for seed in seeds
        ]
    predictions = pd.concat(runs)
    table = _folds(predictions)
    return CrossValidation(
        arch=name_of(trainer.backbones),
        class_names=photo_set.classes,
        folds=table,
        predictions=predictions,
        summary=_summary(table, predictions, photo_set.classes, distinct),
        distinct=distinct,
        notes=[*about_weights(trainer.backbones), *about(photos)],
    )


def _run(
    trainer: ImageClassificationTrainer,
    photos: pd.DataFrame,
    photo_set: PhotoSet,
    distinct: np.ndarray,
    folds: int,
    seed: int,
    shown: Any,
) -> pd.DataFrame:
    """Return one seed's predictions of all photos, each by the head without it."""
    seeded = dataclasses.replace(trainer, seed=seed, refuse=None)  # all are judged
    fold = fold_numbers(photo_set.labels, distinct, folds, seed)
    scores = np.empty((len(fold), len(photo_set.classes)))
    for number in range(1, folds + 1):
        held_out = fold == number
        head = train_head(seeded, *seeded.hold_out(photo_set.some(~held_out)))
        scores[held_out] = head.probabilities(photo_set.some(held_out))
        shown.update()
    return _table(photos, photo_set.classes, seed, fold, scores)


def _table(
    photos: pd.DataFrame,
    class_names: tuple[str, ...],
    seed: int,
    fold: np.ndarray,
    scores: np.ndarray,
) -> pd.DataFrame:
    """Return predictions as `model.predict` does, with seed and fold before them."""
    answers = {
        "seed": seed,
        "fold": fold,
        "predicted_label": np.array(class_names, dtype=object)[scores.argmax(axis=1)],
        "score": scores.max(axis=1),
    }
    columns = pd.DataFrame(answers, index=photos.index)
    probabilities = pd.DataFrame(scores, columns=class_names, index=photos.index)
    taken = {"error", *answers, *class_names}
    earlier = [name for name in photos if name in taken]
    return pd.concat([photos.drop(columns=earlier), columns, probabilities], axis=1)


def _folds(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row a seed and fold: the figures of its photos."""
    rows = []
    for (seed, fold), held_out in predictions.groupby(list(OWN), sort=False):
        metrics = evaluate(held_out)
        figures = {name: getattr(metrics, name) for name in METRICS}
        rows.append({"seed": seed, "fold": fold, "photos": metrics.n, **figures})
    return pd.DataFrame(rows).sort_values(list(OWN), ignore_index=True)


def _summary(
    folds: pd.DataFrame,
    predictions: pd.DataFrame,
    class_names: tuple[str, ...],
    distinct: np.ndarray,
) -> pd.DataFrame:
    pooled = [evaluate(run) for _, run in predictions.groupby("seed")]
    baseline = _baseline(pooled[0])
    intervals = _intervals(predictions, class_names, distinct)
    rows = {
        name: (
            np.mean([getattr(metrics, name) for metrics in pooled]),
            folds[name].std(),
            *intervals[name],
            baseline[name],
        )
        for name in METRICS
    }
    columns = ["mean", "spread", "low", "high", "baseline"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float)
    return table.rename_axis("metric")


def _baseline(metrics: Metrics) -> dict[str, float]:
    return {
        "micro_accuracy": metrics.majority_micro_accuracy,
        "macro_accuracy": metrics.majority_macro_accuracy,
        "log_loss": prior_log_loss(metrics.per_class["support"].to_numpy()),
    }


def _intervals(
    predictions: pd.DataFrame, class_names: Sequence[str], distinct: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Return each metric's 95 % interval; copies of a photo and its seeds are one."""
    labels, *by_seed = outcomes(predictions, class_names)
    hits, losses = (values.mean(axis=0) for values in by_seed)
    every = [_right_of(hits, distinct)]
    of_class = [
        _right_of(hits[rows], distinct[rows])
        for rows in (labels == label for label in np.unique(labels))
    ]
    _, unit = np.unique(distinct, return_inverse=True)
    summed = np.bincount(unit, losses) * (unit.max() + 1) / len(losses)
    low, high = mean_interval(summed, float(np.log(len(class_names))))
    return {
        "micro_accuracy": mean_recall_interval(*np.transpose(every)),
        "macro_accuracy": mean_recall_interval(*np.transpose(of_class)),
        "log_loss": (max(low, 0.0), high),
    }


def _right_of(hits: np.ndarray, distinct: np.ndarray) -> tuple[float, int]:
    """Return how many of so many photos are named right, copies being one."""
    count = len(np.unique(distinct))
    return float(hits.mean()) * count, count


def outcomes(
    predictions: pd.DataFrame, class_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the photos' labels (n,), hits and losses, each (seeds, n)."""
    shape = (predictions["seed"].nunique(), -1)
    labels = pd.Index(class_names).get_indexer(pd.Index(predictions["damage_class"]))
    scores = predictions[list(class_names)].to_numpy(np.float64)
    own = scores[np.arange(len(labels)), labels].clip(LEAST_PROBABILITY, 1)
    hits = scores.argmax(axis=1) == labels
    labels = labels.reshape(shape)[0]
    return labels, hits.reshape(shape), -np.log(own).reshape(shape)
