"""The trainer's further options: what they may be, what they do, their way by JSON."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from keras import optimizers as keras_optimizers
from keras.callbacks import LambdaCallback
from keras.optimizers import schedules as keras_schedules
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from carlib.errors import DataError, OptionError
from carlib.model.model import load_model
from carlib.training import choose_l2 as choose_l2_module
from carlib.training import optimizers
from carlib.training.choose_l2 import CANDIDATES, choose_l2
from carlib.training.early_stopping import EarlyStopping
from carlib.training.loop import class_weights
from carlib.training.schedules import ExponentialLRDecay, LsrDecay, PolynomialLRDecay
from carlib.training.trainer import ImageClassificationTrainer
from tests.drawn import photo_set

QUICK = {"epoch": 2, "early_stopping": None}


@pytest.fixture(scope="module")
def train(photos):
    return photos[photos.subset == "T"].reset_index(drop=True)


@pytest.fixture(scope="module")
def skewed(train):
    """Photos of three classes, of one many and of one few."""
    few = {"door_dent": 15, "unknown": 9, "tail_lamp": 4}
    parts = [train[train.damage_class == name][:n] for name, n in few.items()]
    return train.loc[np.concatenate([part.index for part in parts])]


def same(one, other):
    return np.array_equal(one.head.kernel, other.head.kernel) and np.array_equal(
        one.head.bias, other.head.bias
    )


def through_json(trainer):
    return json.loads(json.dumps(trainer.options()))


def test_every_bad_value_is_named_at_once():
    bad = {
        "learning_rate_scheduler": "cosine",
        "augment": "rotate",
        "l2": -0.1,
        "label_smoothing": 1,
        "class_weight": {"door_dent": -1},
        "optimizer": "sgdd",
        "logs": ("csv", "wandb"),
    }
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer(arch="EfficientNetLite0", **bad)
    assert [problem.split()[0] for problem in caught.value.problems] == list(bad)
    for name, value in bad.items():
        assert any(
            line.startswith(name) and repr(value) in line
            for line in caught.value.problems
        )


@pytest.mark.parametrize(
    "bad",
    [
        {"logs": "csv"},
        {"logs": None},
        {"l2": "best"},
        {"l2": float("nan")},
        {"l2": None},
        {"label_smoothing": True},
        {"class_weight": "even"},
        {"class_weight": {"door_dent": float("inf")}},
        {"class_weight": [1, 2]},
        {"optimizer": None},
        {"optimizer": keras_optimizers.Adam},
        {"optimizer": keras_optimizers.LossScaleOptimizer(keras_optimizers.SGD())},
        {"validation_set_fraction": "some"},
        {"validation_set_fraction": 0},
        {"learning_rate_scheduler": keras_schedules.CosineDecay},
        {"callbacks": LambdaCallback()},
        {"callbacks": [EarlyStopping()]},  # carlib's, which is no callback
        {"standardize": "yes"},
        {"seed": -1},
    ],
    ids=repr,
)
def test_a_bad_value_is_an_option_error(bad):
    with pytest.raises(OptionError) as caught:
        ImageClassificationTrainer(arch="EfficientNetLite0", **bad)
    assert caught.value.problems[0].startswith(next(iter(bad)))


def test_logs_need_a_workspace():
    with pytest.raises(OptionError, match="workspace_path is None"):
        ImageClassificationTrainer(workspace_path=None, logs=("csv",))


def test_two_schedules_of_the_learning_rate_are_one_too_many():
    own = keras_optimizers.SGD(keras_schedules.CosineDecay(0.1, 10))
    for schedule in (ExponentialLRDecay(), keras_schedules.CosineDecay(0.1, 10)):
        with pytest.raises(OptionError, match="optimizer has a schedule"):
            ImageClassificationTrainer(optimizer=own, learning_rate_scheduler=schedule)
    ImageClassificationTrainer(optimizer=own, learning_rate_scheduler=None)


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


def test_an_optimizer_is_copied_at_each_fit_and_never_touched(trainer, skewed):
    mine = keras_optimizers.Adam(0.003, beta_1=0.7)
    before = mine.get_config()
    made = trainer(optimizer=mine, **QUICK)
    one, other = made.fit(skewed), made.fit(skewed)
    assert same(one, other)
    assert not mine.built and int(mine.iterations) == 0
    assert mine.get_config() == before
    # It's the optimizer's own rate that falls, not the trainer's.
    assert one.history.learning_rate[0] == pytest.approx(0.003)


def test_an_optimizer_keeps_its_rate_or_follows_a_schedule(trainer, skewed):
    mine = keras_optimizers.Adam(0.003)
    still = trainer(optimizer=mine, learning_rate_scheduler=None, epoch=4)
    assert set(still.fit(skewed).history.learning_rate.dropna().round(6)) == {0.003}
    falls = trainer(
        optimizer=mine, learning_rate_scheduler=ExponentialLRDecay(0.02), epoch=4
    )
    rates = falls.fit(skewed).history.learning_rate.dropna()
    np.testing.assert_allclose(rates[:1], 0.02, rtol=1e-6)
    assert rates.iloc[-1] < 0.02
    cosine = keras_schedules.CosineDecay(0.02, 2 * 3)  # 28 photos: 3 batches
    model = trainer(optimizer=mine, learning_rate_scheduler=cosine, **QUICK).fit(skewed)
    expected = [float(cosine(step)) for step in (2, 5)]
    np.testing.assert_allclose(model.history.learning_rate, expected, rtol=1e-4)


OPTIMIZERS = {
    "a name": "AdamW",
    "plain": keras_optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "many options": keras_optimizers.AdamW(0.002, weight_decay=0.01, clipnorm=1.0),
    "its own schedule": keras_optimizers.Adam(keras_schedules.CosineDecay(0.01, 9)),
}
SCHEDULES = {
    "none": None,
    "exponential": ExponentialLRDecay(0.02, 3, 0.9, False),
    "polynomial": PolynomialLRDecay(0.02, 7, power=2.0, cycle=True),
    "lsr": LsrDecay(0.2, {0: 1, 5: 0.5}),
    "cosine": keras_schedules.CosineDecay(0.01, 9, warmup_target=0.1, warmup_steps=3),
    "restarts": keras_schedules.CosineDecayRestarts(0.01, 9),
    "pieces": keras_schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.02, 0.01]),
    "inverse": keras_schedules.InverseTimeDecay(0.1, 3, 0.5),
    "keras's exponential": keras_schedules.ExponentialDecay(0.1, 3, 0.9),
    "keras's polynomial": keras_schedules.PolynomialDecay(0.1, 3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_come_through_json(trainer, skewed, name):
    made = trainer(optimizer=OPTIMIZERS[name], learning_rate_scheduler=None, **QUICK)
    plain = through_json(made)
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain == made.options()
    assert type(again.optimizer) is type(made.optimizer)
    assert same(made.fit(skewed), again.fit(skewed))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_come_through_json(trainer, name):
    made = trainer(learning_rate_scheduler=SCHEDULES[name])
    plain = through_json(made)
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain == made.options()
    assert type(again.learning_rate_scheduler) is type(SCHEDULES[name])


def test_all_other_options_come_through_json(trainer):
    made = trainer(
        augment="flip",
        standardize=False,
        l2="auto",
        label_smoothing=0.1,
        class_weight={"door_dent": 2.0},
        shuffle=True,
        logs=("csv", "tensorboard"),
        callbacks=[LambdaCallback()],
        early_stopping=EarlyStopping("loss", 0, 5),
        validation_set_fraction=0.2,
        seed=7,
    )
    plain = through_json(made)
    again = ImageClassificationTrainer.from_options(plain)
    assert again.options() == plain
    assert (again.augment, again.standardize, again.l2) == ("flip", False, "auto")
    assert (again.class_weight, again.shuffle) == ({"door_dent": 2.0}, True)
    assert again.early_stopping == made.early_stopping
    assert set(again.logs) == {"csv", "tensorboard"}
    assert not again.callbacks


@pytest.mark.parametrize(
    "evil",
    [
        {"kind": "turtle.Turtle", "config": {"learning_rate": 0.1}},
        {"kind": "Turtle", "config": {"learning_rate": 0.1}},
        {"kind": "Optimizer", "config": {"learning_rate": 0.1}},
        {"kind": "schedules", "config": {"learning_rate": 0.1}},
        {"kind": ["turtle"], "config": {"learning_rate": 0.1}},
        {
            "kind": "SGD",
            "config": {"learning_rate": {"kind": "turtle.Turtle", "config": {}}},
        },
        {
            "kind": "SGD",
            "config": {
                "learning_rate": {
                    "module": "turtle",
                    "class_name": "Turtle",
                    "config": {},
                    "registered_name": "turtle>Turtle",
                }
            },
        },
        {"kind": "SGD", "config": {"learning_rate": 0.1, "turtle": 1}},
        {"kind": "SGD", "config": {"learning_rate": "turtle.Turtle"}},
    ],
    ids=repr,
)
def test_what_is_none_of_keras_is_refused_and_never_looked_for(trainer, evil):
    plain = through_json(trainer()) | {"optimizer": evil}
    with pytest.raises(OptionError):
        ImageClassificationTrainer.from_options(plain)
    assert "turtle" not in sys.modules


def test_a_schedule_that_is_none_of_keras_is_refused(trainer):
    evil = {"kind": "turtle.Turtle", "config": {}}
    plain = through_json(trainer()) | {"learning_rate_scheduler": evil}
    with pytest.raises(OptionError, match="no learning-rate schedule"):
        ImageClassificationTrainer.from_options(plain)
    assert "turtle" not in sys.modules


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


@pytest.fixture(scope="module")
def chosen(backbone, workspace, skewed):
    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, l2="auto", **QUICK
    )
    return trainer.fit(skewed)


def test_an_automatic_l2_is_a_candidate_and_the_model_says_which(
    chosen, trainer, skewed, tmp_path
):
    assert chosen.options["l2"] == "auto"
    assert chosen.options["l2_chosen"] in CANDIDATES
    loaded = load_model(chosen.save(tmp_path / "model.zip"))
    assert loaded.options["l2_chosen"] == chosen.options["l2_chosen"]
    by_hand = trainer(l2=chosen.options["l2_chosen"], **QUICK).fit(skewed)
    assert same(chosen, by_hand)
    assert by_hand.options["l2_chosen"] == by_hand.options["l2"]


def test_the_l2_is_that_of_the_least_log_loss():
    """Weak where the classes can be told apart, strong where labels are noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 6)) * np.arange(1, 7)
    noise = rng.integers(0, 2, 120)
    assert choose_l2(photo_set(features, features[:, 0] > 0), None, 1) == CANDIDATES[0]
    assert choose_l2(photo_set(features, noise), None, 1) == CANDIDATES[-1]
    rather = photo_set(features, features[:, 0] + rng.normal(size=120) > 0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=1)
    losses = []
    for l2 in CANDIDATES:
        head = LogisticRegression(C=1 / (2 * l2 * 96), tol=1e-6)
        pipeline = make_pipeline(StandardScaler(), head)
        scores = cross_val_score(
            pipeline,
            features,
            rather.labels,
            groups=np.arange(120),
            cv=folds,
            scoring="neg_log_loss",
        )
        losses.append(-scores.mean())
    best = choose_l2(rather, None, 1)
    assert best not in (CANDIDATES[0], CANDIDATES[-1])
    assert losses[CANDIDATES.index(best)] == pytest.approx(min(losses), abs=1e-4)


