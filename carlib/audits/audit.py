"""Look through the data for what is wrong with it."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from carlib.audits.classes import class_table
from carlib.audits.faults import file_faults
from carlib.audits.found import Audit
from carlib.audits.pairs import find_pairs, standardised, unit
from carlib.audits.suspects import are_outliers, doubtful, far_from_all, out_of_fold
from carlib.backbones.backbone import Backbone
from carlib.backbones.engines import Network
from carlib.bottlenecks.extract import extract
from carlib.data.decisions import (
    COLUMNS,
    RELABEL,
    in_order,
    read_decisions,
    settled,
)
from carlib.data.labels import labels_of
from carlib.data.near import grouped, picture_hashes
from carlib.data.sources import Source, as_sources
from carlib.errors import DataError
from carlib.training.folds import distinct_photos


def audit(
    photos: pd.DataFrame,
    arch: Network | str = "EfficientNetLite0",
    *,
    workspace_path: str | os.PathLike | None = "workspace",
    decisions: pd.DataFrame | str | os.PathLike | None = None,
    progress: bool = True,
) -> Audit:
    """Look through photos and their labels for what is wrong with them.

    Found are files that can't be read or are called what they aren't; copies, of the
    same bytes, the same pixels, nearly the same or mirrored, and among them those in T
    and V and those under two labels; labels that heads trained without the photo and
    its copies contradict; photos unlike all others; classes that are tiny or may be
    meant to be one. Nothing is changed.

    The thresholds were set by eye on the workshop's 1,210 photos: see `data.hashes`,
    `audit.pairs` and `audit.suspects`. More than 50,000 photos are gone through by
    parts: the nearest of a photo are looked for in and near its cell (`audits.cells`),
    and of more than 65,536 the hashes are compared by buckets (`data.buckets`).

    Args:
        photos: Columns image_path and damage_class, and subset if there is one.
        arch: Whose features tell what is alike.
        workspace_path: Where features are kept; None keeps nothing.
        decisions: A file, or a table, of what was decided before; see
            `data.decisions`. A pair that is "different" and a label to "keep" don't
            come back.
        progress: Show a bar.

    Raises:
        DataError: A column is missing, labels are none, or decisions are wrong.

    Example:
        >>> found = carlib.audit(carlib.load_index("data/sample"))
        >>> found.pairs[found.pairs.crosses]
    """
    _check(photos)
    labels, subsets = labels_of(photos), _subsets(photos)
    known = _decisions(decisions)
    backbone = Backbone(arch) if isinstance(arch, str) else arch
    sources = as_sources(photos)
    features = extract(
        sources, [backbone], workspace_path, on_error="skip", progress=progress
    )
    rows = np.setdiff1d(np.arange(len(sources)), list(features.errors))
    table = pd.DataFrame(
        {
            "image_path": [sources[row].name for row in rows],
            "damage_class": labels[rows],
            "subset": subsets[rows],
            "sha256": [features.keys[row].hex() for row in rows],
        }
    )
    values = features.take(rows)
    pairs = _pairs(table, [sources[row] for row in rows], values)
    distinct = _distinct(table, pairs)
    return Audit(
        n=len(sources),
        files=file_faults(sources, features.errors),
        pairs=_undecided(pairs, known),
        suspects=_suspects(table, values, distinct, known),
        outliers=_outliers(table, values, distinct),
        classes=class_table(labels[rows], subsets[rows], distinct),
    )


def _check(photos: Any) -> None:
    found = (
        list(photos) if isinstance(photos, pd.DataFrame) else [type(photos).__name__]
    )
    if not {"image_path", "damage_class"} <= set(found) or not len(photos):
        raise DataError(
            "Expected a table of photos with the columns image_path and damage_class. "
            f"Received: {', '.join(map(str, found))}",
            hint="Such as load_index returns it.",
        )


def _subsets(photos: pd.DataFrame) -> np.ndarray:
    if "subset" in photos:
        return photos["subset"].astype("str").to_numpy(dtype=object)
    return np.full(len(photos), "", dtype=object)


def _decisions(given: pd.DataFrame | str | os.PathLike | None) -> pd.DataFrame:
    if given is None:
        return pd.DataFrame(columns=COLUMNS, dtype="str")
    if isinstance(given, pd.DataFrame):
        return in_order(given, "decisions")
    return read_decisions(given)


def _pairs(
    table: pd.DataFrame, sources: Sequence[Source], values: np.ndarray
) -> pd.DataFrame:
    """Return the pairs that are one picture, what is most wrong with them first."""
    keys = [bytes.fromhex(key) for key in table["sha256"]]
    _, hashes = picture_hashes(sources)
    found = find_pairs(sources, keys, hashes, unit(standardised(values)))
    one, other = (table.iloc[found[side]].reset_index(drop=True) for side in "ab")
    sides = pd.concat([one, other.add_prefix("other_")], axis=1)
    pairs = pd.concat([found[["kind", "bits", "similarity"]], sides], axis=1)
    subsets = pairs["subset"] + pairs["other_subset"]
    pairs["crosses"] = subsets.isin(["TV", "VT"])
    pairs["contradicts"] = pairs["damage_class"] != pairs["other_damage_class"]
    order = ["contradicts", "crosses", "similarity"]
    return pairs.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def _distinct(table: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    """Return a number a photo, the same for copies, whatever their order."""
    keys, names = pd.factorize(table["sha256"])  # copies of a file have one
    ends = [names.get_indexer(pairs[c]) for c in ("sha256", "other_sha256")]
    groups = grouped(len(names), np.stack(ends, axis=1))[keys]
    return distinct_photos(table["sha256"].groupby(groups).transform("min").tolist())


def _undecided(pairs: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    false = settled(known, "pair", "different")
    sums = zip(pairs["sha256"], pairs["other_sha256"], strict=True)
    keep = [tuple(sorted(pair)) not in false for pair in sums]
    return pairs[np.array(keep, bool)].reset_index(drop=True)


def _suspects(
    table: pd.DataFrame, values: np.ndarray, distinct: np.ndarray, known: pd.DataFrame
) -> pd.DataFrame:
    """Return the photos whose label is doubtful, the most doubtful first."""
    given, names = pd.factorize(table["damage_class"], sort=True)
    scores = out_of_fold(standardised(values), given, distinct)
    rows = doubtful(given, scores)
    suspects = table.iloc[rows].assign(
        suggested=names.to_numpy()[scores[rows].argmax(axis=1)],
        probability=scores[rows, given[rows]],
        suggested_probability=scores[rows].max(axis=1),
    )
    suspects["margin"] = suspects["suggested_probability"] - suspects["probability"]
    decided = {photo for photo, _ in settled(known, "label", "keep", "drop", RELABEL)}
    open_ = suspects[~suspects["sha256"].isin(decided)]
    return open_.sort_values(
        "margin", ascending=False, kind="stable", ignore_index=True
    )


def _outliers(
    table: pd.DataFrame, values: np.ndarray, distinct: np.ndarray
) -> pd.DataFrame:
    """Return the photos that are unlike all others, the farthest first."""
    distances = far_from_all(unit(values), distinct)
    far = table.assign(distance=distances)[are_outliers(distances)]
    return far.sort_values(
        "distance", ascending=False, kind="stable", ignore_index=True
    )
