"""Prove a model's figures: find them anew from the data, and name what differs."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from carlib.bottlenecks.features import Features
from carlib.data.contents import content_hashes
from carlib.data.labels import labels_of
from carlib.errors import DataError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.figures import close_photos, differing, n_figures
from carlib.model.digests import DIGITS, are_digests, pairs_of
from carlib.model.evidence import weights_of
from carlib.model.model import ImageClassificationModel
from carlib.training.photo_set import PhotoSet, data_hash

SHOWN = 60


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is not what a model says.

    Attributes:
        kind: "photo", "training photo", "training photos", "weights" or "figure".
        what: Its name.
        stored: What the model says, and now, what was found.
    """

    kind: str
    what: str
    stored: str
    now: str

    def __str__(self) -> str:
        return f"{self.kind} {self.what}: {self.stored}; now {self.now}"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Proof:
    """Hold what differs between what a model says of itself and what was found.

    Attributes:
        differences: Each thing that differs.
        figures: How many figures were found anew.
        photos: How many photos they are of.
        notes: What could not be proved, and why.
    """

    differences: list[Difference]
    figures: int
    photos: int
    notes: list[str]

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        found = f"{self.figures:,} figures, found anew on {self.photos:,} photos"
        if self.ok:
            lines = [f"Proved: {found}, are what the model says."]
        else:
            count = len(self.differences)
            lines = [f"Not proved: {count:,} things differ ({found})."]
            lines += [f"  {each}" for each in self.differences[:SHOWN]]
            lines += [f"  … and {count - SHOWN:,} more"] if count > SHOWN else []
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return it all as plain values."""
        return {"ok": self.ok} | dataclasses.asdict(self)


def prove(
    model: ImageClassificationModel,
    photos: pd.DataFrame,
    subset: str = "V",
    *,
    progress: bool = True,
) -> Proof:
    """Find the figures stored in a model anew, and name each that differs.

    Looked at are the photos measured on, by content and label; those trained on; the
    weights; and each figure, at the model's own precision. Figures may differ by what
    another chip makes of the same photos: nothing where no answer changed; where the
    two likeliest classes are close, as much as so many answers make (see
    `carlib.evaluation.figures`).

    Args:
        model: One that was saved with metrics.
        photos: Columns image_path and damage_class, and subset, as from `load_index`;
            without subset all are those measured on.
        subset: Which were measured on: "V", "T", "test", or "all".
        progress: Show a bar.

    Raises:
        DataError: The model has no figures, or there are no such photos.
        ImageError: Photos that can't be read.

    Example:
        >>> carlib.prove(model, photos).ok
        True
    """
    stored = dict(model.metrics)
    evidence = stored.pop("evidence", {})
    evidence = evidence if isinstance(evidence, dict) else {}
    if not isinstance(stored.get("per_class"), list):
        raise DataError(
            "The model has no figures to prove.",
            hint="Save it with them: model.save(path, carlib.evaluate(predictions)).",
        )
    table = _with_keys(photos)
    measured = _of(table, subset)
    answers = model.predict(
        measured,
        on_error="skip" if stored.get("n_dropped") else "raise",
        progress=progress,
    )
    found = evaluate(answers, top_k=_depth(stored, len(model.class_names))).to_dict()
    same = evidence.get("precisions", _precisions(model)) == _precisions(model)
    close = close_photos(answers, same)
    differences = [
        *_photos("photo", evidence.get("photos"), measured, table),
        *_trained(model, table),
        *_weights(model, evidence.get("weights")),
        *(
            Difference("figure", name, _text(before), _text(now))
            for name, before, now in differing(stored, found, close, same)
        ),
    ]
    notes = list(_notes(model, evidence, same, close))
    if any(each.kind == "photo" for each in differences):
        notes.append("The photos differ, so that figures do, too.")
    return Proof(differences, n_figures(stored), len(measured), notes)


def _with_keys(photos: Any) -> pd.DataFrame:
    """Return photos with the columns key, their SHA-256, and label."""
    needed = {"image_path", "damage_class"}
    if not isinstance(photos, pd.DataFrame) or not needed <= set(photos):
        raise DataError(
            "Expected a table of photos with the columns image_path and damage_class. "
            f"Received: {type(photos).__name__} without",
            hint="Pass what carlib.load_index returns.",
        )
    return photos.assign(key=content_hashes(photos), label=labels_of(photos))


def _of(table: pd.DataFrame, subset: str) -> pd.DataFrame:
    whole = subset == "all" or "subset" not in table
    chosen = table if whole else table[table["subset"] == subset]
    if chosen.empty:
        raise DataError(f"There are no photos in {subset} to measure on.")
    return chosen


def _depth(stored: Mapping[str, Any], n_classes: int) -> int | None:
    """Return the top_k that the stored figures were found with."""
    kept = stored.get("top_k_accuracy")
    fits = isinstance(kept, list) and 0 < len(kept) <= n_classes
    return len(kept) if fits else None


def _precisions(model: ImageClassificationModel) -> list[str]:
    return [backbone.precision for backbone in model.backbones]


def _photos(
    kind: str, digests: Any, given: pd.DataFrame, table: pd.DataFrame
) -> Iterator[Difference]:
    """Name photos that have another label, are no longer there, or are new.

    Args:
        digests: What the model says of them.
        given: Those that should be the same; table: where else to look.
    """
    if not digests or not are_digests(digests):
        return
    short = given["key"].str[:DIGITS]
    now = Counter(zip(short, given["label"], strict=True))
    before = Counter(pairs_of(digests))
    gone, come = before - now, now - before
    relabelled = dict(sorted(gone))
    elsewhere = dict(
        zip(table["key"].str[:DIGITS], table["image_path"].map(str), strict=True)
    )
    paths = dict(zip(short, given["image_path"].map(str), strict=True))
    for digest, label in come:
        name = paths[digest]
        if digest in relabelled:
            yield Difference(kind, name, f"labelled {relabelled[digest]}", label)
        else:
            yield Difference(kind, name, "not among them, or other content", label)
    for digest, label in gone:
        if digest in {each for each, _ in come}:
            continue
        name = f"with the SHA-256 {digest}…"
        where = f"in another subset: {elsewhere[digest]}" if digest in elsewhere else ""
        yield Difference(kind, name, label, where or "not there, or changed")


def _trained(
    model: ImageClassificationModel, table: pd.DataFrame
) -> Iterator[Difference]:
    """Name what is not as it was trained on."""
    if "subset" not in table:
        return
    learned = table[table["subset"] == "T"]
    watched = table[table["subset"] == "V"]
    if learned.empty or model.data_hash in _data_hashes(model, learned, watched):
        return
    named = list(_photos("training photo", model.trained_on, learned, table))
    if named:
        yield from named
    else:
        now = f"others: {len(learned):,} photos in T"
        yield Difference("training photos", "and labels", "those trained on", now)


def _data_hashes(
    model: ImageClassificationModel, learned: pd.DataFrame, watched: pd.DataFrame
) -> Iterator[str]:
    """Yield the hashes of what may have been trained on and watched."""
    train, validation = (_photo_set(model, each) for each in (learned, watched))
    yield data_hash(train, None)
    yield data_hash(train, validation)
    share, seed = _held_out(model.options), model.options.get("seed")
    if share and isinstance(seed, int):
        rest, held_out = train.hold_out(share, seed)
        yield data_hash(rest, held_out if len(held_out) else None)


def _held_out(options: Mapping[str, Any]) -> float | None:
    """Return the share of the photos that was watched, as of `TrainingOptions`."""
    share = options.get("validation_set_fraction")
    if share == "auto":
        return 0.1 if options.get("early_stopping") else None
    return share if isinstance(share, float) and 0 < share < 1 else None


def _photo_set(model: ImageClassificationModel, photos: pd.DataFrame) -> PhotoSet:
    """Return photos as the trainer hashes them: contents and labels, no features."""
    keys = [bytes.fromhex(key) for key in photos["key"]]
    labels = pd.Index(model.class_names).get_indexer(pd.Index(photos["label"]))
    features = Features(keys, {}, 0, len(keys), ())
    unknown = len(model.class_names)
    labels = np.where(labels < 0, unknown, labels)
    classes = (*model.class_names, "a class that the model doesn't know")
    return PhotoSet(features, np.arange(len(keys)), labels, classes)


def _weights(model: ImageClassificationModel, stored: Any) -> Iterator[Difference]:
    if not isinstance(stored, dict):
        return
    now = weights_of(model.backbones, model.head)
    for name, digest in now.items():
        before = str(stored.get(name, "none"))
        if before != digest:
            yield Difference("weights", f"of {name}", before[:DIGITS], digest[:DIGITS])


def _notes(
    model: ImageClassificationModel,
    evidence: Mapping[str, Any],
    same: bool,
    close: int,
) -> Iterator[str]:
    if not evidence.get("photos"):
        yield "The model doesn't say which photos its figures are of."
    if not isinstance(evidence.get("weights"), dict):
        yield "The model doesn't say which weights its figures are of."
    if not model.trained_on:
        yield "The model doesn't say which photos it was trained on, one by one."
    if not same:
        yield (
            f"This machine computes at {model.precision}, not at what the figures were "
            f"found with: {close:,} photos are close enough to be named otherwise."
        )


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:200]
