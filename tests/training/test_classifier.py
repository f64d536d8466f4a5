"""The classifier as scikit-learn has it: labels of any kind, searches, its checks."""

import dataclasses
import inspect
import pickle
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

import carlib
from carlib.data import images
from carlib.errors import CarlibError, ImageError, OptionError
from carlib.training.options import RECOMMENDED, TrainingOptions

PLAIN = {"calibrate": None, "refuse": None, "augment": None}


@pytest.fixture(scope="module")
def labelled(train):
    few = train.groupby("damage_class").head(8)
    return few.image_path.reset_index(drop=True), few.damage_class.reset_index(
        drop=True
    )


@pytest.fixture
def make(backbone, workspace):
    def make(**options):
        options = {"arch": backbone, "workspace_path": workspace} | PLAIN | options
        return carlib.ImageClassifier(**options)

    return make


def test_it_names_photos_as_the_model_that_it_trains(make, labelled):
    paths, labels = labelled
    fitted = make().fit(paths, labels)
    table = fitted.model_.predict(list(paths[:5]), progress=False)
    assert fitted.predict(paths[:5]).tolist() == table["predicted_label"].tolist()
    scores = fitted.predict_proba(paths[:5])
    assert scores.dtype == np.float32 and scores.shape == (5, labels.nunique())
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert fitted.score(paths, labels) > 0.9
    assert fitted.classes_.tolist() == sorted(labels.unique())


def test_its_options_are_the_trainers_with_the_recommended_ones_as_defaults():
    parameters = inspect.signature(carlib.ImageClassifier).parameters
    options = {field.name for field in dataclasses.fields(TrainingOptions)}
    assert parameters.keys() == options | {"arch", "workspace_path", "progress"}
    made = carlib.ImageClassifier()
    assert made.arch == "auto"
    assert {name: getattr(made, name) for name in RECOMMENDED} == RECOMMENDED
    others = TrainingOptions()
    left = options - set(RECOMMENDED) - {"learning_rate_scheduler"}
    assert {n: getattr(made, n) for n in left} == {n: getattr(others, n) for n in left}


@pytest.mark.parametrize(
    "classes", [[10, 9, 2], [False, True], ["b", "a", "ä"], [0.0, 2.0]]
)
def test_labels_come_back_as_the_kind_that_they_were(make, labelled, classes):
    paths, labels = labelled
    number = pd.factorize(labels)[0] % len(classes)
    y = np.array(classes)[number]
    fitted = make(l2=0.0, within_class=0.0).fit(paths, y)
    assert fitted.classes_.dtype == y.dtype
    assert fitted.classes_.tolist() == sorted(np.array(classes).tolist())
    assert fitted.predict(paths).dtype == y.dtype
    assert (fitted.predict(paths) == y).mean() > 0.9
    best = fitted.predict_proba(paths).argmax(axis=1)
    assert (fitted.classes_[best] == fitted.predict(paths)).all()


def test_classes_weigh_by_their_labels_whatever_kind_they_are(make, labelled):
    paths, number = labelled[0], pd.factorize(labelled[1])[0]
    shares = [
        make(class_weight=weights).fit(paths, number > 3).predict_proba(paths).mean(0)
        for weights in ({False: 100.0}, None, {True: 100.0})
    ]
    assert shares[0][0] > shares[1][0] + 0.01 > shares[2][0] + 0.02
    with pytest.raises(CarlibError, match="no class of these photos"):
        make(class_weight={"rust": 1.0}).fit(paths, number > 3)


def test_photos_may_be_paths_columns_bytes_or_pixels(make, labelled):
    paths, labels = labelled[0][:16], labelled[1][:16]
    expected = make().fit(paths, labels).predict_proba(paths)
    encoded = [Path(path).read_bytes() for path in paths]
    pixels = [images.decode(data) for data in encoded]
    column = pd.DataFrame({"photo": paths})
    for photos in (list(paths), column, column.to_numpy(), encoded):
        fitted = make().fit(photos, labels.to_numpy())
        np.testing.assert_array_equal(fitted.predict_proba(photos), expected)
    fitted = make().fit(pixels, labels.tolist())
    assert fitted.predict(pixels).tolist() == labels.tolist()


