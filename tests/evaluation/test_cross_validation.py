"""Cross-validation: each photo named by heads without it, and how sure that is."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.errors import DataError, OptionError
from carlib.evaluation import cross_validation
from carlib.evaluation.cross_validation import _intervals, cross_validate
from carlib.evaluation.intervals import mean_recall_interval
from carlib.training import loop
from carlib.training.early_stopping import EarlyStopping
from carlib.training.trainer import ImageClassificationTrainer
from tests.evaluation.predicted import predictions

METRICS = ["micro_accuracy", "macro_accuracy", "log_loss"]


@pytest.fixture(scope="module")
def trainer(backbone, workspace):
    return ImageClassificationTrainer(arch=backbone, workspace_path=workspace, epoch=4)


@pytest.fixture(scope="module")
def cv(trainer, photos):
    return cross_validate(trainer, photos, folds=3, seeds=(1, 5))


def of_seed(cv, seed) -> pd.DataFrame:
    rows = cv.predictions[cv.predictions.seed == seed]
    return rows.reset_index(drop=True)


# --- predictions ---------------------------------------------------------------------


def test_each_seed_predicts_each_photo_once(cv, photos):
    assert list(cv.predictions) == [
        *("image_path", "damage_class", "subset", "seed", "fold"),
        *("predicted_label", "score", *cv.class_names),
    ]
    for seed in (1, 5):
        table = of_seed(cv, seed)
        pd.testing.assert_frame_equal(table[list(photos)], photos)
        assert sorted(set(table.fold)) == [1, 2, 3]
    assert (of_seed(cv, 1).fold != of_seed(cv, 5).fold).any()


def test_what_is_predicted_is_the_likeliest_class(cv):
    scores = cv.predictions[list(cv.class_names)]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores.idxmax(axis=1) == cv.predictions.predicted_label).all()
    assert (scores.max(axis=1) == cv.predictions.score).all()


@pytest.mark.parametrize("changes", [{}, {"early_stopping": None}])
def test_a_fold_is_named_by_what_fit_makes_of_the_others(trainer, photos, changes):
    trainer = dataclasses.replace(
        trainer, workspace_path=trainer.workspace_path, **changes
    )
    cv = cross_validate(trainer, photos, folds=2, seeds=(7,), progress=False)
    held_out = (cv.predictions.fold == 2).to_numpy()
    model = dataclasses.replace(trainer, seed=7).fit(photos[~held_out])
    expected = model.predict(photos[held_out])
    names = list(cv.class_names)
    found = cv.predictions.loc[held_out, names].to_numpy()
    np.testing.assert_allclose(found, expected[names], atol=1e-6)


def test_early_stopping_never_watches_the_photos_held_out(trainer, photos, monkeypatch):
    watched = []

    def spy(options, train, validation):
        watched.append({*train.keys, *validation.keys})
        return loop.train_head(options, train, validation)

    monkeypatch.setattr(cross_validation, "train_head", spy)
    cv = cross_validate(trainer, photos, folds=2, seeds=(1,), progress=False)
    keys = np.array(trainer.photo_set(photos).keys, dtype=object)
    for fold, seen in enumerate(watched, start=1):
        assert seen == set(keys[cv.predictions.fold != fold])


def test_the_order_of_the_photos_has_no_say(trainer, photos, cv):
    mixed = photos.sample(frac=1, random_state=3)
    again = cross_validate(trainer, mixed, folds=3, seeds=(1,), progress=False)
    found = again.predictions.sort_values("image_path", ignore_index=True)
    expected = of_seed(cv, 1).sort_values("image_path", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def test_columns_of_ones_own_stay_and_earlier_predictions_go(trainer, photos, cv):
    own = photos.assign(garage="north", fold=9, score=2.0, error="", door_dent=1)
    again = cross_validate(trainer, own, folds=3, seeds=(1,), progress=False)
    assert list(again.predictions)[:5] == [*photos, "garage", "seed"]
    expected = of_seed(cv, 1)
    pd.testing.assert_frame_equal(again.predictions[list(expected)], expected)


# --- folds ---------------------------------------------------------------------------


def test_folds_are_stratified(cv):
    for seed in (1, 5):
        table = of_seed(cv, seed)
        counts = pd.crosstab(table.damage_class, table.fold)
        assert counts.to_numpy().min() == 8 and counts.to_numpy().max() == 9


def test_copies_of_a_photo_are_in_one_fold(trainer, photos, tmp_path):
    some = photos.groupby("damage_class").head(6).reset_index(drop=True)
    copies = some.iloc[::2].copy()
    for row, path in copies.image_path.items():
        copies.loc[row, "image_path"] = str(tmp_path / f"{row}.png")
        shutil.copy(path, tmp_path / f"{row}.png")
    both = pd.concat([some, copies], ignore_index=True)
    cv = cross_validate(trainer, both, folds=3, seeds=(1, 2), progress=False)
    for seed in (1, 2):
        fold = of_seed(cv, seed).fold.to_numpy()
        assert (fold[: len(some) : 2] == fold[len(some) :]).all()
    assert len(set(cv.distinct)) == len(some)
    assert (cv.distinct[: len(some) : 2] == cv.distinct[len(some) :]).all()


# --- figures -------------------------------------------------------------------------


def test_the_mean_is_that_of_what_evaluate_says_of_each_seed(cv):
    metrics = [carlib.evaluate(of_seed(cv, seed)) for seed in cv.seeds]
    for name in METRICS:
        expected = np.mean([getattr(each, name) for each in metrics])
        assert cv.summary.loc[name, "mean"] == pytest.approx(expected, abs=1e-12)
    assert cv.summary.loc["micro_accuracy", "baseline"] == 1 / 8
    assert cv.summary.loc["log_loss", "baseline"] == pytest.approx(np.log(8))


def test_the_spread_is_that_of_the_folds(cv):
    assert cv.folds[["seed", "fold"]].to_numpy().tolist() == [
        [seed, fold] for seed in (1, 5) for fold in (1, 2, 3)
    ]
    table = of_seed(cv, 5)
    metrics = carlib.evaluate(table[table.fold == 2])
    row = cv.folds[(cv.folds.seed == 5) & (cv.folds.fold == 2)].iloc[0]
    assert row.photos == metrics.n
    for name in METRICS:
        assert row[name] == getattr(metrics, name)
        deviation = np.std(cv.folds[name], ddof=1)
        assert cv.summary.loc[name, "spread"] == pytest.approx(deviation)


def test_intervals_are_as_wide_as_so_many_photos_allow(cv):
    summary, n = cv.summary, len(cv.distinct)
    assert (
        (summary["low"] < summary["mean"]) & (summary["mean"] < summary["high"])
    ).all()
    width = (summary["high"] - summary["low"]) / (2 * 1.96)
    hits = (cv.predictions.predicted_label == cv.predictions.damage_class).to_numpy()
    deviation = hits.reshape(2, n).mean(axis=0).std() / n**0.5
    most = (hits.mean() * (1 - hits.mean()) / n) ** 0.5
    assert deviation < width["micro_accuracy"] < 1.1 * most
    # Every class has as many photos: drawn class by class, less chance is left.
    assert 0.5 * deviation < width["macro_accuracy"] < width["micro_accuracy"]


def test_copies_and_seeds_make_no_interval_narrower():
    """Of three photos, each four times and in two seeds: three photos' interval."""
    right = np.tile(np.repeat([1.0, 0.0, 1.0], 4), 2)
    table = predictions(
        ["a"] * 24,
        np.stack([right, 1 - right], 1),
        ("a", "b"),
        seed=[1] * 12 + [2] * 12,
    )
    found = _intervals(table, ["a", "b"], np.repeat([7, 8, 9], 4))
    expected = mean_recall_interval(np.array([2]), np.array([3]))
    assert found["micro_accuracy"] == pytest.approx(expected)
    assert found["macro_accuracy"] == pytest.approx(expected)


