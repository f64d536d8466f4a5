"""What corrected labels are worth: heads trained before and after, on the same V."""

import dataclasses
import os
import textwrap
from typing import Any

import pandas as pd

from carlib.backbones.backbone import Backbone
from carlib.data.index import Row
from carlib.data.patch import patched
from carlib.data.table import COLUMNS, are_leaked, split
from carlib.errors import DataError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.metrics import Metrics
from carlib.evaluation.paired import PairedComparison
from carlib.files import as_path
from carlib.messages import say
from carlib.training.options import TrainingOptions
from carlib.training.trainer import ImageClassificationTrainer

# A head at its optimum, which is there in a second, by `choose_l2`'s middle candidate:
# what differs is what the labels did, not the way there.
OPTIONS = TrainingOptions(
    optimizer="lbfgs", l2=0.03, class_weight="balanced", early_stopping=None
)

WIDTH = 88  # characters of a line in print


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PatchWorth:
    """Hold the figures before and after corrections; print it to read them.

    Attributes:
        n_relabelled: Photos in T with another label.
        n_dropped: Photos in T that are left out.
        n_leaked: Photos in V that T held, too, as copies: none is judged by.
        before: The figures of a head trained on the labels as they were.
        after: The same, on those that were corrected.
        comparison: The differences, after less before, with their 95 % intervals.
    """

    n_relabelled: int
    n_dropped: int
    n_leaked: int
    before: Metrics
    after: Metrics
    comparison: PairedComparison

    @property
    def sentence(self) -> str:
        """What the corrections did to the macro-accuracy, in words."""
        macro = self.comparison.table.loc["macro_accuracy"]
        count = self.n_relabelled + self.n_dropped
        verdict = "V is too small to tell gain from luck"
        if macro.low > 0 or macro.high < 0:
            verdict = "they made it " + ("better" if macro.low > 0 else "worse")
        return (
            f"After {count:,} correction{'s' * (count != 1)} the macro-accuracy went "
            f"from {macro['first']:.3f} to {macro.second:.3f}; 95 % of the difference: "
            f"{macro.low:+.3f} to {macro.high:+.3f}: {verdict}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers, text, lists and dicts."""
        counts = ("n_relabelled", "n_dropped", "n_leaked", "sentence")
        parts = ("before", "after", "comparison")
        return {name: getattr(self, name) for name in counts} | {
            name: getattr(self, name).to_dict() for name in parts
        }

    def __str__(self) -> str:
        told = (
            f"T: {self.n_relabelled:,} with another label, {self.n_dropped:,} left "
            f"out. Judged by the same {self.before.n:,} photos in V."
        )
        if self.n_leaked:
            told += (
                f" {self.n_leaked:,} more in V aren't judged by: T has copies of them, "
                "and to leave those out would look like a loss."
            )
        paragraphs = [textwrap.fill(text, WIDTH) for text in (self.sentence, told)]
        return "\n\n".join([*paragraphs, str(self.comparison)])

    __repr__ = __str__


def patch_worth(
    photos: pd.DataFrame,
    patch: str | os.PathLike,
    arch: str | Backbone = "EfficientNetLite0",
    options: TrainingOptions = OPTIONS,
    *,
    workspace_path: str | os.PathLike | None = "workspace",
) -> PatchWorth:
    """Tell what decisions about labels are worth, by heads trained before and after.

    Both are judged by the photos in V with the labels that these have, whatever was
    decided about them, and without those of which T has a copy.

    Args:
        photos: As `load_index` returns them without a patch.
        patch: The decisions; see `load_index`.
        arch: Whose features the heads are trained on; kept ones take no time.
        options: How.
        workspace_path: Where features are kept; None: nowhere.

    Raises:
        DataError: The patch is wrong, changes no photo in T or leaves none of a class;
            or no photos are in V.

    Example:
        >>> print(carlib.patch_worth(carlib.load_index(folder), "labels.patch.csv"))
    """
    train, known = split(photos, on_leak="keep")
    corrected, notes = _corrected(train, known, patch)
    judged = known[~are_leaked(train, known)] if len(known) else known
    _check(train, corrected, judged, patch)
    for note in notes:
        say(note)
    fields = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    trainer = ImageClassificationTrainer(
        arch=arch, workspace_path=workspace_path, **fields
    )
    before, after = (
        evaluate(trainer.fit(each).predict(judged)) for each in (train, corrected)
    )
    both = train.merge(corrected, on="image_path")
    return PatchWorth(
        n_relabelled=int((both.damage_class_x != both.damage_class_y).sum()),
        n_dropped=len(train) - len(corrected),
        n_leaked=len(known) - len(judged),
        before=before,
        after=after,
        comparison=before.compare(after, names=("before", "after")),
    )


def _corrected(
    train: pd.DataFrame, validation: pd.DataFrame, patch: str | os.PathLike
) -> tuple[pd.DataFrame, list[str]]:
    """Return the photos in T as a patch has them, and what is to be said of it."""
    both = pd.concat([train, validation])[COLUMNS]
    rows = [Row(0, *row) for row in both.itertuples(index=False, name=None)]
    after, notes = patched(str, rows, as_path(patch))
    table = pd.DataFrame([row[1:] for row in after], columns=COLUMNS, dtype="str")
    return table[table.subset == "T"].reset_index(drop=True), notes


def _check(
    train: pd.DataFrame,
    corrected: pd.DataFrame,
    judged: pd.DataFrame,
    patch: str | os.PathLike,
) -> None:
    if judged.empty:
        raise DataError(
            "No photos are in V that T has no copy of: nothing to judge by."
        )
    if gone := sorted(set(train.damage_class) - set(corrected.damage_class)):
        raise DataError(f"{patch} leaves no photo in T of {', '.join(gone)}.")
    if corrected.equals(train[COLUMNS]):
        raise DataError(
            f"{patch} changes no label of a photo in T, and leaves none out.",
            hint="There is nothing to tell the worth of.",
        )
