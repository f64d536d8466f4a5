"""What an audit may find among photos whose names would do harm: each kind of case."""

import pandas as pd

from carlib.audits.found import Audit
from carlib.reading import sha256_of

NOTHING = pd.DataFrame({"kind": [], "problem": []})


def audited(photos: pd.DataFrame) -> Audit:
    """An audit's tables, made by hand, of six photos in T and two in V.

    Cases, in this order: 1 a pair in T under two labels, 2 a pair in V and T, 3 to 5
    doubtful labels in T, the first of them that of the first photo; 6 one in V.
    """
    photos = photos[~photos.image_path.str.contains("broken")]
    t, v = (photos[photos.subset == letter].reset_index(drop=True) for letter in "TV")
    other = t.index[t.damage_class != t.damage_class[0]][-1]
    pairs = [
        _pair(t.loc[0], t.loc[other], "near"),
        _pair(v.loc[0], t.loc[1], "mirrored"),
    ]
    names = sorted(set(photos.damage_class))
    suspects = [t.loc[0], t.loc[2], t.loc[3], v.loc[1]]
    return Audit(
        n=len(photos),
        files=NOTHING,
        pairs=pd.DataFrame(pairs),
        suspects=pd.DataFrame([_suspect(each, names) for each in suspects]),
        outliers=NOTHING,
        classes=pd.DataFrame({"damage_class": names, "note": ""}),
    )


def _side(photo: pd.Series) -> dict:
    names = ["image_path", "damage_class", "subset"]
    return {**photo[names].to_dict(), "sha256": sha256_of(photo.image_path)}


def _pair(one: pd.Series, other: pd.Series, kind: str) -> dict:
    sides = _side(one) | {f"other_{k}": v for k, v in _side(other).items()}
    return sides | {
        "kind": kind,
        "crosses": one.subset != other.subset,
        "contradicts": one.damage_class != other.damage_class,
    }


def _suspect(photo: pd.Series, names: list[str]) -> dict:
    other = next(name for name in names if name != photo.damage_class)
    figures = {"probability": 0.02, "suggested_probability": 0.9, "margin": 0.88}
    return _side(photo) | {"suggested": other} | figures
