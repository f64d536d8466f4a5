"""Keras's callbacks, carlib's own, stopping by hand, and the logs in the workspace."""

import dataclasses

import keras
import numpy as np
import pytest
from keras.callbacks import (
    CSVLogger,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
)

from carlib.errors import CarlibError
from carlib.training.early_stopping import EarlyStopping
from carlib.training.progress import EpochMetrics
from carlib.training.trainer import ImageClassificationTrainer
from tests.tiny import Tiny, counts, features_of
from tests.training.told import (
    KERAS_NAMES,
    Weights,
    assert_figures,
    joined_scalars,
    read_csv,
    watched,
)

# Keras asks NumPy for a variable's value in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture(scope="module")
def train(photos):
    return photos[photos.subset == "T"][::2].reset_index(drop=True)  # 80: 72 and 8


def test_keras_early_stopping_stops_and_restores(trainer, train):
    stop = keras.callbacks.EarlyStopping(
        "val_loss", min_delta=0.02, patience=2, restore_best_weights=True
    )
    seen = Weights()
    model = trainer(
        callbacks=[seen, stop],
        early_stopping=None,
        validation_set_fraction=0.1,
        learning_rate=0.05,
        learning_rate_scheduler=None,
    ).fit(train)
    last = model.history.epoch.max()
    assert stop.stopped_epoch == last < 199
    assert stop.best_epoch == last - 2
    np.testing.assert_array_equal(model.head.kernel, seen.kernels[stop.best_epoch])
    assert model.best_epoch == stop.best_epoch


def test_the_best_epoch_is_carlibs_whatever_a_callback_restores(trainer, train):
    """Of both kinds of early stopping at once, each judges by its own metric."""
    stop = keras.callbacks.EarlyStopping(
        "learning_rate", mode="max", patience=3, restore_best_weights=True
    )
    seen = Weights()
    model = trainer(callbacks=[seen, stop], epoch=9).fit(train)
    assert stop.best_epoch == 0 < model.best_epoch
    np.testing.assert_array_equal(model.head.kernel, seen.kernels[model.best_epoch])
    accuracy = watched(model).accuracy
    assert accuracy[model.best_epoch] == accuracy.max()


def test_a_callback_that_changes_the_weights_does_not_change_the_kept_ones(
    trainer, train
):
    """What is kept is what was judged."""
    spoil = LambdaCallback(on_epoch_end=lambda epoch, logs: zero(spoil.model))

    def zero(model):
        model.layers[-2].set_weights([np.zeros((1280, 8)), np.zeros(8)])

    model = trainer(callbacks=[spoil], epoch=2).fit(train)
    assert model.head.kernel.any()


def test_keras_may_set_the_learning_rate_of_each_epoch(trainer, train):
    falling = LearningRateScheduler(lambda epoch, rate: 0.02 / (1 + epoch))
    model = trainer(
        callbacks=[falling], learning_rate_scheduler=None, epoch=3, early_stopping=None
    ).fit(train)
    rates = model.history.learning_rate
    np.testing.assert_allclose(rates, [0.02, 0.01, 0.02 / 3], rtol=1e-6)


def test_keras_may_lower_the_learning_rate_on_a_plateau(trainer, train):
    plateau = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e6)
    model = trainer(
        callbacks=[plateau],
        optimizer=keras.optimizers.Adam(0.008),
        learning_rate_scheduler=None,
        epoch=4,
        early_stopping=None,
    ).fit(train)
    rates = model.history.learning_rate
    np.testing.assert_allclose(rates, [0.008, 0.008, 0.004, 0.002], rtol=1e-6)


def test_checkpoints_hold_the_head_of_each_epoch(trainer, train, tmp_path):
    seen = Weights()
    saved = ModelCheckpoint(
        tmp_path / "{epoch:02d}-{val_loss:.2f}.weights.h5", save_weights_only=True
    )
    model = trainer(callbacks=[saved, seen], epoch=2).fit(train)
    paths = sorted(tmp_path.iterdir())
    assert [path.name[:2] for path in paths] == ["01", "02"]
    losses = watched(model).cross_entropy
    assert [path.name[3:7] for path in paths] == [f"{loss:.2f}" for loss in losses]
    for path, kernel in zip(paths, seen.kernels, strict=True):
        seen.model.load_weights(path)
        np.testing.assert_array_equal(seen.model.get_weights()[0], kernel)


def test_the_best_checkpoint_is_of_the_best_epoch(trainer, train, tmp_path):
    path, seen = tmp_path / "best.weights.h5", Weights()
    saved = ModelCheckpoint(
        path, "val_accuracy", save_best_only=True, save_weights_only=True
    )
    model = trainer(callbacks=[saved, seen], epoch=6).fit(train)
    seen.model.load_weights(path)
    best = watched(model).accuracy.argmax()  # the first of the best
    np.testing.assert_array_equal(seen.model.get_weights()[0], seen.kernels[best])


def test_callbacks_get_kerass_names_and_the_historys_figures(trainer, train, tmp_path):
    seen = Weights()
    model = trainer(callbacks=[seen, CSVLogger(tmp_path / "own.csv")], epoch=3).fit(
        train
    )
    assert all(set(logs) == KERAS_NAMES for logs in seen.logs)
    assert_figures(model.history, seen.logs)
    assert_figures(model.history, read_csv(tmp_path / "own.csv"))


