"""optimizer="lbfgs": who hears of it, and who can stop it."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from carlib.evaluation.evaluate import evaluate
from carlib.training.early_stopping import EarlyStopping
from carlib.training.trainer import ImageClassificationTrainer
from tests.training.told import Weights, read_csv, same, watched

DIRECT = {"optimizer": "lbfgs", "l2": 0.03, "early_stopping": None}
# Keras asks NumPy for a variable's value in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture(scope="module")
def model(backbone, workspace, skewed):
    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, **DIRECT
    )
    return trainer.fit(skewed)


def test_the_history_has_a_row_an_iteration_without_a_learning_rate(model, skewed):
    history = model.history
    assert history.epoch.tolist() == list(range(model.best_epoch + 1))
    assert set(history.batch_processed_count) == {1}
    assert history.learning_rate.isna().all()
    metrics = evaluate(model.predict(skewed, progress=False))
    assert history.accuracy.iloc[-1] == pytest.approx(metrics.micro_accuracy)
    assert history.cross_entropy.iloc[-1] == pytest.approx(metrics.log_loss, abs=1e-5)
    assert not any("optimum" in note for note in model.notes)


def test_seed_order_and_batch_size_make_no_difference(model, trainer, skewed):
    moved = skewed.sample(frac=1, random_state=3)
    other = trainer(**DIRECT, seed=5, batch_size=3, learning_rate=7).fit(moved)
    for one, two in zip(
        (model.head.kernel, model.head.bias),
        (other.head.kernel, other.head.bias),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_too_few_iterations_are_told_in_the_notes(trainer, skewed):
    short = trainer(**DIRECT, epoch=3).fit(skewed)
    assert short.best_epoch == 2
    assert any("left after 3 iterations" in note for note in short.notes)


def test_the_metrics_callback_can_stop_it(trainer, skewed):
    def tell(metrics):
        if getattr(metrics, "epoch", 0) == 4:
            made.stop()

    made = trainer(**DIRECT, metrics_callback=tell)
    assert made.fit(skewed).history.epoch.max() == 4


def test_early_stopping_keeps_the_best_iteration(trainer, train):
    stopping = EarlyStopping(metric="loss", patience=4)
    options = {"optimizer": "lbfgs", "l2": 1e-6, "early_stopping": stopping}
    model = trainer(**options, validation_set_fraction=0.3).fit(train)
    losses = watched(model).cross_entropy
    assert model.best_epoch == losses.idxmin() < losses.index[-1] < 199
    assert any("isn't at the optimum" in note for note in model.notes)


def test_keras_callbacks_hear_of_each_iteration_and_see_its_head(
    model, trainer, skewed, tmp_path
):
    seen, log = Weights(), keras.callbacks.CSVLogger(tmp_path / "training.csv")
    told = trainer(**DIRECT, callbacks=[seen, log]).fit(skewed)
    assert same(told, model)
    assert len(seen.kernels) == len(told.history)
    np.testing.assert_array_equal(seen.kernels[-1], told.head.kernel)
    losses = [float(row["loss"]) for row in read_csv(tmp_path / "training.csv")]
    np.testing.assert_allclose(losses, told.history.cross_entropy, rtol=1e-6)


def test_keras_early_stopping_stops_and_restores(trainer, train):
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=2, restore_best_weights=True
    )
    seen = Weights()
    options = {**DIRECT, "l2": 1e-6, "validation_set_fraction": 0.3}
    model = trainer(**options, callbacks=[seen, stop]).fit(train)
    assert stop.stopped_epoch == model.history.epoch.max() < 199
    assert model.best_epoch == stop.best_epoch
    np.testing.assert_array_equal(model.head.kernel, seen.kernels[stop.best_epoch])


def test_without_callbacks_nothing_of_tensorflow_is_loaded():
    code = (
        "import sys, numpy as np\n"
        "from carlib.training.loop import train_head\n"
        "from carlib.training.options import TrainingOptions\n"
        "from tests.drawn import photo_set\n"
        "rows = np.random.default_rng(0).normal(size=(60, 5))\n"
        "options = TrainingOptions(optimizer='lbfgs', l2='auto',\n"
        "    calibrate='temperature', early_stopping=None)\n"
        "train_head(options, photo_set(rows, rows[:, 0] > 0))\n"
        "sys.exit('tensorflow' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
