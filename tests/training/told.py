"""What tests of the training share: quick options, and figures as others write them."""

import csv

import keras
import numpy as np
import tensorflow as tf

QUICK = {"epoch": 2, "early_stopping": None}


def same(one, other):
    return np.array_equal(one.head.kernel, other.head.kernel) and np.array_equal(
        one.head.bias, other.head.bias
    )


def watched(model):
    return watched_rows(model.history)


def watched_rows(history):
    rows = history[history.dataset == "Validation"]
    return rows.set_index("epoch")


def assert_figures(history, rows):
    """Whether the rows, under Keras's names, are a model's history."""
    mine = history[history.dataset == "Train"]
    columns = {
        "accuracy": mine.accuracy,
        "loss": mine.cross_entropy,
        "learning_rate": mine.learning_rate,
        "val_accuracy": watched_rows(history).accuracy,
        "val_loss": watched_rows(history).cross_entropy,
    }
    assert len(mine) == len(rows)
    for name, expected in columns.items():
        given = [float(row[name]) for row in rows]
        np.testing.assert_allclose(given, expected, rtol=1e-6, err_msg=name)


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def scalars(folder):
    """The figures in a folder of event files, as rows of epochs."""
    rows = {}
    for path in sorted(folder.glob("events.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag.startswith("epoch_"):
                    row = rows.setdefault(event.step, {})
                    row[value.tag] = float(tf.make_ndarray(value.tensor))
    assert list(rows) == list(range(len(rows)))
    return list(rows.values())


def joined_scalars(folder):
    train, validation = scalars(folder / "train"), scalars(folder / "validation")
    return [
        {name.removeprefix("epoch_"): value for name, value in one.items()}
        | {name.replace("epoch_", "val_"): value for name, value in other.items()}
        for one, other in zip(train, validation, strict=True)
    ]


KERAS_NAMES = {"accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"}


class Weights(keras.callbacks.Callback):
    """Keeps the head's weights of each epoch, and the logs."""

    def __init__(self):
        super().__init__()
        self.kernels, self.logs = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.kernels.append(self.model.get_weights()[0])
        self.logs.append(dict(logs))