@pytest.mark.slow
def test_a_search_over_archs_and_options_runs_in_two_processes(labelled, tmp_path):
    paths, labels = labelled
    archs = ["EfficientNetLite0", "EfficientNetLite0 + EfficientNetLite0-layers"]
    grid = {"arch": archs, "l2": [0.1, 1.0]}
    estimator = carlib.ImageClassifier(workspace_path=tmp_path, **PLAIN)
    search = GridSearchCV(estimator, grid, cv=2, n_jobs=2).fit(paths, labels)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.best_score_ > 0.3
    kept = {info["arch"]: info["photos"] for info in carlib.cache_info(tmp_path)}
    assert kept == dict.fromkeys(["EfficientNetLite0", "EfficientNetLite0-layers"], 64)


def test_it_says_nothing_unless_asked(make, labelled, capfd):
    paths, labels = labelled
    make().fit(paths, labels).predict(paths)
    told = capfd.readouterr()
    assert told.out == told.err == ""
    make(progress=True).fit(paths, labels)
    assert "64 photos: 64 cached" in capfd.readouterr().out


def test_it_clones_pickles_and_scores_across_folds(make, labelled, tmp_path):
    paths, labels = labelled
    fitted = make(l2=0.5).fit(paths, labels)
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.predict(paths)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    for other in (
        joblib.load(tmp_path / "fitted.joblib"),
        pickle.loads(pickle.dumps(fitted)),  # noqa: S301
    ):
        np.testing.assert_array_equal(
            other.predict_proba(paths[:4]), fitted.predict_proba(paths[:4])
        )
    assert cross_val_score(make(), paths, labels, cv=2).mean() > 0.3


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "one label a photo"),
        ([0.5, 1.5, 2.5], "one label a photo.*continuous"),
        (["a", "a", "a"], "two classes or more"),
        (["a", "b"], "3 photos in X and 2 labels in y"),
        (["a", None, "b"], "1 rows have no label: 1|one label a photo"),
        ([["a", "b"], ["a", "b"], ["a", "b"]], "one label a photo"),
    ],
)
def test_labels_that_are_none_are_refused_before_a_photo_is_read(make, y, said):
    with pytest.raises(OptionError, match=said):
        make().fit(["missing.jpg", "b.jpg", "c.jpg"], y)


def test_photos_that_cannot_be_read_and_options_out_of_range_are_carlibs_errors(
    make, labelled
):
    paths, labels = labelled
    with pytest.raises(ImageError, match=r"missing\.jpg"):
        make().fit(["missing.jpg", *paths[1:]], labels)
    with pytest.raises(OptionError, match="l2 must be"):
        make(l2=-1).fit(paths, labels)
    with pytest.raises(OptionError, match="did you mean MobileNetV2-0.5"):
        make(arch="MobileNetV20.5").fit(paths, labels)


class OfNumbers(carlib.ImageClassifier):
    """The classifier on rows of numbers, drawn as photos: what the checks hand in."""

    def fit(self, X, y):
        X, y = validate_data(self, X, y, dtype=np.float64)
        self.low_, self.high_ = X.min(), X.max()
        return super().fit(self._drawn(X), y)

    def predict_proba(self, X):
        if not hasattr(self, "low_"):
            return super().predict_proba(X)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return super().predict_proba(self._drawn(X))

    def _drawn(self, X):
        grey = np.clip((X - self.low_) / max(self.high_ - self.low_, 1e-9), 0, 1)
        side = int(np.ceil(np.sqrt(X.shape[1])))
        full = np.zeros((len(X), side * side))
        full[:, : X.shape[1]] = grey
        squares = (full.reshape(-1, side, side) * 255).astype(np.uint8)
        large = squares.repeat(-(-16 // side), axis=1).repeat(-(-16 // side), axis=2)
        return [np.repeat(each[..., None], 3, axis=2) for each in large]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = True, False
        return tags


@pytest.fixture(scope="module")
def by_itself(tmp_path_factory):
    """A folder in which the checks' relative workspace lies."""
    return tmp_path_factory.mktemp("checks")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([OfNumbers("EfficientNetLite0", **PLAIN)])
def test_it_passes_scikit_learns_own_checks(estimator, check, by_itself, monkeypatch):
    """All of them: none is expected to fail."""
    monkeypatch.chdir(by_itself)
    check(estimator)
