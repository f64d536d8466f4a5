"""The head takes Keras's own steps: `Model.fit` on the same batches is what counts."""

import keras
import numpy as np
import pytest
from keras.optimizers import SGD, Adam, AdamW, RMSprop
from keras.optimizers.schedules import CosineDecay, PiecewiseConstantDecay
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from carlib.training import keras_head as head_module
from carlib.training import optimizers
from carlib.training.keras_head import Head
from carlib.training.schedules import ExponentialLRDecay, as_keras
from carlib.training.trainer import ImageClassificationTrainer

N, FEATURES, CLASSES, BATCH, EPOCHS = 47, 8, 3, 10, 3  # the last batch has 7 rows
BATCHES = -(-N // BATCH)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, FEATURES)).astype(np.float32)
    return features, rng.integers(0, CLASSES, N).astype(np.int32)


def by_keras(
    data,
    optimizer,
    start,
    l2=0.0,
    label_smoothing=0.0,
    class_weight=None,
    epochs=EPOCHS,
    batch_size=BATCH,
):
    """Train a dense layer by nothing but Keras, from the same first weights."""
    features, labels = data
    dense = keras.layers.Dense(
        start[1].size, kernel_regularizer=keras.regularizers.L2(l2) if l2 else None
    )
    model = keras.Sequential([keras.Input(features.shape[1:]), dense])
    dense.set_weights(start)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing
    )
    model.compile(optimizer=optimizer, loss=loss)
    weights = None if class_weight is None else dict(enumerate(class_weight))
    model.fit(
        features,
        np.eye(start[1].size, dtype=np.float32)[labels],
        batch_size=batch_size,
        epochs=epochs,
        shuffle=False,
        class_weight=weights,
        verbose=0,
    )
    return dense.get_weights()


def ours(data, epochs=EPOCHS, rate=0.01, **options):
    """Train carlib's head as the loop does, without what's around it."""
    head = Head(FEATURES, CLASSES, 1, learning_rate=rate, **options)
    for _ in range(epochs):
        head.train(*data, BATCH)
    head.optimizer.finalize_variable_values(head.layer.trainable_variables)
    return head


def first():
    return Head(FEATURES, CLASSES, 1).weights


def assert_same(weights, expected):
    moved = np.abs(expected[0] - first()[0]).max()
    assert moved > 1e-4, "nothing was trained, so nothing was compared"
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


WAYS = {
    "plain": {},
    "l2": {"l2": 0.05},
    "label smoothing": {"label_smoothing": 0.2},
    "class weight": {"class_weight": np.array([0.5, 3.0, 1.25], np.float32)},
    "all at once": {
        "l2": 0.02,
        "label_smoothing": 0.1,
        "class_weight": np.array([2.0, 0.0, 1.5], np.float32),
    },
}


@pytest.mark.parametrize(
    ("make", "rate", "way"),
    [(SGD, 0.3, "plain"), *((Adam, 0.05, way) for way in list(WAYS)[1:])],
)
def test_the_weights_are_those_of_keras(data, make, rate, way):
    mine = ours(data, optimizer=make.__name__, rate=rate, **WAYS[way])
    assert_same(mine.weights, by_keras(data, make(rate), first(), **WAYS[way]))


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_each_optimizer_by_its_name_takes_its_own_steps(data, name):
    expected = by_keras(data, getattr(keras.optimizers, name)(0.05), first())
    assert_same(ours(data, optimizer=name.lower(), rate=0.05).weights, expected)