def test_copies_of_a_photo_stay_in_one_fold(trainer, skewed, monkeypatch):
    photo_set = trainer().photo_set(skewed)
    copied = photo_set.some(np.arange(len(photo_set)).repeat(2))
    folds, judge = [], choose_l2_module._losses

    def note(features, labels, held_out, weights):
        rows = np.arange(len(labels))
        folds.append((set(rows[~held_out]), set(rows[held_out])))
        return judge(features, labels, held_out, weights)

    monkeypatch.setattr(choose_l2_module, "_losses", note)
    choose_l2(copied, None, 1)
    keys = copied.keys
    for fitted, held in folds:
        assert not {keys[i] for i in fitted} & {keys[i] for i in held}
    assert sorted(sum((list(held) for _, held in folds), [])) == list(range(56))


def test_an_automatic_l2_needs_two_photos_of_each_class(trainer, skewed):
    one = skewed[skewed.damage_class != "tail_lamp"]
    lonely = skewed[skewed.damage_class == "tail_lamp"][:1]
    few = pd.concat([one, lonely, lonely])  # a copy is no second photo
    with pytest.raises(DataError, match="two different photos") as caught:
        trainer(l2="auto", **QUICK).fit(few)
    assert caught.value.problems == ["tail_lamp: 1"]


