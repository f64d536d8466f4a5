"""The loop: the best epoch, memory maps, class weights, callbacks."""

import numpy as np
import pytest
from keras.callbacks import LambdaCallback
from sklearn.utils.class_weight import compute_class_weight

from carlib.errors import CarlibError, OptionError
from carlib.training import epochs, loop
from carlib.training import keras_head as head_module
from carlib.training.early_stopping import EarlyStopping
from carlib.training.keras_head import Head
from carlib.training.options import TrainingOptions
from carlib.training.task import class_weights
from tests.drawn import photo_set
from tests.training.told import QUICK, same


def test_training_leaves_the_head_at_its_best_epoch():
    """On labels that are noise, the loss of held-out rows soon rises again."""
    rng = np.random.default_rng(0)
    drawn = photo_set(rng.normal(size=(200, 50)), rng.integers(0, 3, 200))
    train, validation = drawn.some(np.arange(100)), drawn.some(np.arange(100, 200))
    seen = []

    def note(epoch, logs):
        seen.append((logs["val_loss"], watcher.model.get_weights()[0]))

    watcher = LambdaCallback(on_epoch_end=note)
    options = TrainingOptions(
        epoch=60,
        learning_rate=0.1,
        learning_rate_scheduler=None,
        early_stopping=EarlyStopping(metric="loss", patience=10),
    )
    trained = loop.train_head(options, train, validation, [watcher])
    losses = [loss for loss, _ in seen]
    assert trained.best_epoch == int(np.argmin(losses)) < len(losses) - 1 < 59
    np.testing.assert_array_equal(trained.linear.kernel, seen[trained.best_epoch][1])


def test_a_loss_that_is_not_a_number_stops_training(trainer, train):
    wild = trainer(learning_rate=1e38, learning_rate_scheduler=None)
    with pytest.raises(CarlibError, match="not a number any more"):
        wild.fit(train)


def test_the_head_trains_from_a_memory_map_block_by_block(tmp_path, monkeypatch):
    """The same weights, whether all features are in memory or ten rows at a time."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(47, 16)).astype(np.float32)
    labels = rng.integers(0, 3, 47).astype(np.int32)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    weights, history = {}, {}
    for name, rows, limit in (("all", features, 1 << 20), ("blocks", mapped, 640)):
        monkeypatch.setattr(head_module, "IN_MEMORY", limit)
        trained, history[name] = Head(16, 3, seed=1, learning_rate=0.1), []
        told = epochs.listener(lambda *told, to=history[name]: to.append(told))
        options = TrainingOptions(batch_size=5, epoch=4)
        epochs.run_epochs(trained, (rows, labels), (rows, labels), options, [told])
        weights[name] = trained.weights
    for one, other in zip(*weights.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    for (_, one), (_, other) in zip(*history.values(), strict=True):
        assert one["accuracy"] == other["accuracy"]
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-6)


def test_balanced_weights_are_scikit_learns(trainer, skewed):
    photo_set = trainer().photo_set(skewed)
    classes = np.arange(3)
    expected = compute_class_weight("balanced", classes=classes, y=photo_set.labels)
    given = class_weights("balanced", photo_set)
    np.testing.assert_allclose(given, expected, rtol=1e-6)
    by_name = dict(zip(photo_set.classes, map(float, given), strict=True))
    by_hand = trainer(class_weight=by_name, **QUICK).fit(skewed)
    assert same(trainer(class_weight="balanced", **QUICK).fit(skewed), by_hand)
    assert not same(trainer(**QUICK).fit(skewed), by_hand)


def test_balanced_weights_count_what_is_trained_on(trainer, skewed):
    """Not the photos that are watched, which belong to no batch."""
    made = trainer(class_weight="balanced", validation_set_fraction=0.4)
    rest, watched = made.hold_out(made.photo_set(skewed))
    assert len(watched) > 5
    expected = len(rest) / (3 * np.bincount(rest.labels))
    np.testing.assert_allclose(class_weights("balanced", rest), expected, rtol=1e-6)


def test_class_weights_are_by_name_and_one_elsewhere(trainer, skewed):
    photo_set = trainer().photo_set(skewed)
    given = class_weights({"unknown": 2.5, "door_dent": 0}, photo_set)
    factors = dict(zip(photo_set.classes, given, strict=True))
    assert factors == {"door_dent": 0, "tail_lamp": 1, "unknown": 2.5}
    with pytest.raises(OptionError, match="scratch") as caught:
        trainer(class_weight={"scratch": 2, "unknown": 1}, **QUICK).fit(skewed)
    assert caught.value.problems == ["scratch"]
    assert "tail_lamp" in caught.value.hint


def test_a_class_that_weighs_more_is_named_more_often(trainer, skewed):
    named = [
        (trainer(epoch=5, early_stopping=None, class_weight=weights))
        .fit(skewed)
        .predict(skewed, progress=False)
        .predicted_label.eq("tail_lamp")
        .sum()
        for weights in (None, {"tail_lamp": 50})
    ]
    assert named[0] < named[1]


def test_shuffling_changes_the_weights_and_repeats_with_the_seed(trainer, skewed):
    still, one, other = (
        trainer(shuffle=shuffle, **QUICK).fit(skewed) for shuffle in (False, True, True)
    )
    assert same(one, other)
    assert not same(one, still)
    assert not same(one, trainer(shuffle=True, seed=2, **QUICK).fit(skewed))
    reordered = skewed.sample(frac=1, random_state=3)
    assert same(one, trainer(shuffle=True, **QUICK).fit(reordered))


def test_an_order_is_drawn_for_each_epoch(trainer, skewed, monkeypatch):
    from carlib.training.keras_head import Head

    orders, train_once = [], Head.train

    def note(self, *arguments, order=None, **options):
        orders.append(order)
        return train_once(self, *arguments, order=order, **options)

    monkeypatch.setattr(Head, "train", note)
    trainer(shuffle=True, epoch=3, early_stopping=None).fit(skewed)
    assert all(sorted(order) == list(range(len(skewed))) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
