"""Train the head: one softmax layer on cached features, by plain SGD."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from carlib import runtime
from carlib.errors import CarlibError, OptionError

IN_MEMORY = 64 << 20  # bytes of features at once; a larger set is read in blocks


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the metric has not improved for a while, and keep the best epoch.

    Unlike ML.NET's, it holds no state: each fit starts afresh. And unlike there, the
    model gets the weights of the best epoch, not of the last.

    Args:
        metric: "accuracy" (higher is better) or "loss" (lower is better), of the
            validation photos; of the training photos where there are none.
        min_delta: A smaller change is no improvement.
        patience: Stop after so many epochs without one.
    """

    metric: str = "accuracy"
    min_delta: float = 0.01
    patience: int = 20

    def __post_init__(self):
        if self.metric not in ("accuracy", "loss"):
            raise OptionError(
                f'Expected metric="accuracy" or "loss". Received: {self.metric!r}'
            )
        if not (self.min_delta >= 0 and self.patience >= 1):
            raise OptionError(
                "Expected min_delta of 0 or more and patience of 1 or more. "
                f"Received: {self}"
            )


@dataclass(frozen=True)
class Scores:
    """How well the head did: accuracy and mean cross-entropy."""

    accuracy: float
    cross_entropy: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. `validation` is None where there is no such set."""

    number: int
    train: Scores
    validation: Scores | None
    learning_rate: float

    def value(self, metric: str) -> float:
        """Return what early stopping looks at; higher is better."""
        scores = self.validation or self.train
        return scores.accuracy if metric == "accuracy" else -scores.cross_entropy

    def rank(self, metric: str) -> tuple[float, float]:
        """Order epochs from worst to best; of equal accuracy, the surer is better."""
        scores = self.validation or self.train
        return self.value(metric), -scores.cross_entropy


class Head:
    """A dense layer in Keras that maps features to logits, with its optimizer.

    Weights start as ML.NET's do: a normal distribution of deviation 0.001, cut at two
    deviations, and zeros.
    """

    def __init__(self, n_features: int, n_classes: int, seed: int):
        keras = runtime.keras()
        with runtime.plain_float32():
            self.layer = keras.layers.Dense(
                n_classes,
                kernel_initializer=keras.initializers.TruncatedNormal(
                    stddev=0.001, seed=seed
                ),
                name="head",
            )
            self.layer.build((None, n_features))
        self.optimizer = keras.optimizers.SGD()
        self.optimizer.build(self.layer.trainable_variables)
        # Without AutoGraph, which warns of itself on Python 3.13.
        self._epoch = runtime.tensorflow().function(self._run_epoch, autograph=False)

    @property
    def weights(self) -> list[np.ndarray]:
        """The kernel (n_features, n_classes) and the bias (n_classes,)."""
        return self.layer.get_weights()

    def train(self, features, labels, batch_size: int, rates: np.ndarray) -> Scores:
        """Pass once over all rows, batch by batch, each with its learning rate.

        Of a memory map only some rows are in memory at once.

        Returns:
            The scores of each batch as it was before its update, over all rows.
        """
        tf = runtime.tensorflow()
        correct, loss = 0.0, 0.0
        for rows in _blocks(features, batch_size):
            some = tf.constant(features[rows]), tf.constant(labels[rows])
            own = rates[rows.start // batch_size :][: -(-len(some[1]) // batch_size)]
            own = tf.constant(own, tf.float32)
            hits, losses = self._epoch(*some, tf.constant(batch_size), own)
            correct, loss = correct + float(hits), loss + float(losses)
        return Scores(correct / len(labels), loss / len(labels))

    def _run_epoch(self, features, labels, batch_size, rates):
        tf = runtime.tensorflow()

        def step(batch, correct, total_loss):
            rows = slice(batch * batch_size, (batch + 1) * batch_size)
            with tf.GradientTape() as tape:
                hits, losses = self._judge(features[rows], labels[rows])
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, self.layer.trainable_variables)
            self.optimizer.learning_rate.assign(rates[batch])
            self.optimizer.apply(gradients)
            return batch + 1, correct + hits, total_loss + tf.reduce_sum(losses)

        _, correct, total_loss = tf.while_loop(
            lambda batch, *_: batch < tf.size(rates),
            step,
            (tf.constant(0), tf.constant(0.0), tf.constant(0.0)),
            parallel_iterations=1,
        )
        return correct, total_loss

    def _judge(self, features, labels):
        tf = runtime.tensorflow()
        logits = self.layer(features)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=labels.dtype), labels)
        return tf.reduce_sum(tf.cast(hits, tf.float32)), losses

    def evaluate(self, features, labels) -> Scores:
        """Return the scores over rows that are not trained on."""
        correct, loss = 0.0, 0.0
        for rows in _blocks(features):
            hits, losses = self._judge(features[rows], labels[rows])
            correct += float(hits)
            loss += float(losses.numpy().sum(dtype=np.float64))
        return Scores(correct / len(labels), loss / len(labels))


def _blocks(features, batch_size: int = 1) -> list[slice]:
    """Divide rows into blocks of whole batches that fit into `IN_MEMORY`."""
    n_rows, n_bytes = len(features), 4 * features.shape[1] * batch_size
    size = max(1, IN_MEMORY // n_bytes) * batch_size
    return [slice(start, start + size) for start in range(0, n_rows, size)]


def train_head(
    head: Head,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    *,
    batch_size: int,
    epochs: int,
    rate: Callable[[int, int, int], float],
    early_stopping: EarlyStopping | None,
    on_epoch: Callable[[Epoch], None],
) -> int:
    """Train a head until early stopping or the last epoch; leave it at its best.

    Args:
        train, validation: Features float32 (n, d) and labels int32 (n,).
        rate: The learning rate of (epoch, batch, whole batches an epoch).
        on_epoch: Is told each epoch's scores.

    Returns:
        The number of the epoch whose weights the head has now: the best by early
        stopping's metric; the last, where early stopping is off.

    Raises:
        CarlibError: The loss is not a number any more.
    """
    tf = runtime.tensorflow()
    features, labels = train
    if features.nbytes <= IN_MEMORY:
        features, labels = tf.constant(features), tf.constant(labels)
    n_batches = -(-len(labels) // batch_size)
    history: list[Epoch] = []
    best, kept = None, head.weights
    for number in range(epochs):
        whole = len(labels) // batch_size
        rates = np.array([rate(number, batch, whole) for batch in range(n_batches)])
        scores = head.train(features, labels, batch_size, rates)
        epoch = Epoch(
            number=number,
            train=scores,
            validation=head.evaluate(*validation) if validation else None,
            learning_rate=float(rates[-1]),
        )
        _check_finite(epoch)
        history.append(epoch)
        on_epoch(epoch)
        if early_stopping is None:
            continue
        metric = early_stopping.metric
        if best is None or epoch.rank(metric) > best.rank(metric):
            best, kept = epoch, head.weights
        if is_over(history, early_stopping):
            break
    if best is None:
        return history[-1].number
    head.layer.set_weights(kept)
    return best.number


def is_over(history: list[Epoch], early_stopping: EarlyStopping) -> bool:
    """Tell whether the metric has stood still for `patience` epochs."""
    best, waited = -np.inf, 0
    for epoch in history:
        value = epoch.value(early_stopping.metric)
        if value - best >= early_stopping.min_delta:
            best, waited = value, 0
        else:
            waited += 1
    return waited >= early_stopping.patience


def _check_finite(epoch: Epoch) -> None:
    if not np.isfinite(epoch.train.cross_entropy):
        raise CarlibError(
            f"In epoch {epoch.number} the loss is not a number any more.",
            hint=f"Lower the learning rate; it was {epoch.learning_rate:g}.",
        )