STOP = EarlyStopping(patience=1)


@pytest.mark.parametrize(
    ("fraction", "early_stopping", "expected"),
    [
        ("auto", STOP, 0.1),
        ("auto", None, None),
        (0.3, STOP, 0.3),
        (0.3, None, 0.3),
        (None, STOP, None),
        (None, None, None),
    ],
)
def test_who_is_watched(trainer, train, fraction, early_stopping, expected):
    made = trainer(
        epoch=1, validation_set_fraction=fraction, early_stopping=early_stopping
    )
    assert made.validation_set_fraction == fraction
    assert made.held_out_share == expected
    few = train[::2]
    rest, watched = made.hold_out(made.photo_set(few))
    history = made.fit(few).history
    assert ("Validation" in set(history.dataset)) == (expected is not None)
    if expected is None:
        assert watched is None and len(rest) == len(few)
        return
    assert len(rest) + len(watched) == len(few)
    assert len(watched) == pytest.approx(expected * len(few), abs=4)
    assert set(watched.labels) == set(rest.labels)
    assert not set(watched.keys) & set(rest.keys)


def test_a_validation_set_is_watched_whatever_the_fraction(trainer, photos, skewed):
    validation = photos[photos.subset == "V"]
    validation = validation[validation.damage_class.isin(set(skewed.damage_class))]
    for options in ({}, {"validation_set_fraction": 0.5}, QUICK):
        made = trainer(**(options | {"epoch": 1, "batch_size": 1}))
        history = made.fit(skewed, validation).history.set_index("dataset")
        assert history.batch_processed_count.to_dict() == {
            "Train": len(skewed),
            "Validation": len(validation),
        }


