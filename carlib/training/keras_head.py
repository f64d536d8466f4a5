"""The head in Keras: one softmax layer on cached features, an epoch a compiled loop."""

from typing import Any

import numpy as np

from carlib import runtime
from carlib.bottlenecks.rows import Rows
from carlib.model.head import LinearHead
from carlib.model.keras_model import standardizer
from carlib.training import optimizers

IN_MEMORY = 64 << 20  # bytes of features at once; a larger set is read in blocks


class Head:
    """A dense layer in Keras that maps features to logits, with its optimizer.

    Weights start as ML.NET's do: a normal distribution of deviation 0.001, cut at two
    deviations, and zeros. A step is Keras's own: the optimizer's `apply` on the mean,
    over the batch, of class weight × cross-entropy, plus the l2 penalty.

    Args:
        n_features, n_classes: Its size.
        seed: Draws the first weights.
        mean, scale: What standardises features, (n_features,); None: nothing.
        optimizer, learning_rate: As of `optimizers.fresh`.
        l2: As of `keras.regularizers.L2`, for the kernel.
        label_smoothing: As of `keras.losses.CategoricalCrossentropy`.
        class_weight: What each class's losses are multiplied by, (n_classes,); None: 1.

    Attributes:
        model: The Keras model: features to probabilities, compiled.
        learning_rate: That of the last epoch's first batch; at first the optimizer's.
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        seed: int,
        *,
        mean: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        optimizer: Any = "sgd",
        learning_rate: Any = 0.01,
        l2: float = 0.0,
        label_smoothing: float = 0.0,
        class_weight: np.ndarray | None = None,
    ):
        self.mean = np.zeros(n_features, np.float32) if mean is None else mean
        self.scale = np.ones(n_features, np.float32) if scale is None else scale
        self.n_classes, self.label_smoothing = n_classes, label_smoothing
        self.class_weight = class_weight
        with runtime.plain_float32():
            self._build(n_features, seed, l2)
        self.optimizer = optimizers.fresh(optimizer, learning_rate)
        self.optimizer.build(self.layer.trainable_variables)
        self.learning_rate = optimizers.rate_of(self.optimizer)
        self.model.compile(
            optimizer=self.optimizer,
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        self._epoch = self._traced()

    def _build(self, n_features: int, seed: int, l2: float) -> None:
        keras = runtime.keras()
        self.layer = keras.layers.Dense(
            self.n_classes,
            kernel_initializer=keras.initializers.TruncatedNormal(
                stddev=0.001, seed=seed
            ),
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name="head",
        )
        softmax = keras.layers.Activation("softmax", name="probabilities")
        layers = [keras.Input((n_features,)), self.layer, softmax]
        if self.mean.any() or (self.scale != 1).any():
            layers.insert(1, standardizer(self.mean, self.scale))
        self.model = keras.Sequential(layers, name="head")
        self._before = self.model.layers[:-2]

    def _traced(self) -> Any:
        tf = runtime.tensorflow()
        signature = [
            tf.TensorSpec((None, len(self.mean))),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((), tf.int32),
        ]
        # Without AutoGraph, which warns of itself on Python 3.13.
        epoch = tf.function(self._run_epoch, signature, autograph=False)
        # As it is for good: TensorFlow would warn of heads made in a loop.
        with runtime.gradients_forgotten():
            return epoch.get_concrete_function()

    @property
    def weights(self) -> list[np.ndarray]:
        """The kernel (n_features, n_classes) and the bias (n_classes,)."""
        return self.layer.get_weights()

    def linear(self) -> LinearHead:
        """Return the head as numbers."""
        return LinearHead(*self.weights, self.mean, self.scale)

    def train(
        self,
        features: Any,
        labels: Any,
        batch_size: int,
        *,
        order: np.ndarray | None = None,
        hooks: Any = None,
    ) -> dict[str, float]:
        """Pass once over all rows, batch by batch.

        Of a memory map only some rows are in memory at once.

        Args:
            features, labels: float32 (n, d) and int32 (n,), arrays or tensors.
            order: The order of the rows; None: as they are.
            hooks: Keras's CallbackList, to be told of each batch. Without it, all
                batches that are in memory are one call.

        Returns:
            accuracy and loss, over all rows, of each batch as it was before its update.
            The loss is the plain one: no class weight, smoothing or penalty in it.
        """
        tf = runtime.tensorflow()
        self.learning_rate = optimizers.rate_of(self.optimizer)
        correct, loss = 0.0, 0.0
        for rows in blocks(features, batch_size, batch_size if hooks else None):
            some = _rows(features, rows, order), _rows(labels, rows, order)
            batch = rows.start // batch_size
            if hooks:
                hooks.on_train_batch_begin(batch)
            hits, losses = self._epoch(*some, tf.constant(batch_size))
            correct, loss = correct + float(hits), loss + float(losses)
            seen = min(rows.stop, len(labels))
            if hooks:
                hooks.on_train_batch_end(batch, _logs(correct, loss, seen))
        return _logs(correct, loss, len(labels))

    def _run_epoch(self, features, labels, batch_size):
        tf = runtime.tensorflow()
        n_rows = tf.size(labels)

        def step(start, correct, total_loss):
            rows = slice(start, start + batch_size)
            with tf.GradientTape() as tape:
                logits, hits, losses = self._judge(features[rows], labels[rows])
                loss = self._loss(labels[rows], logits, losses)
                loss = self.optimizer.scale_loss(loss)  # `apply` scales back
            gradients = tape.gradient(loss, self.layer.trainable_variables)
            self.optimizer.apply(gradients)
            total_loss += tf.reduce_sum(losses)
            return start + batch_size, correct + hits, total_loss

        zero = tf.constant(0.0)
        _, *results = tf.while_loop(
            lambda start, *_: start < n_rows,
            step,
            (tf.constant(0), zero, zero),
            parallel_iterations=1,
        )
        return results

    def _judge(self, features, labels):
        tf = runtime.tensorflow()
        for layer in self._before:
            features = layer(features)
        logits = self.layer(features)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=labels.dtype), labels)
        return logits, tf.reduce_sum(tf.cast(hits, tf.float32)), losses

    def _loss(self, labels, logits, losses):
        """Return what is made smaller: the mean loss as Keras has it, and the penalty.

        Smoothed labels are (1 - s) · one-hot + s / n_classes.
        """
        tf, s = runtime.tensorflow(), self.label_smoothing
        if s:
            soft = tf.one_hot(labels, self.n_classes, 1 - s + s / self.n_classes)
            soft = tf.maximum(soft, s / self.n_classes)
            losses = tf.nn.softmax_cross_entropy_with_logits(soft, logits)
        if self.class_weight is not None:
            losses *= tf.gather(tf.constant(self.class_weight, tf.float32), labels)
        return tf.reduce_mean(losses) + sum(self.layer.losses)

    def evaluate(self, features: Any, labels: Any) -> dict[str, float]:
        """Return accuracy and loss over rows that are not trained on."""
        correct, loss = 0.0, 0.0
        for rows in blocks(features):
            _, hits, losses = self._judge(features[rows], labels[rows])
            correct += float(hits)
            loss += float(losses.numpy().sum(dtype=np.float64))
        return _logs(correct, loss, len(labels))


def _logs(correct: float, loss: float, n_rows: int) -> dict[str, float]:
    """Return the means under the names that Keras gives them."""
    return {"accuracy": correct / n_rows, "loss": loss / n_rows}


def _rows(values: Any, rows: slice, order: np.ndarray | None) -> Any:
    """Return some rows, of an array or of a tensor, as a tensor."""
    tf = runtime.tensorflow()
    if order is None:
        whole = rows.start == 0 and rows.stop >= len(values)
        return tf.constant(values if whole else values[rows])
    if isinstance(values, np.ndarray | Rows):
        return tf.constant(values[order[rows]])
    return tf.gather(values, order[rows])


def blocks(features: Any, batch_size: int = 1, size: int | None = None) -> list[slice]:
    """Divide rows into blocks of whole batches that fit into `IN_MEMORY`."""
    n_rows, n_bytes = len(features), 4 * features.shape[1] * batch_size
    size = size or max(1, IN_MEMORY // n_bytes) * batch_size
    return [slice(start, start + size) for start in range(0, n_rows, size)]
