"""Gates for a model, such as CI has them: floors, golden photos, no step back."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from carlib.data.addresses import shown
from carlib.data.labels import labels_of
from carlib.errors import DataError, OptionError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.junit import junit_xml
from carlib.evaluation.metrics import Metrics
from carlib.evaluation.text import cut
from carlib.model.model import ImageClassificationModel
from carlib.training import ranges

SIGNIFICANT = 0.05  # one-sided: how often a model that is as good is called worse
NAMED = 20  # golden photos that came out wrong
NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Gate:
    """One thing asked of a model, and what came of it.

    Attributes:
        name: Such as "recall of door_dent".
        asked: In words, such as "at least 0.6".
        got: The figure; nan where there is nothing to tell it by.
        low, high: Its 95 % interval, where it has one; else nan.
        passed: Whether the figure is as asked.
        note: What else is to be known.
    """

    name: str
    asked: str
    got: float
    low: float = NAN
    high: float = NAN
    passed: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Check:
    """Hold what came of a model's gates; print it to read them.

    Attributes:
        n: The photos that the floors were judged on.
        gates: Each gate.
    """

    n: int
    gates: list[Gate]

    @property
    def ok(self) -> bool:
        """Whether all gates are passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def table(self) -> pd.DataFrame:
        """The gates, a row each."""
        return pd.DataFrame([dataclasses.asdict(gate) for gate in self.gates])

    def __str__(self) -> str:
        failed = sum(not gate.passed for gate in self.gates)
        verdict = (
            f"{failed} of {len(self.gates)} gates failed" if failed else "All passed"
        )
        width = max(len(cut(gate.name)) for gate in self.gates)
        room = max(len(gate.asked) for gate in self.gates)
        header = f"  {'':{width}}  {'asked for':{room}}  {'got':>7}   95 % interval"
        lines = [line for gate in self.gates for line in _lines(gate, width, room)]
        return "\n".join([f"{verdict}, on {self.n:,} photos.", "", header, *lines])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return the gates as plain values; nan as None."""
        rows = [dataclasses.asdict(gate) for gate in self.gates]
        plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
        return {"ok": self.ok, "photos": self.n, "gates": plain}

    def junit(self) -> str:
        """Return the gates as JUnit's XML, a test case each, as CI services read it.

        Example:
            >>> checked = carlib.check(model, test, min_macro=0.75)
            >>> Path("results.xml").write_text(checked.junit(), "utf-8")
        """
        cases = [(f"{g.name}: {g.asked}", g.passed, _got(g)) for g in self.gates]
        return junit_xml("carlib check", cases)


def _got(gate: Gate) -> str:
    """Return what came of a gate, in a sentence or two."""
    got = f"Got {gate.got:.4f}" if gate.got == gate.got else "Got nothing to judge by"
    if gate.low == gate.low:
        got += f", 95 %: {gate.low:.4f} – {gate.high:.4f}"
    return f"{got}. {gate.note}".strip()


def _lines(gate: Gate, width: int, room: int) -> list[str]:
    got = f"{gate.got:7.4f}" if gate.got == gate.got else f"{'n/a':>7}"
    between = f"{gate.low:.4f} – {gate.high:.4f}" if gate.low == gate.low else ""
    mark = "✓" if gate.passed else "✗"
    line = f"{mark} {cut(gate.name):{width}}  {gate.asked:{room}}  {got}   {between}"
    notes = [f"    {note}" for note in gate.note.split("\n") if note]
    return [line.rstrip(), *notes]


def check(
    model: ImageClassificationModel,
    photos: pd.DataFrame,
    *,
    min_micro: float | None = None,
    min_macro: float | None = None,
    max_log_loss: float | None = None,
    min_recall: float | None = None,
    min_recalls: Mapping[str, float] | None = None,
    golden: pd.DataFrame | None = None,
    not_worse_than: ImageClassificationModel | None = None,
    progress: bool = True,
) -> Check:
    """Judge a model by gates: floors, photos that must come out right, no step back.

    A floor is judged by the figure itself. Where it lies inside of the figure's 95 %
    interval, a note says that there are too few photos to be sure. A class that has no
    photo here fails its floor: nothing shows that it holds.

    Args:
        model: Who is judged.
        photos: Columns image_path and damage_class; none that it was trained on.
        min_micro, min_macro: The least micro- and macro-accuracy.
        max_log_loss: The highest log-loss, in nats.
        min_recall: The least recall of each class, where `min_recalls` has none.
        min_recalls: The least recall of some classes, by name.
        golden: Photos of which each must be named right: columns image_path and
            damage_class.
        not_worse_than: A model that this one must not be significantly worse than, on
            the same photos: the exact test of McNemar (1947), one-sided at 5 %, on the
            photos that one of them names right and the other wrong; copies are one.
        progress: Show bars.

    Raises:
        OptionError: No gate, or gates that can't be asked for.
        DataError, ImageError: As from `model.predict` and `evaluate`.

    Example:
        >>> checked = carlib.check(model, test, min_macro=0.5, max_log_loss=2)
        >>> checked.ok
        True
    """
    floors = {"min_micro": min_micro, "min_macro": min_macro, "min_recall": min_recall}
    bounds = floors | {"max_log_loss": max_log_loss}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    recalls = dict(min_recalls or {})
    _check(model, given, recalls, golden, not_worse_than)
    metrics = evaluate(model.predict(photos, progress=progress))
    if min_recall is not None:
        present = metrics.per_class["class"]
        recalls = dict.fromkeys([*model.class_names, *present], min_recall) | recalls
    gates = [*_floors(metrics, given), *_recalls(metrics, recalls)]
    if golden is not None:
        gates.append(_golden(model.predict(golden, progress=progress)))
    if not_worse_than is not None:
        before = evaluate(not_worse_than.predict(photos, progress=progress))
        gates.append(_no_step_back(before, metrics))
    return Check(metrics.n, gates)


def _floors(metrics: Metrics, given: Mapping[str, float]) -> Iterator[Gate]:
    for name in ("micro", "macro"):
        if f"min_{name}" in given:
            value = getattr(metrics, f"{name}_accuracy")
            between = getattr(metrics, f"{name}_interval")
            yield _floor(f"{name}-accuracy", value, between, given[f"min_{name}"])
    if "max_log_loss" in given:
        most, value = given["max_log_loss"], metrics.log_loss
        low, high = metrics.log_loss_interval
        asked, passed = f"at most {most:g}", bool(value <= most + 1e-12)
        note = _doubt(low <= most < high if passed else low <= most)
        yield Gate("log-loss", asked, value, low, high, passed, note)


def _recalls(metrics: Metrics, recalls: Mapping[str, float]) -> Iterator[Gate]:
    rows = metrics.per_class.set_index("class")
    for name, least in recalls.items():
        what = f"recall of {name}"
        count = int(rows["support"].get(name, 0))
        if not count:
            asked = f"at least {least:g}"
            yield Gate(what, asked, NAN, note="No photo here is of this class.")
            continue
        recall, *between = rows.loc[name, ["recall", "recall_low", "recall_high"]]
        yield _floor(what, recall, between, least)


def _floor(name: str, value: float, between: Sequence[float], least: float) -> Gate:
    value, low, high = map(float, (value, *between))
    passed = bool(value >= least - 1e-12)
    note = _doubt(low < least if passed else high >= least)
    return Gate(name, f"at least {least:g}", value, low, high, passed, note)


def _doubt(is_inside: bool) -> str:
    """Return what to say where a bound lies inside of the figure's interval."""
    said = "Too few photos to be sure: the bound lies inside of the interval."
    return said if is_inside else ""


