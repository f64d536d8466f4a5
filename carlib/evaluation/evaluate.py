"""Measure predictions: accuracy beside its interval and baseline, loss, confusion.

The figures follow ML.NET's multiclass evaluator: the prediction is the first of the
highest scores, a probability is never taken as less than 1e-15, and a row that can't
be scored is dropped and counted. Intervals and baselines are carlib's own.
"""

import numpy as np
import pandas as pd

from carlib.data.labels import RESERVED, normal_label
from carlib.errors import DataError, OptionError
from carlib.evaluation.headline import LEAST_PROBABILITY, headline
from carlib.evaluation.intervals import wilson_interval
from carlib.evaluation.metrics import Metrics

_OWN = "Put columns of your own before 'score'."


def evaluate(predictions: pd.DataFrame, *, top_k: int | None = None) -> Metrics:
    """Compare predictions with the actual classes.

    Args:
        predictions: What `model.predict` returns for photos with a `damage_class`
            column, the actual class. The columns after `score` are probabilities, one
            a class, that sum to 1; they decide what counts as predicted, not
            `predicted_label`. (What predict returned knows its classes, wherever their
            columns stand.) Read from a file by `carlib.read_csv`, which leaves a class
            `001` what it is.
        top_k: Count the top 1 … top_k answers. Defaults to 5, or fewer classes.

    Returns:
        The figures; `print` them, or take them one by one.

    Raises:
        DataError: A column is missing, rows don't sum to 1, no row can be evaluated, or
            no actual class is one that the model knows.
        OptionError: `top_k` isn't between 1 and the number of classes.

    Example:
        >>> metrics = carlib.evaluate(model.predict(test))
        >>> metrics.micro_accuracy, metrics.micro_interval
    """
    class_names = class_names_of(predictions)
    predictions = predictions.rename(columns=str)
    depth = _checked_top_k(top_k, len(class_names))
    rows, actual, scores = _usable(predictions, class_names)
    _check_known(actual, class_names)
    labels = [*class_names, *sorted(set(actual) - set(class_names))]
    y = pd.Index(labels).get_indexer(pd.Index(actual))  # (n,) indices into labels
    losses, ranks = _losses(y, scores), _ranks(y, scores)
    confusion = _confusion(y, scores.argmax(axis=1), labels)
    per_class = _per_class(confusion, np.bincount(y, losses, len(labels)))
    support = per_class["support"].to_numpy()
    figures = headline(y, scores, losses, ranks, depth)
    n, most = len(y), support.argmax()
    outcomes = {
        "photo": _photo_names(predictions)[rows],
        "actual": actual,
        "predicted": np.array(labels, object)[scores.argmax(axis=1)],
        "hit": ranks == 0,
        "loss": losses,
    }
    return Metrics(
        n=n,
        n_dropped=len(predictions) - n,
        class_names=class_names,
        micro_accuracy=_figure(figures, "micro_accuracy"),
        micro_interval=_interval(figures, "micro_accuracy"),
        macro_accuracy=_figure(figures, "macro_accuracy"),
        macro_interval=_interval(figures, "macro_accuracy"),
        log_loss=_figure(figures, "log_loss"),
        log_loss_interval=_interval(figures, "log_loss"),
        log_loss_reduction=_figure(figures, "log_loss_reduction"),
        top_k_accuracy=[float((ranks < k).mean()) for k in range(1, depth + 1)],
        figures=figures,
        per_class=per_class,
        confusion_matrix=confusion,
        majority_class=labels[most],
        majority_micro_accuracy=float(support[most] / n),
        majority_macro_accuracy=_figure(figures, "macro_accuracy", "baseline"),
        outcomes=pd.DataFrame(outcomes),
        photos=_photos(predictions),
    )


def _figure(figures: pd.DataFrame, name: str, column: str = "value") -> float:
    return float(figures.loc[name, column])


def _interval(figures: pd.DataFrame, name: str) -> tuple[float, float]:
    return _figure(figures, name, "low"), _figure(figures, name, "high")


def _photos(predictions: pd.DataFrame) -> pd.DataFrame | None:
    columns = ["image_path", "damage_class"]
    return predictions[columns] if set(columns) <= set(predictions) else None


def _photo_names(predictions: pd.DataFrame) -> np.ndarray:
    """Return what tells a photo from others: its path, else its row's number."""
    if "image_path" in predictions:
        return predictions["image_path"].astype(str).to_numpy(object)
    return np.array([f"row {row:,}" for row in range(len(predictions))], object)