OBJECTS = {
    "momentum": lambda: SGD(0.1, momentum=0.9, nesterov=True),
    "clipped": lambda: Adam(0.1, global_clipnorm=0.1),
    "decayed": lambda: AdamW(0.05, weight_decay=0.1),
    "moving average": lambda: SGD(0.1, use_ema=True, ema_momentum=0.9),
    "accumulated": lambda: SGD(0.3, gradient_accumulation_steps=3),
    "cosine": lambda: SGD(CosineDecay(0.3, EPOCHS * BATCHES)),
    "cosine, warmed up": lambda: RMSprop(
        CosineDecay(0.01, 12, warmup_target=0.05, warmup_steps=6)
    ),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_optimizer_keeps_all_that_it_was_made_with(data, name):
    make = OBJECTS[name]
    mine = ours(data, optimizer=make())
    assert_same(mine.weights, by_keras(data, make(), first()))


def test_a_scaled_loss_is_scaled_back(data):
    make = lambda: SGD(0.3, loss_scale_factor=8.0)  # noqa: E731
    mine = ours(data, optimizer=make())
    assert_same(mine.weights, by_keras(data, make(), first()))


def test_a_keras_schedule_counts_every_step(data):
    schedule = CosineDecay(0.3, EPOCHS * BATCHES)
    mine = ours(data, rate=schedule)
    assert_same(mine.weights, by_keras(data, SGD(schedule), first()))
    assert mine.learning_rate == pytest.approx(
        float(schedule((EPOCHS - 1) * BATCHES)), rel=1e-4
    )


def test_a_rate_that_changes_before_each_batch_is_heeded_by_any_optimizer(data):
    """A schedule of carlib's: five batches an epoch, of which four count as whole."""
    decay = ExponentialLRDecay(0.1, num_epochs_per_decay=0.25, decay_rate=0.5)
    schedule = as_keras(decay, N, BATCH, 0.01)
    head = ours(data, optimizer="adam", rate=schedule, epochs=2)
    rates = [
        decay.rate(epoch, batch, N // BATCH) for epoch in (0, 1) for batch in range(5)
    ]
    assert len(set(rates)) > 5
    steps = PiecewiseConstantDecay(list(range(9)), rates)
    assert_same(head.weights, by_keras(data, Adam(steps), first(), epochs=2))
    assert head.learning_rate == pytest.approx(rates[5])


def test_a_memory_map_read_in_blocks_makes_the_same_steps(data, tmp_path, monkeypatch):
    np.save(tmp_path / "features.npy", data[0])
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r"), data[1]
    monkeypatch.setattr(head_module, "IN_MEMORY", 4 * FEATURES * 2 * BATCH)
    assert len(head_module.blocks(mapped[0], BATCH)) == 3
    mine = ours(mapped, optimizer="adam", rate=0.05, l2=0.02)
    assert_same(mine.weights, by_keras(data, Adam(0.05), first(), l2=0.02))


def test_an_order_is_that_of_the_rows_in_memory_and_mapped(data, tmp_path, monkeypatch):
    order = np.random.default_rng(1).permutation(N).astype(np.int32)
    expected = by_keras([part[order] for part in data], SGD(0.3), first(), epochs=1)
    np.save(tmp_path / "features.npy", data[0])
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    monkeypatch.setattr(head_module, "IN_MEMORY", 4 * FEATURES * BATCH)
    for features in (keras.ops.convert_to_tensor(data[0]), mapped):
        head = Head(FEATURES, CLASSES, 1, learning_rate=0.3)
        head.train(features, data[1], BATCH, order=order)
        assert_same(head.weights, expected)


def test_features_are_standardised_before_the_layer(data):
    odd = data[0] * np.arange(1, FEATURES + 1, dtype=np.float32) + 5, data[1]
    scaler = StandardScaler().fit(odd[0])
    statistics = {
        "mean": scaler.mean_.astype(np.float32),
        "scale": scaler.scale_.astype(np.float32),
    }
    mine = ours(odd, rate=0.1, **statistics)
    standard = scaler.transform(odd[0]).astype(np.float32), data[1]
    assert_same(mine.weights, by_keras(standard, SGD(0.1), first()))
    given = np.asarray(mine.model(odd[0]))
    np.testing.assert_allclose(mine.linear().probabilities(odd[0]), given, atol=1e-6)


def test_the_scores_hold_no_weight_smoothing_or_penalty(data):
    ways = [WAYS[name] for name in list(WAYS)[::4]]
    still = {"learning_rate": 0.0}
    plain, loaded = (Head(FEATURES, CLASSES, 1, **way | still) for way in ways)
    assert loaded.train(*data, BATCH) == plain.train(*data, BATCH)
    assert loaded.evaluate(*data) == plain.evaluate(*data)


def test_an_l2_is_what_scikit_learn_calls_c(data):
    """C = 1 / (2 · l2 · n): the head, trained to the end, is its optimum."""
    l2, batch = 0.05, N
    head = Head(FEATURES, CLASSES, 1, l2=l2, optimizer="sgd", learning_rate=0.5)
    for _ in range(1500):
        head.train(*data, batch)
    model = LogisticRegression(C=1 / (2 * l2 * N), tol=1e-8, max_iter=1000)
    expected = model.fit(*data).predict_proba(data[0])
    given = head.linear().probabilities(data[0])
    np.testing.assert_allclose(given, expected, atol=1e-3)


def test_the_trainer_hands_all_of_it_on(photos, workspace, backbone):
    """From photos to weights, with every option of the head's at once."""
    train = photos[photos.subset == "T"].iloc[:67]  # skewed, and a smaller last batch
    schedule = CosineDecay(0.003, 20)
    trainer = ImageClassificationTrainer(
        arch=backbone,
        workspace_path=workspace,
        epoch=3,
        early_stopping=None,
        optimizer=Adam(0.5, beta_1=0.8),
        learning_rate_scheduler=schedule,
        l2=0.01,
        label_smoothing=0.1,
        class_weight="balanced",
        seed=5,
    )
    photo_set = trainer.photo_set(train)
    rows, labels = photo_set.in_order(5)
    counts = np.bincount(labels)
    assert len(set(counts)) > 1
    expected = by_keras(
        (StandardScaler().fit_transform(rows.astype(np.float64)), labels),
        Adam(schedule, beta_1=0.8),
        Head(rows.shape[1], len(counts), 5).weights,
        l2=0.01,
        label_smoothing=0.1,
        class_weight=len(labels) / (len(counts) * counts),
        epochs=3,
    )
    linear = trainer.train_head(photo_set)[0].linear
    np.testing.assert_allclose(linear.kernel, expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(linear.bias, expected[1], rtol=0, atol=1e-5)


def test_the_head_takes_the_steps_of_plain_sgd():
    """Against the same steps written out in NumPy, last smaller batch included."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(25, 6)).astype(np.float32)
    labels = rng.integers(0, 3, 25).astype(np.int32)
    halving = ExponentialLRDecay(0.5, num_epochs_per_decay=0.5, decay_rate=0.5)
    head = Head(6, 3, seed=1, learning_rate=as_keras(halving, 25, 10, 0.5))
    kernel, bias = (weights.astype(np.float64) for weights in head.weights)
    losses, hits = [], []
    for start, rate in zip((0, 10, 20), (0.5, 0.25, 0.125), strict=True):
        x, y = features[start : start + 10], labels[start : start + 10]
        scores = np.exp(x @ kernel + bias)
        scores /= scores.sum(axis=1, keepdims=True)
        losses += list(-np.log(scores[np.arange(len(y)), y]))
        hits += list(scores.argmax(axis=1) == y)
        wrong = (scores - np.eye(3)[y]) / len(y)
        kernel, bias = kernel - rate * x.T @ wrong, bias - rate * wrong.sum(axis=0)
    logs = head.train(features, labels, 10)
    np.testing.assert_allclose(head.weights[0], kernel, atol=1e-6)
    np.testing.assert_allclose(head.weights[1], bias, atol=1e-6)
    assert logs["loss"] == pytest.approx(np.mean(losses), abs=1e-6)
    assert logs["accuracy"] == pytest.approx(np.mean(hits))


def test_the_first_weights_are_small_and_follow_the_seed():
    kernel, bias = Head(400, 5, seed=1).weights
    assert 0.0008 < kernel.std() < 0.001
    assert np.abs(kernel).max() <= 0.002
    assert not bias.any()
    np.testing.assert_array_equal(kernel, Head(400, 5, seed=1).weights[0])
    assert (kernel != Head(400, 5, seed=2).weights[0]).any()