def _golden(answers: pd.DataFrame) -> Gate:
    actual, said = labels_of(answers), answers["predicted_label"].to_numpy()
    wrong = answers[said != actual]
    names = labels_of(wrong) if len(wrong) else []
    lines = [
        f"{shown(row.image_path)}: {name}, named {row.predicted_label} "
        f"({row.score:.2f})"
        for row, name in zip(
            wrong.head(NAMED).itertuples(index=False), names, strict=False
        )
    ]
    if len(wrong) > NAMED:
        lines.append(f"… and {len(wrong) - NAMED:,} more")
    right = 1 - len(wrong) / len(answers)
    asked = f"all {len(answers):,} right"
    return Gate(
        "golden photos", asked, right, passed=wrong.empty, note="\n".join(lines)
    )


def _no_step_back(before: Metrics, after: Metrics) -> Gate:
    """Compare a model with an old one, by their figures on the same photos."""
    found = before.compare(after)
    worse, better = found.first_only, found.second_only
    # One-sided it is half as likely: a coin's tosses are even.
    p = found.p / 2 if worse > better else 1.0
    passed = p > SIGNIFICANT
    row = found.table.loc["micro_accuracy"]
    figures = map(float, (row.difference, row.low, row.high))
    note = _in_words(better, worse, p, passed)
    name = "micro-accuracy, change from the old model"
    return Gate(name, "not significantly worse", *figures, passed, note)


def _in_words(better: int, worse: int, p: float, passed: bool) -> str:
    said = (
        f"Right now and wrong before: {better:,} photos; wrong now and right before: "
        f"{worse:,}."
    )
    if worse <= better:
        return said
    chance = f"So many more by chance alone: p = {p:.3f}"
    end = "that may be chance" if passed else "that is hardly chance"
    return f"{said}\n{chance}; {end}."


def _check(
    model: ImageClassificationModel,
    given: Mapping[str, float],
    recalls: Mapping[str, float],
    golden: pd.DataFrame | None,
    old: Any,
) -> None:
    """Refuse gates that can't be asked for; name all of them."""
    bounds = given | {f"min_recalls[{name!r}]": each for name, each in recalls.items()}
    problems = [
        f"{name} must be {_RANGES[name == 'max_log_loss']}. Received: {bound!r}"
        for name, bound in bounds.items()
        if not (ranges.is_number(bound) and bound >= 0)
        or (name != "max_log_loss" and bound > 1)
    ]
    classes = ", ".join(map(repr, model.class_names))
    problems += [
        f"min_recalls names {name!r}, and the classes are {classes}"
        for name in recalls
        if name not in model.class_names
    ]
    if not (bounds or golden is not None or old is not None):
        problems.append("there is no gate: what is always passed says nothing")
    if not isinstance(old, ImageClassificationModel | None):
        problems.append(f"not_worse_than must be a model. Received: {old!r:.80}")
    if problems:
        raise OptionError("These gates can't be asked for.", problems)
    if golden is not None:
        _check_golden(model, golden)


_RANGES = ("from 0 to 1", "0 or more")


def _check_golden(model: ImageClassificationModel, golden: Any) -> None:
    columns = list(golden) if isinstance(golden, pd.DataFrame) else []
    missing = [name for name in ("image_path", "damage_class") if name not in columns]
    if missing or golden.empty:
        raise DataError(
            "Expected golden photos: a table with rows, and the columns image_path and "
            f"damage_class. Received: {', '.join(map(str, columns)) or 'no columns'}",
            hint="Or don't pass them: golden=None.",
        )
    unknown = sorted(set(labels_of(golden)) - set(model.class_names))
    if unknown:
        raise DataError(
            "Some golden photos are of classes that the model doesn't know, and could "
            "never come out right.",
            unknown,
        )