def test_where_all_are_right_the_intervals_have_a_width():
    table = predictions(["a", "b"] * 6, np.eye(2)[[0, 1] * 6], ("a", "b"), seed=1)
    found = _intervals(table, ["a", "b"], np.arange(12))
    for low, high in found.values():
        assert low < high


# --- what it says, and to whom -------------------------------------------------------


def test_it_prints_a_line_a_metric(cv):
    text = str(cv)
    heading, _, header, micro, macro, loss, *_ = text.splitlines()
    assert heading == (
        "Cross-validated EfficientNetLite0 on 200 photos, 8 classes: 3 folds × 2 seeds."
    )
    assert header.split() == ["mean", "95", "%", "interval", "spread", "baseline"]
    row = cv.summary.loc["micro_accuracy"]
    assert micro.split() == [
        *("Micro-accuracy", f"{row['mean']:.4f}", f"{row.low:.4f}", "–"),
        *(f"{row.high:.4f}", f"{row.spread:.4f}", "0.1250"),
    ]
    assert macro.startswith("Macro-accuracy") and loss.startswith("Log-loss")
    assert "Note: The photos are the drawn sample" in text
    page = cv._repr_html_()
    assert page.startswith("<table><caption") and "Cross-validated EfficientNet" in page
    assert f"<td>{row['mean']:.4f}</td>" in page and "<pre>" not in page
    assert repr(cv) == text


