"""The trainer: its options, its lines, when it stops, and that it repeats itself."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from keras.callbacks import LambdaCallback

from carlib.backbones.backbone import Backbone
from carlib.errors import CarlibError, DataError, ImageError, OptionError
from carlib.model.model import load_model
from carlib.training import keras_head as head_module
from carlib.training import loop
from carlib.training.early_stopping import BestEpoch, EarlyStopping
from carlib.training.keras_head import Head
from carlib.training.options import RECOMMENDED, TrainingOptions
from carlib.training.progress import BottleneckMetrics, EpochMetrics, general
from carlib.training.schedules import ExponentialLRDecay, as_keras
from carlib.training.trainer import ImageClassificationTrainer
from tests.drawn import photo_set


@pytest.fixture(scope="session")
def train(photos):
    return photos[photos.subset == "T"].reset_index(drop=True)


def test_the_lines_are_the_workshops_to_the_character():
    lines = [
        BottleneckMetrics("Train", 1),
        EpochMetrics("Train", 115, 31, 0.9869566, 0.122196294, 0.0037157428),
        EpochMetrics("Validation", 13, 31, 0.76263744, 0.63454604),
    ]
    assert [str(line) for line in lines] == [
        "Phase: Bottleneck Computation, Dataset used:      Train, Image Index:   1",
        "Phase: Training, Dataset used:      Train, Batch Processed Count: 115, "
        "Epoch:  31, Accuracy:  0.9869566, Cross-Entropy: 0.122196294, "
        "Learning Rate: 0.0037157428",
        "Phase: Training, Dataset used: Validation, Batch Processed Count:  13, "
        "Epoch:  31, Accuracy: 0.76263744, Cross-Entropy: 0.63454604",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (0, "0"), (0.5, "0.5"), (0.0001, "0.0001"), (9.5e-5, "9.5E-05")]
    + [
        (1.5e10, "1.5E+10"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (1 / 3, "0.33333334"),
    ],
)
def test_numbers_are_written_as_dotnet_writes_floats(value, text):
    assert general(value) == text


@pytest.mark.parametrize(
    ("photos", "batch"), [(1145, 10), (7, 10), (10, 10), (100, 32)]
)
def test_the_learning_rate_equals_the_formula_at_every_step(photos, batch):
    schedule, whole = ExponentialLRDecay(), max(1, photos // batch)
    for epoch in range(40):
        for step in range(-(-photos // batch)):
            decays = (epoch * whole + step) // (2 * whole)
            rate = schedule.rate(epoch, step, photos // batch)
            assert rate == pytest.approx(0.01 * 0.94**decays, abs=1e-12)


def test_the_learning_rate_of_the_published_log_comes_out():
    last_batch = 114  # of 115, the smaller one
    rates = [ExponentialLRDecay().rate(epoch, last_batch, 114) for epoch in (31, 32)]
    assert [general(rate) for rate in rates] == ["0.0037157428"] * 2


def test_without_staircase_the_rate_falls_at_every_step():
    smooth = ExponentialLRDecay(0.1, num_epochs_per_decay=1, staircase=False)
    rates = [smooth.rate(0, step, 10) for step in range(10)]
    assert rates == pytest.approx([0.1 * 0.94 ** (step / 10) for step in range(10)])


def test_the_trainers_learning_rate_counts_with_the_default_schedule(trainer, train):
    history = trainer(epoch=1, learning_rate=0.002).fit(train).history
    assert history.learning_rate[0] == pytest.approx(0.002)
    constant = trainer(epoch=9, learning_rate=0.002, learning_rate_scheduler=None)
    rates = constant.fit(train).history.learning_rate.dropna()
    np.testing.assert_allclose(rates, 0.002)


def is_over(values, stopping):
    """Whether a training with these figures, epoch by epoch, is to stop."""
    best = BestEpoch(stopping)
    for epoch, value in enumerate(values):
        logs = {"val_accuracy": 0.5, "val_loss": 1.0}
        over = best.note(epoch, logs | {f"val_{stopping.metric}": value}, [])
    return over


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_early_stopping_waits_as_long_as_the_metric_stands_still(metric):
    stop = EarlyStopping(metric=metric, min_delta=0.01, patience=3)
    rising = [0.5, 0.6, 0.605, 0.609, 0.6]
    values = rising if metric == "accuracy" else [1 - value for value in rising]
    over = [is_over(values[: end + 1], stop) for end in range(len(values))]
    assert over == [False, False, False, False, True]
    improved = values[1] + (0.02 if metric == "accuracy" else -0.02)
    assert not is_over([*values[:4], improved], stop)


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


def test_the_same_seed_gives_the_same_weights_whatever_the_order_of_rows(
    trainer, train
):
    one = trainer(epoch=3).fit(train)
    shuffled = train.sample(frac=1, random_state=5)
    same = trainer(epoch=3).fit(shuffled)
    other = trainer(epoch=3, seed=2).fit(train)
    np.testing.assert_array_equal(one.head.kernel, same.head.kernel)
    assert one.data_hash == same.data_hash
    assert np.abs(one.head.kernel - other.head.kernel).max() > 0


def test_the_workshops_options_give_the_same_twice_and_stop_early_both_times(
    trainer, train
):
    runs = [
        trainer(reuse_train_set_bottleneck_cached_values=True).fit(train)
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(runs[0].history, runs[1].history)
    np.testing.assert_array_equal(runs[0].head.kernel, runs[1].head.kernel)
    assert 20 < runs[0].history.epoch.max() + 1 < 200
    assert (runs[0].history.dataset == "Validation").any()


def test_one_trainer_can_fit_twice(trainer, train):
    one = trainer(early_stopping=EarlyStopping(patience=2))
    first, second = one.fit(train), one.fit(train)
    pd.testing.assert_frame_equal(first.history, second.history)


def test_the_model_is_that_of_the_best_epoch(trainer, train):
    model = trainer().fit(train)
    watched = model.history[model.history.dataset == "Validation"].set_index("epoch")
    assert watched.accuracy[model.best_epoch] == watched.accuracy.max()


def test_the_callback_hears_both_phases_in_order(backbone, tmp_path, train):
    heard = []
    ImageClassificationTrainer(
        arch=backbone, workspace_path=None, epoch=2, metrics_callback=heard.append
    ).fit(train[::8])
    kinds = [(type(m).__name__, m.dataset) for m in heard]
    photos = [kind for kind in kinds if kind[0] == "BottleneckMetrics"]
    assert photos == sorted(photos)
    assert (
        kinds[len(photos) :]
        == [("EpochMetrics", "Train"), ("EpochMetrics", "Validation")] * 2
    )
    assert len({id(metrics) for metrics in heard}) == len(heard)
    with pytest.raises(dataclasses.FrozenInstanceError):
        heard[0].index = 5


def test_early_stopping_off_takes_no_photo_from_training_and_runs_to_the_end(
    trainer, train
):
    model = trainer(early_stopping=None, epoch=4).fit(train)
    assert set(model.history.dataset) == {"Train"}
    assert set(model.history.batch_processed_count) == {16}
    assert model.best_epoch == 3


def test_a_tenth_of_every_class_is_watched(trainer, train):
    history = trainer(epoch=1).fit(train).history.set_index("dataset")
    assert history.batch_processed_count["Train"] == 15  # 144 of 160
    assert history.batch_processed_count["Validation"] == 2


def test_a_validation_set_that_is_given_is_watched(trainer, photos, train):
    validation = photos[photos.subset == "V"]
    history = trainer(epoch=1).fit(train, validation).history.set_index("dataset")
    assert history.batch_processed_count["Train"] == 16
    assert history.batch_processed_count["Validation"] == 4


def test_the_callback_hears_nothing_of_the_training_photos_if_told_so(trainer, train):
    history = trainer(epoch=2, test_on_train_set=False).fit(train).history
    assert set(history.dataset) == {"Validation"}


def test_fewer_photos_than_a_batch_are_trained_on(trainer, train):
    few = train.groupby("damage_class").head(1)
    model = trainer(epoch=3, batch_size=50, early_stopping=None).fit(few)
    assert np.isfinite(model.head.kernel).all()
    assert model.history.learning_rate[0] == pytest.approx(0.01)


def test_all_options_out_of_range_are_named_at_once():
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer(
            arch="EfficientNetLite0",
            batch_size=0,
            epoch=2.5,
            learning_rate=float("nan"),
            validation_set_fraction=1,
            early_stopping="yes",
        )
    named = [problem.split()[0] for problem in caught.value.problems]
    assert named == [
        *("batch_size", "epoch", "learning_rate"),
        *("early_stopping", "validation_set_fraction"),
    ]
    for wrong in ({"metric": "auc"}, {"patience": 0}, {"min_delta": -1}):
        with pytest.raises(OptionError):
            EarlyStopping(**wrong)
    with pytest.raises(OptionError):
        ExponentialLRDecay(decay_rate=0)


def test_one_class_is_an_error_before_any_photo_is_read(trainer, train):
    dents = train[train.damage_class == "door_dent"].assign(image_path="nowhere.jpeg")
    with pytest.raises(DataError, match="two classes or more.*door_dent"):
        trainer(early_stopping=None).fit(dents)


def test_a_validation_class_that_is_never_trained_is_an_error(trainer, train):
    some = train[train.damage_class.isin(["door_dent", "unknown"])]
    with pytest.raises(DataError, match="tail_lamp"):
        trainer().fit(some, train)


def test_a_class_named_like_a_column_of_the_predictions_is_an_error(trainer, train):
    with pytest.raises(DataError, match="score"):
        trainer(early_stopping=None).fit(
            train.replace({"damage_class": {"unknown": "score"}})
        )


def test_photos_without_labels_are_an_error(trainer, train):
    with pytest.raises(DataError, match="damage_class"):
        trainer(early_stopping=None).fit(train[["image_path"]])


def test_bad_photos_are_all_named(trainer, train, tmp_path):
    bad = train.copy()
    for row in (3, 8):
        path = tmp_path / f"bad{row}.jpeg"
        path.write_bytes(b"<html>")
        bad.loc[row, "image_path"] = str(path)
    with pytest.raises(ImageError) as caught:
        trainer(early_stopping=None).fit(bad)
    assert len(caught.value.problems) == 2


def test_a_loss_that_is_not_a_number_stops_training(trainer, train):
    wild = trainer(learning_rate=1e38, learning_rate_scheduler=None)
    with pytest.raises(CarlibError, match="not a number any more"):
        wild.fit(train)


def test_options_make_the_same_trainer_again(backbone):
    trainer = ImageClassificationTrainer(
        arch=backbone,
        epoch=7,
        early_stopping=EarlyStopping("loss"),
        learning_rate_scheduler=None,
    )
    options = json.loads(json.dumps(trainer.options()))
    again = ImageClassificationTrainer.from_options(options)
    assert again.options() == options
    assert (again.epoch, again.early_stopping.metric) == (7, "loss")
    assert "batch_size=10" in repr(again)


def test_the_whole_network_is_written_only_if_it_is_asked_for(
    trainer, train, tmp_path, backbone
):
    trainer(epoch=1, workspace_path=tmp_path).fit(train[::20])
    assert [path.name for path in tmp_path.iterdir()] == ["bottlenecks"]
    model = trainer(epoch=1, workspace_path=tmp_path, final_model_prefix="mine_").fit(
        train[::20]
    )
    written = sorted(path.name for path in tmp_path.glob("mine_*"))
    stem = "mine_efficientnet_lite0"
    assert written == [f"{stem}.labels.txt", f"{stem}.pb"]
    labels = (tmp_path / written[0]).read_text().splitlines()
    assert labels == list(model.class_names)
    assert (tmp_path / written[1]).stat().st_size > 10_000_000


@pytest.mark.parametrize("prefix", ["../../x_", "a/b", "c:\\d", "\0", 5])
def test_a_prefix_that_leads_elsewhere_is_refused(trainer, prefix):
    with pytest.raises(OptionError, match="final_model_prefix"):
        trainer(final_model_prefix=prefix)


def test_notes_tell_of_the_drawn_sample_and_of_random_weights(trained, train):
    assert any("drawn sample" in note for note in trained.notes)
    blind = Backbone("MobileNetV2-0.35", weights=None)
    model = ImageClassificationTrainer(
        arch=blind, workspace_path=None, epoch=1, early_stopping=None
    ).fit(train[::20])
    assert any("random" in note for note in model.notes)


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
        told = loop.listener(lambda *told, to=history[name]: to.append(told))
        options = TrainingOptions(batch_size=5, epoch=4)
        loop.run_epochs(trained, (rows, labels), (rows, labels), options, [told])
        weights[name] = trained.weights
    for one, other in zip(*weights.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    for (_, one), (_, other) in zip(*history.values(), strict=True):
        assert one["accuracy"] == other["accuracy"]
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-6)


def test_a_trainer_does_not_change(trainer):
    made = trainer()
    for name in ("epoch", "arch", "backbones", "nonsense"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, 3)


def test_another_trainer_is_made_by_replacing(trainer, backbone, few):
    made = trainer()
    assert made.held_out_share == 0.1
    other = dataclasses.replace(made, early_stopping=None, epoch=1)
    assert (other.held_out_share, other.backbones) == (None, (backbone,))
    assert set(other.fit(few).history.dataset) == {"Train"}
    named = dataclasses.replace(made, arch="MobileNetV2-0.35")
    assert named.arch == "MobileNetV2-0.35"


def test_recommended_options_may_be_changed_one_by_one(trainer, few):
    made = trainer(**{**RECOMMENDED, "epoch": 3, "l2": 0.03})
    assert (made.epoch, made.optimizer, made.held_out_share) == (3, "adam", None)
    assert made.fit(few).history.epoch.max() == 2
    names = {field.name for field in dataclasses.fields(TrainingOptions)}
    assert set(RECOMMENDED) <= names
    with pytest.raises(TypeError):
        RECOMMENDED["epoch"] = 3


def test_auto_is_resolved_when_it_is_used(capsys):
    made = ImageClassificationTrainer(arch="auto")
    assert (made.arch, capsys.readouterr().out) == ("auto", "")


def test_a_history_of_nobody_can_be_saved_and_loaded(trainer, few, tmp_path):
    made = trainer(test_on_train_set=False, validation_set_fraction=None, epoch=2)
    model = made.fit(few)
    assert model.history.empty
    loaded = load_model(model.save(tmp_path / "m.zip"))
    assert list(loaded.history) == list(model.history)
    assert list(model.history) == [f.name for f in dataclasses.fields(EpochMetrics)]
