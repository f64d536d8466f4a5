"""Bottlenecks as a scikit-learn step: pipelines, cross-validation, clones, pickles."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import carlib
from carlib.bottlenecks.cache import cache_info
from carlib.errors import OptionError


@pytest.fixture
def labelled(photos):
    return photos.image_path[:80], photos.damage_class[:80]


@pytest.fixture
def step(backbone, workspace):
    return carlib.Bottlenecks(backbone, workspace_path=workspace)


def test_a_pipeline_fits_photos_and_names_them(labelled, step):
    paths, labels = labelled
    model = make_pipeline(step, LogisticRegression(max_iter=1000)).fit(paths, labels)
    assert model.score(paths, labels) > 0.9
    assert model.predict_proba(list(paths[:3])).shape == (3, labels.nunique())


def test_rows_follow_the_photos_in_any_order_and_kind_of_sequence(labelled, step):
    paths = labelled[0]
    straight = step.fit_transform(paths)
    np.testing.assert_array_equal(step.transform(paths[::-1]), straight[::-1])
    np.testing.assert_array_equal(step.transform(paths.to_numpy()), straight)
    np.testing.assert_array_equal(step.transform(list(paths)), straight)


def test_each_photo_is_computed_once_in_a_whole_search(labelled, tmp_path):
    paths, labels = labelled
    step = carlib.Bottlenecks("EfficientNetLite0", workspace_path=tmp_path)
    pipeline = make_pipeline(step, RidgeClassifier())
    grid = {"ridgeclassifier__alpha": [0.1, 1.0]}
    GridSearchCV(pipeline, grid, cv=3).fit(paths, labels)
    (info,) = cache_info(tmp_path)
    assert info["photos"] == len(paths)


def test_it_cross_validates_in_other_processes(labelled, step):
    paths, labels = labelled
    pipeline = make_pipeline(step, RidgeClassifier())
    step.transform(paths)
    alone = cross_val_score(pipeline, paths, labels, cv=2)
    beside = cross_val_score(pipeline, paths, labels, cv=2, n_jobs=2)
    np.testing.assert_array_equal(alone, beside)


def test_it_clones_and_pickles_with_its_backbone(labelled, step):
    features = step.transform(labelled[0][:2])
    for other in (clone(step), pickle.loads(pickle.dumps(step))):  # noqa: S301
        assert other.get_params().keys() == step.get_params().keys()
        assert other.arch.fingerprint == step.arch.fingerprint
        np.testing.assert_array_equal(other.transform(labelled[0][:2]), features)


def test_another_arch_set_later_is_heeded(tmp_path):
    step = carlib.Bottlenecks("EfficientNetLite0", workspace_path=tmp_path)
    assert step.get_feature_names_out()[0] == "EfficientNetLite0_0"
    mobile = carlib.Backbone("MobileNetV2-1.4", weights=None)
    step.set_params(arch=mobile)
    names = step.get_feature_names_out()
    assert (len(names), names[-1]) == (1792, "MobileNetV2-1.4_1791")


def test_a_column_of_a_table_will_do_whatever_its_name(labelled, step):
    paths = labelled[0][:6]
    expected = step.transform(paths)
    column = paths.to_frame("where it lies")
    for photos in (column, column.to_numpy(), column["where it lies"]):
        np.testing.assert_array_equal(step.transform(photos), expected)


def test_a_column_transformer_hands_it_its_column(labelled, step):
    paths, labels = labelled
    table = paths.to_frame("photo").assign(year=np.arange(len(paths)))
    parts = [("photo", step, ["photo"]), ("rest", "passthrough", ["year"])]
    features = ColumnTransformer(parts).fit_transform(table, labels)
    np.testing.assert_array_equal(features[:, :-1], step.transform(paths))


def test_several_archs_features_stand_side_by_side(labelled, workspace):
    paths = labelled[0][:4]
    names = ["EfficientNetLite0", "EfficientNetLite0-layers"]
    alone = [carlib.compute_bottlenecks(paths, n, workspace, False) for n in names]
    for archs in (
        names,
        tuple(names),
        "+".join(names),
        "EfficientNetLite0 + efficientnetlite0-Layers",
    ):
        step = carlib.Bottlenecks(archs, workspace_path=workspace)
        np.testing.assert_array_equal(step.transform(paths), np.hstack(alone))
    named = step.get_feature_names_out()
    assert named[0] == "EfficientNetLite0_0"
    assert named[1280] == "EfficientNetLite0-layers_0" and len(named) == 1280 + 1984
    assert clone(step).get_params() == step.get_params()


def test_an_arch_that_is_none_or_there_twice_is_refused(labelled):
    with pytest.raises(OptionError, match="did you mean InceptionV3"):
        carlib.Bottlenecks("Inception").transform(labelled[0])
    with pytest.raises(OptionError, match="different networks"):
        carlib.Bottlenecks("EfficientNetLite0+EfficientNetLite0").transform(labelled[0])
