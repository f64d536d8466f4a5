"""Compare backbones, a row each: figures, speed, size and a paired test.

All are judged on the same folds, so that their answers to a photo can be compared.
"""

import dataclasses
import os
import textwrap
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd

from carlib import display
from carlib.backbones import engines
from carlib.backbones.backbone import Backbone
from carlib.backbones.joined import backbones_of, name_of
from carlib.bottlenecks.cache import open_shards
from carlib.bottlenecks.extract import extract
from carlib.data.sources import as_sources
from carlib.errors import OptionError
from carlib.evaluation.cross_validation import (
    METRICS,
    CrossValidation,
    cross_validate,
    outcomes,
    shape_text,
)
from carlib.evaluation.paired import PairedComparison, paired
from carlib.evaluation.text import p_text
from carlib.training.folds import check_runs
from carlib.training.options import TrainingOptions
from carlib.training.trainer import ImageClassificationTrainer

TIMED = 64  # photos whose extraction is timed
ROUNDS = 3


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Hold the figures of a comparison; print it to read them.

    Attributes:
        table: A row an arch. arch: the backbones' names. micro_accuracy,
            macro_accuracy, log_loss: `cross_validate`'s mean, and each with `_low` and
            `_high` its 95 % interval. photos_per_second: through all the backbones,
            from file to features, or nan. megabytes: of all weights, in float32.
            difference: in micro-accuracy from the first row, difference_low and
            difference_high its 95 % interval, p the exact McNemar test's; nan in the
            first.
        cross_validations: Each row's, with its predictions and the spread of its folds.
        pairs: What sets each row but the first apart from that, all three figures.
    """

    table: pd.DataFrame
    cross_validations: list[CrossValidation]
    pairs: list[PairedComparison]

    @property
    def baseline(self) -> dict[str, float]:
        """The figures of always answering the most frequent class, by metric."""
        return self.cross_validations[0].summary["baseline"].to_dict()

    def __str__(self) -> str:
        rows = [_cells(row) for row in self.table.itertuples(index=False)]
        baseline = [["always the most", "frequent class"]]
        baseline += [[f"{value:.3f}"] for value in self.baseline.values()]
        table = "\n".join(_aligned(cells) for cells in (HEADER, *rows, baseline))
        verdicts = [textwrap.fill(pair.verdict, 106) for pair in self.pairs]
        return "\n\n".join([self.title(), table, "\n".join(verdicts), LEGEND])

    __repr__ = __str__

    def title(self) -> str:
        """Return what was compared on what, and what a reader must know of it."""
        first = self.cross_validations[0]
        line = (
            f"Compared on {len(first.distinct):,} photos, "
            f"{len(first.class_names)} classes: {shape_text(first.folds)}, "
            "the same for all."
        )
        notes = dict.fromkeys(n for cv in self.cross_validations for n in cv.notes)
        return "\n".join([line, *(f"Note: {note}" for note in notes)])

    def _repr_html_(self) -> str:
        cells = [HEADER, *map(_cells, self.table.itertuples(index=False))]
        header, *rows = ([" ".join(cell) for cell in row] for row in cells)
        baseline = ["always the most frequent class"]
        baseline += [f"{value:.3f}" for value in self.baseline.values()]
        title, *notes = [*self.title().split("\n"), *(p.verdict for p in self.pairs)]
        return display.grid(title, header, [*rows, baseline], notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, text, lists and dicts; nan as None."""
        first = self.cross_validations[0]
        plain = self.table.astype(object).where(self.table.notna(), None)
        return {
            "photos": len(first.distinct),
            "class_names": list(first.class_names),
            "folds": int(first.folds["fold"].nunique()),
            "seeds": first.seeds,
            "baseline": self.baseline,
            "archs": plain.to_dict("records"),
            "pairs": [pair.to_dict() for pair in self.pairs],
            "cross_validations": [cv.to_dict() for cv in self.cross_validations],
        }


WIDTHS = (20, 15, 15, 15, 10, 7, 17, 9)
HEADER = [
    *(["arch"], ["micro-accuracy"], ["macro-accuracy"], ["log-loss"]),
    *(["photos/s"], ["MB"], ["difference"], ["p"]),
]
LEGEND = """\
Below a figure: its 95 % interval. Difference: in micro-accuracy, from the first row;
p: how likely it is by chance that of the photos which one names right more often
than the other so uneven a part is either's (exact McNemar test)."""


