"""Train what lies above the cuts of backbones, and a head on top, epoch by epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from carlib import runtime
from carlib.backbones.cut import CutBackbone
from carlib.model.head import LinearHead
from carlib.model.keras_model import top
from carlib.training import optimizers, ranges
from carlib.training.epochs import check_finite
from carlib.training.photo_set import PhotoSet


@dataclass(frozen=True)
class Tuning:
    """Say how backbones are tuned.

    Attributes:
        layers: How many of each backbone's convolutions, at least; see `CutBackbone`.
        epochs: Passes over the photos, mirror images among them.
        learning_rate: Of Adam's first step; it falls to 0 as a cosine does.
        batch_size: Rows a step.
        seed: Draws their order.

    Raises:
        OptionError: With all that are out of their range.
    """

    layers: int
    epochs: int
    learning_rate: float
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        ranges.check(
            self,
            layers=ranges.COUNT,
            epochs=ranges.COUNT,
            learning_rate=ranges.POSITIVE,
            batch_size=ranges.COUNT,
            seed=ranges.SEED,
        )

    def batches(self, n_rows: int) -> int:
        """Return how many steps an epoch has."""
        return -(-n_rows // self.batch_size)


def train_upper(
    cuts: Sequence[CutBackbone],
    head: LinearHead,
    maps: PhotoSet,
    class_weight: np.ndarray | None,
    tuning: Tuning,
    hear: Callable[[int, Mapping[str, float]], Any],
) -> None:
    """Train the cuts' upper parts, which change, together with a head, which doesn't.

    What is made smaller is the mean of class weight × cross-entropy.

    Args:
        head: Where to start from, on the features as they are.
        maps: The photos to learn from; their features are all cuts' maps.
        class_weight: What each class's losses are multiplied by, (n_classes,); None: 1.
        hear: Is called after each epoch with its number and figures.

    Raises:
        CarlibError: The loss is not a number any more.
    """
    rows, labels = maps.in_order(tuning.seed)
    weights = None if class_weight is None else dict(enumerate(class_weight.tolist()))
    model = _compiled(cuts, head, tuning, len(labels))
    draw = np.random.default_rng(tuning.seed)
    # TensorFlow would warn of models made in a loop.
    with runtime.gradients_forgotten(), runtime.quiet_log("ERROR"):
        for epoch in range(tuning.epochs):
            model.reset_metrics()
            rate = optimizers.rate_of(model.optimizer)
            order = draw.permutation(len(labels))
            for start in range(0, len(order), tuning.batch_size):
                some = order[start : start + tuning.batch_size]
                batch = rows[some], labels[some]
                told = model.train_on_batch(
                    *batch, class_weight=weights, return_dict=True
                )
            check_finite(epoch, told["loss"], tuning.learning_rate)
            hear(epoch, _figures(told) | {"learning_rate": rate})


def _figures(told: Mapping[str, Any]) -> dict[str, float]:
    """Return an epoch's figures as `Reporter` takes them: the loss is the plain one."""
    return {"accuracy": float(told["accuracy"]), "loss": float(told["cross_entropy"])}


def _compiled(
    cuts: Sequence[CutBackbone], head: LinearHead, tuning: Tuning, n_rows: int
) -> Any:
    """Return one Keras model of all upper parts and the head, with its optimizer."""
    keras = runtime.keras()
    ends = np.cumsum([cut.n_features for cut in cuts])
    with runtime.plain_float32():
        flat = keras.Input((int(ends[-1]),))
        parts = [
            cut.upper(flat[:, end - cut.n_features : end])
            for cut, end in zip(cuts, ends, strict=True)
        ]
        features = parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)
        model = keras.Model(flat, top(head)(features), name="upper_parts")
    last = tuning.epochs * tuning.batches(n_rows)
    rate = keras.optimizers.schedules.CosineDecay(tuning.learning_rate, last)
    plain = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", plain],
    )
    return model
