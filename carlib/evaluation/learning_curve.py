"""How many more photos? Accuracy over the number of training photos, and beyond.

Heads are trained on fewer photos than there are, on features that are computed once;
what more photos would give is foretold from how the figures rose so far.
"""

import dataclasses
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from carlib.backbones.joined import name_of
from carlib.errors import OptionError
from carlib.evaluation import power_law
from carlib.evaluation.power_law import PowerLaw
from carlib.evaluation.text import cut
from carlib.evaluation.thinned import Hits, Photos, thinned
from carlib.messages import bar
from carlib.training.choose_l2 import choose_l2
from carlib.training.folds import distinct_photos, most_folds
from carlib.training.options import TrainingOptions
from carlib.training.photo_set import PhotoSet
from carlib.training.task import class_weights
from carlib.training.trainer import ImageClassificationTrainer

FOLDS = 5
FARTHEST = 3  # times as many photos as there are: nobody knows what comes after
ALL = "all classes"
_SHOWN = (1.5, 2.0)  # times as many, in print


@dataclasses.dataclass(frozen=True)
class Foretold:
    """What more photos are foretold to give; print it to read it.

    Attributes:
        what: The class whose recall it is, or "all classes": the macro-accuracy.
        more: How many photos more.
        now: The accuracy with those there are.
        then, low, high: That with so many more, and where it lies in 95 of 100 cases.
    """

    what: str
    more: int
    now: float
    then: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"some {self.more:,} more photos of {self.what}: {self.now:.2f} → "
            f"{self.then:.2f}, {self.low:.2f} to {self.high:.2f}"
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LearningCurve:
    """Hold how the accuracy rises with the number of photos; print it to read it.

    Attributes:
        arch: The backbones' names.
        photos: How many there are by class, and under "all classes" altogether.
        points: A row a measured point. what: a class, whose recall it is when its
            photos alone are fewer, or "all classes": the macro-accuracy. photos:
            training photos of it, accuracy, and low and high, its 95 % interval.
        laws: What is foretold of each.
        folds, repeats: How often the photos were divided, and into how many parts.
    """

    arch: str
    photos: dict[str, int]
    points: pd.DataFrame
    laws: dict[str, PowerLaw]
    folds: int
    repeats: int

    def foretell(self, more: int, of: str = ALL) -> Foretold:
        """Foretell the accuracy with more photos.

        Args:
            more: How many; together no more than three times those there are.
            of: The class that they are of; "all classes": of all, in today's shares.

        Raises:
            OptionError: There is no such class, or that is too far to be foretold.

        Example:
            >>> print(curve.foretell(40, of="bumper_scratch"))
            some 40 more photos of bumper_scratch: 0... → ..., 0... to ...
        """
        if of not in self.laws:
            raise OptionError(
                f"Expected one of {', '.join(self.laws)}. Received: {of!r}"
            )
        there = self.photos[of]
        most = (FARTHEST - 1) * there
        if not isinstance(more, Integral) or not 0 <= more <= most:
            raise OptionError(
                f"Expected a whole number of photos from 0 to {most:,}, for there are "
                f"{there:,}. Received: {more!r}",
                hint="Nobody can tell what lies farther: ask again with more photos.",
            )
        now, _, _ = self.laws[of].at(there)
        return Foretold(of, int(more), now, *self.laws[of].at(there + int(more)))

    @property
    def table(self) -> pd.DataFrame:
        """What half as many again, and twice as many, would give: a row each."""
        rows = [
            dataclasses.asdict(
                self.foretell(round((factor - 1) * self.photos[what]), what)
            )
            for what in self.laws
            for factor in _SHOWN
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        width = max(len(cut(what)) for what in self.laws)
        repeats = f"{self.repeats} repeat" + "s" * (self.repeats != 1)
        divided = f"{self.folds} folds × {repeats}"
        heading = (
            f"Learning curve of {self.arch} on {self.photos[ALL]:,} photos, "
            f"{len(self.laws) - 1} classes: {divided}."
        )
        header = f"{'':{width}}{'photos':>8}{'now':>6}" + "".join(
            f"{name:>27}" for name in ("half as many again", "twice as many")
        )
        rows = [
            self._line(what, each, width)
            for what, each in self.table.groupby("what", sort=False)
        ]
        return "\n".join([heading, "", header, *rows, "", LEGEND])

    __repr__ = __str__

    def _line(self, what: str, rows: pd.DataFrame, width: int) -> str:
        now = f"{rows['now'].iloc[0]:6.2f}"
        cells = [
            f"{f'+{row.more:,}:':>9} {row.then:.2f}, {row.low:.2f} – {row.high:.2f}"
            for row in rows.itertuples(index=False)
        ]
        figures = "".join(f"{cell:>27}" for cell in cells)
        return f"{cut(what):{width}}{self.photos[what]:8,}{now}{figures}"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, text, lists and dicts."""
        return {
            "arch": self.arch,
            "photos": dict(self.photos),
            "folds": self.folds,
            "repeats": self.repeats,
            "points": self.points.to_dict("records"),
            "foretold": self.table.to_dict("records"),
        }


LEGEND = """\
all classes: the macro-accuracy, with more photos of each; a class: its recall, with
more photos of it alone. Foretold as a − b·n^−c, with where it lies in 95 of 100 cases.
It holds for photos like these; photos of another kind may teach more."""


def learning_curve(
    photos: pd.DataFrame,
    trainer: ImageClassificationTrainer,
    *,
    repeats: int = 3,
    progress: bool = True,
) -> LearningCurve:
    """Measure how the accuracy rises with the number of photos, and foretell more.

    Heads are trained on nested subsets of the photos, copies together, and judged on
    photos that they never saw, in five folds that are drawn anew for each repeat: with
    an eighth to all of the photos for the macro-accuracy, and with a quarter, a half
    and all of each class's own for its recall. To these an inverse power law
    a − b·n^−c is fitted (Viering and Loog 2022, arXiv 2103.10948) a thousand times:
    each time to photos, copies together, and repeats drawn anew, and with another c, as
    few points can't tell it. The middle 95 % are the band.

    The heads are the optimum of the trainer's loss on standardised features (see
    `optimum`), whatever its optimizer is; an l2 of 0 or "auto" is chosen by
    cross-validation. Where the trainer flips, features are the mean of a photo's and of
    its mirror image's. They aren't calibrated: that changes no answer.

    Of the workshop's photos a half was taken 50 times to foretell what all give: the
    macro-accuracy lay in the band 49 times, a class's recall in 100 of 100 cases. See
    `benchmarks/learning_curve.py`.

    Args:
        photos: Columns image_path and damage_class.
        trainer: Whose backbones and loss are taken.
        repeats: How often the photos are divided anew.
        progress: Show a bar with the time left.

    Raises:
        OptionError: `repeats` isn't 1 or more.
        DataError: A class has fewer than two different photos, or what `fit` raises.
        ImageError: Photos that can't be read, all of them at once.

    Example:
        >>> curve = carlib.learning_curve(photos, trainer, repeats=1)
        >>> print(curve.foretell(40, of="bumper_scratch"))
    """
    if not isinstance(repeats, Integral) or repeats < 1:
        raise OptionError(
            f"Expected 1 repeat or more, a whole number. Received: {repeats!r}"
        )
    photo_set = trainer.photo_set(photos)
    distinct = distinct_photos(photo_set.pictures)
    hint = "Add photos, or leave these classes out."
    folds = most_folds(photo_set, distinct, FOLDS, "A learning curve", hint)
    learned, classes = photos_of(photo_set, distinct, trainer), photo_set.classes
    with bar(folds * repeats, "Learning curve", "fold", disable=not progress) as shown:
        labels = range(len(classes))
        found = thinned(learned, labels, folds, int(repeats), shown.update)
    names = (ALL, *classes)
    counts = (len(photo_set), *np.bincount(photo_set.labels).tolist())
    drawn = [hits.drawn() for hits in found]
    return LearningCurve(
        arch=name_of(trainer.backbones),
        photos=dict(zip(names, counts, strict=True)),
        points=_points(names, found, drawn),
        laws={
            name: power_law.fit(hits.sizes, draws)
            for name, hits, draws in zip(names, found, drawn, strict=True)
        },
        folds=folds,
        repeats=int(repeats),
    )


def photos_of(
    photo_set: PhotoSet, distinct: np.ndarray, trainer: ImageClassificationTrainer
) -> Photos:
    """Return photos as the heads that stand for a trainer's see them."""
    views = range(1 + photo_set.features.mirrored)
    features = np.mean([photo_set.as_they_are(bool(view)) for view in views], axis=0)
    fields = {
        each.name: getattr(trainer, each.name)
        for each in dataclasses.fields(TrainingOptions)
    }
    if trainer.l2 in ("auto", 0):
        weights = class_weights(trainer.class_weight, photo_set)
        fields["l2"] = choose_l2(photo_set, weights, trainer.seed)
    options = TrainingOptions(**fields)
    return Photos(features, photo_set.labels, distinct, photo_set.classes, options)


def _points(
    names: Sequence[str], found: Sequence[Hits], drawn: Sequence[np.ndarray]
) -> pd.DataFrame:
    tables = []
    for name, hits, draws in zip(names, found, drawn, strict=True):
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        accuracy = hits.recall()
        ends = {"low": np.minimum(low, accuracy), "high": np.maximum(high, accuracy)}
        columns = {"accuracy": accuracy, **ends}
        tables.append(pd.DataFrame({"what": name, "photos": hits.sizes, **columns}))
    return pd.concat(tables, ignore_index=True)