def test_as_a_dict_it_is_ready_for_json(cv):
    figures = json.loads(json.dumps(cv.to_dict(), allow_nan=False))
    assert figures["summary"]["log_loss"]["mean"] == cv.summary.loc["log_loss", "mean"]
    assert (figures["photos"], figures["seeds"]) == (200, [1, 5])
    assert figures["folds"][0]["macro_accuracy"] == cv.folds.macro_accuracy[0]


def test_the_trainer_stays_as_it_is_and_nobody_hears_of_the_folds(trainer, photos):
    import keras

    class Deaf(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise AssertionError("a fold called back")

    told = []
    listened = dataclasses.replace(
        trainer, metrics_callback=told.append, callbacks=[Deaf()], logs=["csv"]
    )
    before = dict(vars(listened))
    files = set(trainer.workspace_path.rglob("*.csv"))
    cross_validate(listened, photos, folds=2, seeds=(4,), progress=False)
    assert told == []
    assert {k: v for k, v in vars(listened).items() if k in before} == before
    assert set(trainer.workspace_path.rglob("*.csv")) == files


def test_the_bar_counts_all_fits(trainer, photos, capsys):
    cross_validate(trainer, photos, folds=2, seeds=(1, 2))
    shown = capsys.readouterr().err
    assert "Cross-validation, EfficientNetLite0" in shown and "4/4" in shown
    cross_validate(trainer, photos, folds=2, seeds=(1,), progress=False)
    assert "Cross-validation" not in capsys.readouterr().err


# --- what can't be run ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("folds", "seeds", "problems"),
    [
        (1, (1,), ["folds"]),
        (2.5, (1,), ["folds"]),
        ("5", (), ["folds", "seeds"]),
        (5, (), ["seeds"]),
        (5, 3, ["seeds"]),
        (5, (1, 1), ["seeds"]),
        (5, (-1,), ["seeds"]),
        (5, "123", ["seeds"]),
    ],
)
def test_folds_or_seeds_out_of_range_are_named_at_once(trainer, folds, seeds, problems):
    with pytest.raises(OptionError) as caught:
        cross_validate(trainer, None, folds=folds, seeds=seeds)
    assert [problem.split()[0] for problem in caught.value.problems] == problems


def test_seeds_may_be_a_range_or_an_array(trainer, photos):
    for seeds in (range(1, 2), np.array([1])):
        cv = cross_validate(trainer, photos, folds=2, seeds=seeds, progress=False)
        assert cv.seeds == [1]


def test_classes_with_too_few_photos_that_differ_are_named_with_their_count(
    trainer, photos
):
    few = photos.groupby("damage_class").head(4)
    lamps = few[few.damage_class == "head_lamp"]
    table = pd.concat([few.drop(lamps.index), lamps.iloc[[0, 0, 0, 0]]])
    with pytest.raises(DataError, match="For 4 folds each class needs 4") as caught:
        cross_validate(trainer, table, folds=4)
    assert caught.value.problems == ["head_lamp: 1"]
    with pytest.raises(DataError, match="For 5 folds") as caught:
        cross_validate(trainer, few, folds=5)
    assert len(caught.value.problems) == 8
    assert caught.value.problems[0] == "bumper_dent: 4"


@pytest.mark.parametrize("name", ["seed", "fold"])
def test_a_class_called_like_a_column_is_refused(trainer, photos, name):
    table = photos.replace({"damage_class": {"door_dent": name}})
    with pytest.raises(DataError, match="No class may be called") as caught:
        cross_validate(trainer, table)
    assert caught.value.problems == [name]


def test_photos_that_fit_would_refuse_are_refused(trainer, photos):
    with pytest.raises(DataError, match="two classes or more"):
        cross_validate(trainer, photos[photos.damage_class == "door_dent"])
    with pytest.raises(DataError, match="columns image_path and damage_class"):
        cross_validate(trainer, photos[["image_path"]])


# --- on real photos ------------------------------------------------------------------


def test_on_real_photos_it_is_far_above_the_baseline(real_photos, backbone, tmp_path):
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index

    photos = (
        load_index(locate_data(real_photos, home=tmp_path))
        .groupby("damage_class")
        .head(40)
    )
    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=tmp_path, early_stopping=EarlyStopping(patience=5)
    )
    summary = cross_validate(trainer, photos, seeds=(1,), progress=False).summary
    assert summary.loc["micro_accuracy", "low"] > 0.5
    assert summary.loc["log_loss", "high"] < summary.loc["log_loss", "baseline"]