def class_names_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes: predict's own, else the columns after `score`.

    Of the latter not those that are never a class.
    """
    if not isinstance(predictions, pd.DataFrame):
        kind = type(predictions).__name__
        raise DataError(
            f"Expected a DataFrame of predictions. Received: {kind}",
            hint="Pass on what model.predict(photos) returns.",
        )
    columns = [str(column) for column in predictions.columns]
    missing = [name for name in ("damage_class", "score") if name not in columns]
    after = columns[columns.index("score") + 1 :] if "score" in columns else []
    names = tuple(name for name in after if name not in RESERVED)
    told = [str(name) for name in predictions.attrs.get("class_names", ())]
    if told and "score" in columns and set(told) <= set(columns):
        names = tuple(told)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    problems = [f"no column {name!r}" for name in missing]
    problems += [f"more than one column {name!r}" for name in twice]
    if not names and not missing:
        problems.append("no probabilities: no column of a class after 'score'")
    if problems:
        raise DataError(
            f"These predictions have the columns {', '.join(columns)}.",
            problems,
            "Give model.predict the DataFrame of load_index: its damage_class, the "
            "actual class, then stays beside the predictions.",
        )
    return names


def _checked_top_k(top_k: int | None, n_classes: int) -> int:
    if top_k is None:
        return min(5, n_classes)
    if not isinstance(top_k, int | np.integer) or not 1 <= top_k <= n_classes:
        raise OptionError(
            f"Expected a top_k from 1 to the number of classes, {n_classes}. "
            f"Received: {top_k!r}"
        )
    return int(top_k)


def usable_rows(
    predictions: pd.DataFrame, class_names: tuple[str, ...]
) -> tuple[list[str], np.ndarray]:
    """Return actual labels and scores, float64 (n, classes), of rows that count."""
    return _usable(predictions, class_names)[1:]


def _usable(
    predictions: pd.DataFrame, class_names: tuple[str, ...]
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return which rows count, and their actual labels and scores."""
    try:
        table = predictions[list(class_names)].replace("", np.nan)
        scores = table.apply(pd.to_numeric).to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The columns after 'score' must be probabilities: {error}.",
            hint=_taken_for(class_names) + _OWN,
        ) from None
    usable = np.isfinite(scores).all(axis=1) & _filled(predictions["damage_class"])
    if "error" in predictions:
        usable &= ~_filled(predictions["error"])
    if predictions.empty:
        hint = "Have the data photos in V? load_index says so where they have none."
        raise DataError("Expected photos to evaluate. Received: none", hint=hint)
    if not usable.any():
        raise DataError(
            f"None of the {len(predictions):,} rows can be evaluated.",
            hint="A row needs a damage_class, finite probabilities and no error.",
        )
    actual, scores = predictions["damage_class"][usable], scores[usable]
    _check_sums(scores, class_names)
    return usable, [normal_label(str(label)) for label in actual], scores


def _check_sums(scores: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Refuse what are no probabilities; name the column that is one too many."""
    sums, slack = scores.sum(axis=1), max(1e-3, 5e-5 * len(class_names))
    off = (np.abs(sums - 1) > slack) | (scores < 0).any(axis=1)
    if not off.any():
        return
    without = np.abs(sums[:, np.newaxis] - scores - 1).max(axis=0)
    odd = [class_names[i] for i in np.flatnonzero(without < slack)[:1]]
    advice = f"Put {odd[0]!r}, which is none, before 'score'." if odd else _OWN
    if np.abs(sums / 100 - 1).max() < slack:
        advice = "Divide them by 100."
    raise DataError(
        f"The columns after 'score' must be probabilities that sum to 1; in "
        f"{off.sum():,} of {len(off):,} rows they don't, such as {sums[off][0]:.6g}.",
        hint=_taken_for(class_names) + advice,
    )


def _taken_for(class_names: tuple[str, ...]) -> str:
    more = f" and {len(class_names) - 9:,} more" if len(class_names) > 9 else ""
    return f"They are taken for the classes {', '.join(class_names[:9])}{more}. "


def _check_known(actual: list[str], class_names: tuple[str, ...]) -> None:
    known, found = set(class_names), sorted(set(actual))
    if known.isdisjoint(found):
        raise DataError(
            f"Expected photos of {', '.join(class_names[:9])}, as the model knows. "
            f"Received: {', '.join(found[:9])}",
            hint="Was a file read whose 001 became 1? carlib.read_csv leaves it be.",
        )


def _filled(column: pd.Series) -> np.ndarray:
    return (column.notna() & (column.astype(str) != "")).to_numpy(bool)


def _own(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which labels the model knows, and the score each of those got."""
    known = y < scores.shape[1]
    return known, scores[known, y[known]]


def _losses(y: np.ndarray, scores: np.ndarray) -> np.ndarray:
    known, own = _own(y, scores)
    probability = np.full(len(y), LEAST_PROBABILITY)
    probability[known] = own.clip(LEAST_PROBABILITY, 1)
    return -np.log(probability)


def _ranks(y: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Count the classes placed before the actual one; of equals, the first leads."""
    known, own = _own(y, scores)
    scores, own, index = scores[known], own[:, None], y[known][:, None]
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < index))
    ranks = np.full(len(y), scores.shape[1])
    ranks[known] = before.sum(axis=1)
    return ranks


def _confusion(y: np.ndarray, predicted: np.ndarray, labels: list[str]) -> pd.DataFrame:
    size = len(labels)
    counts = np.bincount(y * size + predicted, minlength=size**2).reshape(size, size)
    rows, columns = pd.Index(labels, name="actual"), pd.Index(labels, name="predicted")
    return pd.DataFrame(counts, rows, columns)


def _per_class(confusion: pd.DataFrame, losses: np.ndarray) -> pd.DataFrame:
    counts = confusion.to_numpy()
    hits, support = counts.diagonal(), counts.sum(axis=1)
    return pd.DataFrame(
        {
            "class": confusion.index,
            **_shares("precision", hits, counts.sum(axis=0)),
            **_shares("recall", hits, support),
            "log_loss": _ratio(losses, support),
            "support": support,
        }
    )


def _shares(name: str, hits: np.ndarray, whole: np.ndarray) -> dict[str, np.ndarray]:
    """Return a share a class, and the ends of its 95 % interval."""
    pairs = zip(hits.tolist(), whole.tolist(), strict=True)
    low, high = np.array([wilson_interval(*pair) for pair in pairs]).T
    return {name: _ratio(hits, whole), f"{name}_low": low, f"{name}_high": high}


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide; 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
