"""What training the head costs: carlib beside Keras's `Model.fit` and scikit-learn.

    python benchmarks/training.py --data photos.zip --arch EfficientNetLite0
    python benchmarks/training.py --width 2048        (random features, no photos)

All get the same cached features. carlib and `Model.fit` take the same steps in the same
order, so that their weights can be compared; LogisticRegression goes to the optimum of
its own penalised loss.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from text_tables import table

import carlib
from carlib import runtime
from carlib.model.head import LinearHead
from carlib.training.epochs import listener, run_epochs
from carlib.training.keras_head import Head
from carlib.training.options import TrainingOptions

BATCH, RATE, SEED = 10, 0.01, 1
Sets = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def photos_features(data: str, arch: str, weights: str | None, workspace: str) -> Sets:
    """Return features and labels of T and of V."""
    photos = carlib.load_index(carlib.locate_data(data))
    labels = pd.Categorical(photos.damage_class).codes.astype(np.int32)
    backbone = carlib.Backbone(arch, weights)
    features = carlib.compute_bottlenecks(photos, backbone, workspace)
    in_t = (photos.subset == "T").to_numpy()
    return features[in_t], labels[in_t], features[~in_t], labels[~in_t]


def random_features(width: int) -> Sets:
    """Return 1,030 + 180 rows of eight classes that can be told apart, mostly."""
    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, 8, 1210).astype(np.int32)
    centres = rng.normal(0, 0.2, (8, width))
    features = np.abs(rng.normal(centres[labels], 0.6)).astype(np.float32)
    return features[:1030], labels[:1030], features[1030:], labels[1030:]


def by_carlib(x: np.ndarray, y: np.ndarray, epochs: int) -> LinearHead:
    """Train carlib's head, each epoch's metrics delivered."""
    head, heard = Head(x.shape[1], int(y.max()) + 1, SEED, learning_rate=RATE), []
    options = TrainingOptions(batch_size=BATCH, epoch=epochs)
    told = listener(lambda *figures: heard.append(figures))
    run_epochs(head, (x, y), None, options, [told])
    if len(heard) != epochs:
        raise SystemExit("Not every epoch was heard of.")
    return head.linear()


def by_keras(x: np.ndarray, y: np.ndarray, epochs: int) -> LinearHead:
    """Train the same head by `Model.fit`, fed the same batches."""
    keras, head = runtime.keras(), Head(x.shape[1], int(y.max()) + 1, SEED)
    dense = keras.layers.Dense(head.n_classes)
    model = keras.Sequential([keras.Input((x.shape[1],)), dense])
    dense.set_weights(head.weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE), loss, metrics=["accuracy"])
    model.fit(x, y, BATCH, epochs, verbose=0, shuffle=False)
    return LinearHead(*dense.get_weights(), head.mean, head.scale)


def by_scikit_learn(x: np.ndarray, y: np.ndarray, epochs: int) -> LinearHead:
    """Find the optimum of the penalised loss; `epochs` has no part in it."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=1000))
    scaler, found = (step for _, step in model.fit(x, y).steps)
    return LinearHead(found.coef_.T, found.intercept_, scaler.mean_, scaler.scale_)


def mapped(x: np.ndarray, folder: Path) -> np.ndarray:
    """Return the same features as a memory map."""
    path = folder / "features.npy"
    np.save(path, x)
    return np.load(path, mmap_mode="r")


WAYS: dict[str, Callable[[np.ndarray, np.ndarray, int], LinearHead]] = {
    "carlib": by_carlib,
    "carlib, memory map": by_carlib,
    "Model.fit": by_keras,
    "LogisticRegression": by_scikit_learn,
}


def measured(sets: Sets, epochs: int, rounds: int, folder: Path) -> dict[str, dict]:
    """Time each way in turn, round by round, and judge what it found."""
    x, y, rest, truth = sets
    inputs = {way: mapped(x, folder) if "map" in way else x for way in WAYS}
    by_carlib(x, y, 1)  # TensorFlow's own start is none of theirs
    found: dict[str, dict] = {way: {"seconds": []} for way in WAYS}
    heads = {}
    for _ in range(rounds):
        for way, train in WAYS.items():
            began = time.perf_counter()
            heads[way] = train(inputs[way], y, epochs)
            found[way]["seconds"].append(time.perf_counter() - began)
    for way, head in heads.items():
        scores = head.probabilities(rest)
        found[way]["log_loss"] = log_loss(truth, scores, labels=range(scores.shape[1]))
        found[way]["accuracy"] = accuracy_score(truth, scores.argmax(axis=1))
        if way != "LogisticRegression":
            apart = np.abs(head.kernel - heads["Model.fit"].kernel).max()
            found[way]["from_model_fit"] = float(apart)
    return found


def as_table(found: dict[str, dict]) -> str:
    """Lay out what was found, a way a row; times as many as carlib's."""
    own, rows = statistics.median(found["carlib"]["seconds"]), []
    for way, figures in found.items():
        seconds = statistics.median(figures["seconds"])
        apart = figures.get("from_model_fit")
        rows.append(
            [
                way,
                f"{seconds:.2f}",
                f"{seconds / own:.2f} ×",
                "" if apart is None else f"{apart:.0e}",
                f"{figures['log_loss']:.3f}",
                f"{figures['accuracy']:.3f}",
            ]
        )
    header = ["way", "seconds", "of carlib's", "weights off", "log-loss", "accuracy"]
    return table(header, rows)


@click.command(help=__doc__)
@click.option("--data", default="auto", show_default=True)
@click.option("--arch", default="EfficientNetLite0", show_default=True)
@click.option("--weights", default="imagenet", show_default=True, help="Or none.")
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--width", type=int, help="Take random features of this width instead.")
@click.option("--epochs", default=200, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--json", "path", type=click.Path(path_type=Path))
def main(data, arch, weights, workspace, width, epochs, rounds, path):
    if width:
        sets = random_features(width)
    else:
        named = None if weights == "none" else weights
        sets = photos_features(data, arch, named, workspace)
    with tempfile.TemporaryDirectory() as folder:
        found = measured(sets, epochs, rounds, Path(folder))
    n, width = sets[0].shape
    print(f"{epochs} epochs, batches of {BATCH}, {n:,} × {width:,} features:\n")
    print(as_table(found))
    if path:
        path.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