def test_early_stopping_without_watched_photos_goes_by_the_training_photos(
    trainer, skewed
):
    model = trainer(validation_set_fraction=None, early_stopping=STOP).fit(skewed)
    history = model.history
    assert set(history.dataset) == {"Train"}
    assert len(history) < 200
    assert history.accuracy[model.best_epoch] == history.accuracy.max()


def test_a_fresh_copy_is_by_the_optimizers_own_class():
    assert type(optimizers.fresh("adam", 0.1)) is keras_optimizers.Adam
    mine = keras_optimizers.Lion(0.1)
    assert optimizers.fresh(mine, 0.5) is not mine
    assert float(optimizers.fresh(mine, 0.5).learning_rate) == pytest.approx(0.1)
    with pytest.raises(OptionError, match="AdamW"):
        optimizers.fresh("sgdd", 0.1)


def test_numpys_numbers_come_through_json(trainer, skewed, tmp_path):
    made = trainer(
        batch_size=np.int64(9),
        seed=np.int32(3),
        l2=np.float32(0.5),
        class_weight={"unknown": np.float32(2)},
        **QUICK,
    )
    plain = through_json(made)
    assert (plain["batch_size"], plain["l2"]) == (9, 0.5)
    assert plain["class_weight"] == {"unknown": 2}
    assert made.fit(skewed).save(tmp_path / "model.zip").exists()