def _cells(row: Any) -> list[list[str]]:
    """Return a row's cells, each the lines that stand below one another in it."""
    figures = [
        [f"{value:.3f}", f"{low:.3f} – {high:.3f}"]
        for value, low, high in (figure_of(row, name) for name in METRICS)
    ]
    test = [[], []]
    if row.p == row.p:  # not nan, as in the first row
        between = f"{row.difference_low:+.3f} to {row.difference_high:+.3f}"
        test = [[f"{row.difference:+.3f}", between], [p_text(row.p)]]
    speed = f"{row.photos_per_second:,.0f}".replace("nan", "–")
    size = f"{row.megabytes:,.1f}"
    return [arch_lines(row.arch), *figures, [speed], [size], *test]


def figure_of(row: Any, metric: str) -> tuple[float, float, float]:
    """Return a metric of a row of the table: its value, and its interval's ends."""
    return tuple(getattr(row, f"{metric}{end}") for end in ("", "_low", "_high"))


def arch_lines(arch: str) -> list[str]:
    """Return the names of joined backbones, each on a line of its own."""
    return arch.replace(" + ", " +\n").split("\n")


def _aligned(cells: list[list[str]]) -> str:
    """Return a row's cells side by side, figures to the right."""
    rows = zip_longest(*cells, fillvalue="")
    return "\n".join(_aligned_line(line).rstrip() for line in rows)


def _aligned_line(line: Sequence[str]) -> str:
    pairs = list(zip(line, WIDTHS, strict=False))
    return f"{pairs[0][0]:<{pairs[0][1]}}" + "".join(f"{t:>{w}}" for t, w in pairs[1:])


def compare(
    photos: pd.DataFrame,
    archs: Sequence[Any],
    options: TrainingOptions | None = None,
    folds: int = 5,
    seeds: Sequence[int] = (1, 2, 3),
    workspace_path: str | os.PathLike | None = "workspace",
    progress: bool = True,
    on_error: str = "raise",
) -> Comparison:
    """Compare backbones on photos: figures, speed, size, and a paired test.

    Each is judged by `cross_validate`, with the same options and on the same folds.
    The paired test asks whether one backbone is better than the first row's. It counts
    the photos (copies are one) that either names right in more of the seeds than the
    other does, and how likely so uneven a count is by tosses of a coin: the exact
    McNemar test (Dietterich 1998), with several seeds the exact sign test. What it
    comes to stands below the table in words, and how many photos would tell where these
    don't; `Metrics.compare` says the same of two models.

    Speed is measured now, on up to 64 photos, from the file to the features, nothing
    taken from the cache and the networks loaded before: the best of three rounds.

    Args:
        photos: Columns image_path and damage_class.
        archs: Two or more, each what a trainer's `arch` may be: a name, a `Backbone`,
            or a list of these, whose features are joined.
        options: How each is trained. Defaults to the trainer's own defaults; what
            cross-validation found best is `TrainingOptions(**RECOMMENDED)`.
        folds: Into how many parts to divide the photos.
        seeds: One run over all folds for each.
        workspace_path: Where features are kept; None: nowhere.
        progress: Show bars with the time left.
        on_error: What to do with photos that can't be read: "raise" or "skip".

    Raises:
        OptionError: Fewer than two archs, or an option out of its range.
        DataError, ImageError: As from `cross_validate`.

    Example:
        >>> archs = ["EfficientNetLite0", "EfficientNetLite0-layers"]
        >>> print(carlib.compare(photos, archs=archs, folds=3, seeds=[1]))
    """
    check_runs(folds, seeds)
    others = {"workspace_path": workspace_path, "on_error": on_error}
    trainers = _trainers(archs, options or TrainingOptions(), others)
    results = [cross_validate(t, photos, folds, seeds, progress) for t in trainers]
    names = _names(trainers)
    pairs = [
        paired_test((names[0], name), results[0], other)
        for name, other in zip(names[1:], results[1:], strict=True)
    ]
    return Comparison(_table(names, trainers, results, pairs), results, pairs)


def _table(
    names: list[str],
    trainers: list[ImageClassificationTrainer],
    results: list[CrossValidation],
    pairs: list[PairedComparison],
) -> pd.DataFrame:
    first = results[0]
    photos = first.predictions[first.predictions.seed == first.seeds[0]]
    speeds = photos_per_second(trainers, photos, first.distinct)
    rows = [
        {
            "arch": name,
            **_figures(result),
            "photos_per_second": speed,
            "megabytes": megabytes(trainer.backbones, len(first.class_names)),
            **test,
        }
        for name, trainer, result, speed, test in zip(
            names, trainers, results, speeds, [{}, *map(_test, pairs)], strict=True
        )
    ]
    return pd.DataFrame(rows)


