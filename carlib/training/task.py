"""What a head has to learn: rows, labels, and what each of them weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from carlib.bottlenecks.rows import Rows
from carlib.errors import OptionError
from carlib.training.keras_head import blocks
from carlib.training.optimizers import is_direct
from carlib.training.options import TrainingOptions
from carlib.training.photo_set import PhotoSet


@dataclass(frozen=True, eq=False)
class Task:
    """Rows to learn from, and the loss that is made smaller.

    That is the mean over the rows of class weight × cross-entropy with smoothed labels,
    plus l2 · |kernel|², as Keras has it, on standardised features. With `within_class`
    γ, the penalty is l2 · ((1 - γ) · |kernel|² + γ · spread / unit): spread is how far,
    squared and summed over the classes, a row's logits lie from the mean of its own
    class, in the mean over the rows, and unit that of one feature, the same for all.

    Attributes:
        rows: Features, float32 (n, d), an array, a memory map, or rows to be read.
        labels: int32 (n,).
        n_classes: How many classes there are.
        mean, scale: What standardises the features, float32 (d,); None: nothing.
        l2: The penalty on the kernel.
        label_smoothing: As of `keras.losses.CategoricalCrossentropy`.
        class_weight: What each class's losses are multiplied by, (n_classes,); None: 1.
        within_class: γ, at least 0 and below 1.
    """

    rows: np.ndarray | Rows
    labels: np.ndarray
    n_classes: int
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    l2: float = 0.0
    label_smoothing: float = 0.0
    class_weight: np.ndarray | None = None
    within_class: float = 0.0


def task_of(options: TrainingOptions, train: PhotoSet, l2: float) -> Task:
    """Return what the options make of photos."""
    rows, labels = train.in_order(options.seed)
    if is_direct(options.optimizer) and isinstance(rows, Rows):
        order = rows.as_they_lie()
        rows, labels = replace(rows, places=rows.places[order]), labels[order]
    standardize = options.standardize
    if standardize is None:
        standardize = len(train.features.shards) > 1 or l2 > 0
    mean, scale = statistics(rows) if standardize else (None, None)
    weights = class_weights(options.class_weight, train)
    smoothing = options.label_smoothing
    within = options.within_class
    n_classes = len(train.classes)
    return Task(rows, labels, n_classes, mean, scale, l2, smoothing, weights, within)


def within_unit(spread: float, shape: tuple[int, int]) -> float:
    """Return how much a feature varies within the classes, for `within_class`.

    Args:
        spread: The rows' squared distances to the centres of their classes, summed.
        shape: Of the rows, (n, d): no more of their directions vary than the smaller.
    """
    return float(spread) / shape[0] / min(shape) or 1.0


def class_weights(
    class_weight: str | Mapping[str, float] | None, photo_set: PhotoSet
) -> np.ndarray | None:
    """Return the factor of each class, float32 (n_classes,); None: all 1.

    Raises:
        OptionError: There are factors for what is no class.
    """
    from sklearn.utils.class_weight import compute_class_weight

    classes = photo_set.classes
    if class_weight is None:
        return None
    if class_weight == "balanced":
        numbers = np.arange(len(classes))
        weights = compute_class_weight("balanced", classes=numbers, y=photo_set.labels)
        return weights.astype(np.float32)
    unknown = sorted(map(str, set(class_weight) - set(classes)))
    if unknown:
        raise OptionError(
            "class_weight has factors for what is no class of these photos.",
            unknown,
            hint=f"The classes are {', '.join(classes)}.",
        )
    return np.array([class_weight.get(name, 1) for name in classes], np.float32)


def statistics(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each feature's mean and deviation, a block of rows at a time."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for block in blocks(rows):
        scaler.partial_fit(rows[block])
    # Keras divides by 1e-7 at the least; what varies so little is as good as constant.
    scale = np.where(scaler.scale_ < 1e-6, 1, scaler.scale_)
    return scaler.mean_.astype(np.float32), scale.astype(np.float32)