def test_kerass_own_tensorboard_writes_the_figures(trainer, train, tmp_path):
    pytest.importorskip("tensorboard")
    model = trainer(callbacks=[TensorBoard(tmp_path)], epoch=2).fit(train)
    rows = joined_scalars(tmp_path)
    for row in rows:  # it writes the rate once more, from the optimizer
        row.setdefault("learning_rate", np.nan)
    assert_figures(model.history, rows)


def test_functions_hear_of_each_batch(trainer, train):
    heard = []
    listener = LambdaCallback(
        on_train_begin=lambda logs: heard.append("begin"),
        on_epoch_begin=lambda epoch, logs: heard.append(f"epoch {epoch}"),
        on_train_batch_begin=lambda batch, logs: heard.append(batch),
        on_train_batch_end=lambda batch, logs: heard.append(logs["loss"]),
        on_train_end=lambda logs: heard.append("end"),
    )
    model = trainer(callbacks=[listener], epoch=2, early_stopping=None).fit(train)
    losses = [value for value in heard if isinstance(value, float)]
    assert len(losses) == 2 * 8
    batches = [value for value in heard if not isinstance(value, float)]
    assert batches == [
        "begin",
        *("epoch 0", *range(8)),
        *("epoch 1", *range(8)),
        "end",
    ]
    np.testing.assert_allclose(losses[7::8], model.history.cross_entropy, rtol=1e-6)


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
def test_one_function_is_enough_to_hear_of_each_batch(trainer, train, hook):
    heard = []
    listener = LambdaCallback(**{hook: lambda batch, logs: heard.append(batch)})
    trainer(callbacks=[listener], epoch=1, early_stopping=None).fit(train)
    assert heard == list(range(8))


def test_batches_that_are_heard_of_make_the_same_steps(trainer, train):
    options = {"epoch": 2, "early_stopping": None, "shuffle": True, "l2": 0.01}
    quiet = trainer(**options).fit(train)
    listener = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    heard = trainer(callbacks=[listener], **options).fit(train)
    np.testing.assert_allclose(heard.head.kernel, quiet.head.kernel, atol=1e-7)
    np.testing.assert_allclose(
        heard.history.cross_entropy, quiet.history.cross_entropy, rtol=1e-6
    )


def test_a_callback_can_end_the_training(trainer, train):
    def end(epoch, logs):
        ender.model.stop_training = epoch == 2

    ender = LambdaCallback(on_epoch_end=end)
    made = trainer(callbacks=[ender], early_stopping=None)
    for _ in range(2):  # the second fit starts afresh
        model = made.fit(train)
        assert model.history.epoch.tolist() == [0, 1, 2]
        assert model.best_epoch == 2


def test_a_callback_that_ends_the_training_leaves_the_best_epoch(trainer, train):
    def end(epoch, logs):
        ender.model.stop_training = epoch == 5

    ender = LambdaCallback(on_epoch_end=end)
    model = trainer(callbacks=[ender]).fit(train)
    accuracy = watched(model).accuracy
    assert len(accuracy) == 6
    assert accuracy[model.best_epoch] == accuracy.max()


def test_stop_ends_after_the_epoch_with_the_best_so_far(trainer, train):
    heard = []

    def stop_in_epoch_4(metrics):
        heard.append(metrics)
        if isinstance(metrics, EpochMetrics) and metrics.epoch == 4:
            made.stop()

    made = trainer(metrics_callback=stop_in_epoch_4)
    for _ in range(2):  # the second fit starts afresh
        model = made.fit(train)
        accuracy = watched(model).accuracy
        assert len(accuracy) == 5
        assert accuracy[model.best_epoch] == accuracy.max()
    assert [m.dataset for m in heard if m.epoch == 4] == ["Train", "Validation"] * 2
    without = trainer(metrics_callback=stop_in_epoch_4, early_stopping=None)
    made = without
    assert without.fit(train).best_epoch == 4


def test_stop_in_the_bottleneck_phase_is_an_error_that_keeps_features(
    backbone, train, tmp_path
):
    heard = []

    def stop_at_3(metrics):
        heard.append(metrics)
        if metrics.index == 3:
            trainer.stop()

    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=tmp_path, metrics_callback=stop_at_3
    )
    with pytest.raises(CarlibError, match="nothing was trained") as caught:
        trainer.fit(train)
    assert "fit again" in caught.value.hint
    assert [metrics.index for metrics in heard] == [1, 2, 3]
    kept = features_of(train, backbone, tmp_path, progress=False)
    assert kept.n_cached >= 3
    quiet = dataclasses.replace(trainer, metrics_callback=None, epoch=1)
    assert quiet.fit(train).best_epoch == 0


def test_stop_in_the_bottleneck_phase_needs_no_metrics_callback(train, tmp_path):
    """Whoever stops may be another thread; what was computed is kept."""

    class Slow(Tiny):
        options = {"arch": "Tiny"}

        def wait(self, pixels):
            trainer.stop()
            return super().wait(pixels)

    trainer = ImageClassificationTrainer(workspace_path=tmp_path)
    vars(trainer)["backbones"] = (Slow(),)
    with pytest.raises(CarlibError, match="nothing was trained"):
        trainer.fit(train)
    assert counts(train, Tiny(), tmp_path)[0] >= 4


def test_carlibs_and_kerass_early_stopping_go_together(trainer, train):
    late = keras.callbacks.EarlyStopping("val_loss", patience=50)
    model = trainer(
        callbacks=[late], early_stopping=EarlyStopping(patience=2, min_delta=1)
    ).fit(train)
    assert model.history.epoch.max() == 2  # the first improves on nothing