def _trainers(
    archs: Sequence[Any], options: TrainingOptions, others: Mapping[str, Any]
) -> list[ImageClassificationTrainer]:
    """Return a trainer an arch; each has its weights, before any is judged.

    A backbone that several of them join is one: its network is built once.
    """
    if isinstance(archs, str | Backbone) or len(archs) < 2:
        raise OptionError(
            f"Expected two archs or more to compare. Received: {archs!r}",
            hint="carlib.cross_validate judges a single one.",
        )
    if type(options) is not TrainingOptions:
        raise OptionError(
            f"Expected TrainingOptions. Received: {type(options).__name__}",
            hint="Such as carlib.TrainingOptions(**carlib.RECOMMENDED).",
        )
    fields = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
    }
    made: dict[str, Backbone] = {}
    return [
        ImageClassificationTrainer(
            arch=[made.setdefault(b.fingerprint, b) for b in backbones_of(arch)],
            **others,
            **fields,
        )
        for arch in archs
    ]


def _names(trainers: list[ImageClassificationTrainer]) -> list[str]:
    """Return what tells the rows apart: the archs, where need be with precisions."""
    names = [name_of(trainer.backbones) for trainer in trainers]
    if len(set(names)) == len(names):
        return names
    return [
        " + ".join(f"{b.arch} {b.precision}" for b in t.backbones) for t in trainers
    ]


def _figures(result: CrossValidation) -> dict[str, float]:
    return {
        f"{metric}{end}": result.summary.loc[metric, column]
        for metric in METRICS
        for end, column in (("", "mean"), ("_low", "low"), ("_high", "high"))
    }


def photos_per_second(
    trainers: Sequence[ImageClassificationTrainer],
    photos: pd.DataFrame,
    distinct: np.ndarray,
) -> list[float]:
    """Measure how fast each trainer's photos become features, nothing being cached.

    Joined backbones come one after another, each is timed once; nan where none can run.
    """
    if not engines.can_compute():
        return [float("nan")] * len(trainers)
    rows = np.sort(np.unique(distinct, return_index=True)[1])
    places = np.linspace(0, len(rows) - 1, min(TIMED, len(rows))).round().astype(int)
    some = photos.iloc[rows[places]]
    backbones = {b.fingerprint: b for t in trainers for b in t.backbones}
    seconds = {key: _seconds(trainers[0], b, some) for key, b in backbones.items()}
    needed = [[seconds[b.fingerprint] for b in t.backbones] for t in trainers]
    return [len(some) / sum(each) for each in needed]


def _seconds(
    trainer: ImageClassificationTrainer, backbone: Backbone, photos: pd.DataFrame
) -> float:
    """Time a backbone on photos, with flips on their mirror images too."""
    shards = open_shards(trainer.workspace_path, backbone, look=False)
    shards.prepare()
    if shards.folder:
        backbone.keep_in(shards.folder)  # where it lies there converted, that is used
    backbone.engine()
    sources, augment = as_sources(photos), trainer.augment
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        extract(sources, [backbone], None, augment=augment, progress=False)
        rounds.append(time.perf_counter() - started)
    return min(rounds)


def megabytes(backbones: Sequence[Backbone], n_classes: int) -> float:
    """Return the size of a saved model's weights, backbones and head, in 10⁶ bytes."""
    n_features = sum(backbone.n_features for backbone in backbones)
    head = 4 * (n_features + 1) * n_classes
    return (sum(b.weights_vector().nbytes for b in backbones) + head) / 1e6


def paired_test(
    names: tuple[str, str], first: CrossValidation, other: CrossValidation
) -> PairedComparison:
    """Compare two answers to each photo, in all seeds' runs; copies are one photo."""
    labels, *_ = outcomes(first.predictions, first.class_names)
    return paired(names, labels, _means(first), _means(other), first.distinct)


def _means(result: CrossValidation) -> tuple[np.ndarray, np.ndarray]:
    """Return a photo's hits and losses, the means of its seeds."""
    _, hits, losses = outcomes(result.predictions, result.class_names)
    return hits.mean(axis=0), losses.mean(axis=0)


def _test(pair: PairedComparison) -> dict[str, float]:
    row = pair.table.loc["micro_accuracy", ["difference", "low", "high"]]
    names = ("difference", "difference_low", "difference_high")
    return {**dict(zip(names, row, strict=True)), "p": pair.p}
