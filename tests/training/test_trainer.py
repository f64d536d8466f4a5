"""The trainer: its options, its lines, when it stops, and that it repeats itself."""

import copy
import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest

from carlib.backbones.backbone import Backbone
from carlib.errors import DataError, ImageError, OptionError
from carlib.model.model import load_model
from carlib.training.early_stopping import EarlyStopping
from carlib.training.options import RECOMMENDED, TrainingOptions
from carlib.training.progress import EpochMetrics
from carlib.training.schedules import ExponentialLRDecay
from carlib.training.trainer import ImageClassificationTrainer


def test_the_trainers_learning_rate_counts_with_the_default_schedule(trainer, train):
    history = trainer(epoch=1, learning_rate=0.002).fit(train).history
    assert history.learning_rate[0] == pytest.approx(0.002)
    constant = trainer(epoch=9, learning_rate=0.002, learning_rate_scheduler=None)
    rates = constant.fit(train).history.learning_rate.dropna()
    np.testing.assert_allclose(rates, 0.002)


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
    assert (made.epoch, made.optimizer, made.held_out_share) == (3, "lbfgs", None)
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


def test_a_trainer_can_be_copied_and_pickled(trainer):
    made = trainer(arch="EfficientNetLite0", l2="auto")
    assert pickle.dumps(made)
    again = copy.deepcopy(made)
    assert again == made and again.options() == made.options()
