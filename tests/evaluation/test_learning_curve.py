"""Learning curves: what more photos would give, in figures and in words."""

import json

import numpy as np
import pandas as pd
import pytest

from carlib.errors import DataError, OptionError
from carlib.evaluation.learning_curve import ALL, Foretold, learning_curve, photos_of
from carlib.training.choose_l2 import CANDIDATES


@pytest.fixture(scope="module")
def some(train):
    """Ten of the sample's photos a class."""
    return train.groupby("damage_class").head(10).reset_index(drop=True)


@pytest.fixture(scope="module")
def curve(some, backbone, workspace):
    from carlib.training.trainer import ImageClassificationTrainer

    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, l2=0.03
    )
    return learning_curve(some, trainer, repeats=1, progress=False)


def test_it_has_a_point_a_size_and_a_law_a_class(curve, some):
    classes = sorted(set(some.damage_class))
    assert list(curve.laws) == [ALL, *classes] == list(curve.photos)
    assert curve.photos[ALL] == len(some)
    counts = curve.points.groupby("what", sort=False).size()
    assert counts.tolist() == [5, *[3] * len(classes)]
    whole = curve.points[curve.points.what == ALL]
    assert whole.photos.iloc[-1] == pytest.approx(0.8 * len(some))
    assert (curve.points.low <= curve.points.accuracy).all()
    assert (curve.points.accuracy <= curve.points.high).all()


def test_more_photos_are_foretold_with_a_band(curve):
    name = list(curve.laws)[1]
    foretold = curve.foretell(10, of=name)
    assert foretold.what == name and foretold.more == 10
    assert foretold.low <= foretold.then <= foretold.high
    assert foretold.now <= foretold.then
    again = curve.foretell(np.int64(20), of=name)
    assert again.then >= foretold.then


def test_what_is_foretold_reads_as_a_sentence():
    text = str(Foretold("bumper_scratch", 40, 0.62, 0.70, 0.64, 0.75))
    assert text == "some 40 more photos of bumper_scratch: 0.62 → 0.70, 0.64 to 0.75"


def test_what_lies_too_far_is_not_foretold(curve):
    there = curve.photos[ALL]
    assert curve.foretell(2 * there).high <= 1
    with pytest.raises(OptionError, match=f"from 0 to {2 * there}, for there are"):
        curve.foretell(2 * there + 1)
    for more in (-1, 2.5):
        with pytest.raises(OptionError, match="whole number"):
            curve.foretell(more)
    with pytest.raises(OptionError, match="Expected one of all classes, .*'nonsense'"):
        curve.foretell(1, of="nonsense")


def test_it_prints_a_row_a_class_with_twice_as_many(curve):
    lines = str(curve).splitlines()
    assert lines[0] == (
        "Learning curve of EfficientNetLite0 on 80 photos, 8 classes: "
        "5 folds × 1 repeat."
    )
    row = next(line for line in lines if line.startswith("all classes  "))
    twice = curve.foretell(80)
    assert row.split()[2:4] == ["80", f"{twice.now:.2f}"]
    assert row.endswith(f"+80: {twice.then:.2f}, {twice.low:.2f} – {twice.high:.2f}")
    assert repr(curve).startswith("Learning curve")


def test_as_a_dict_it_is_ready_for_json(curve):
    figures = json.loads(json.dumps(curve.to_dict(), allow_nan=False))
    assert figures["photos"][ALL] == 80 and figures["folds"] == 5
    assert len(figures["foretold"]) == 2 * len(curve.laws)
    assert len(figures["points"]) == len(curve.points)


def test_the_same_photos_give_the_same_curve_in_any_order(some, trainer, curve):
    again = learning_curve(
        some.sample(frac=1, random_state=1),
        trainer(l2=0.03),
        repeats=1,
        progress=False,
    )
    assert abs(again.points.accuracy - curve.points.accuracy).max() < 0.1


def test_the_trainers_options_are_heeded(few, trainer):
    made = trainer(augment="flip", class_weight={"unknown": 3}, l2=0.1)
    photo_set = made.photo_set(few)
    photos = photos_of(photo_set, np.arange(len(few)), made)
    assert (photos.options.l2, photos.options.class_weight) == (0.1, {"unknown": 3})
    views = [photo_set.as_they_are(view) for view in (False, True)]
    np.testing.assert_allclose(photos.features, np.mean(views, axis=0), atol=1e-6)
    chosen = photos_of(photo_set, np.arange(len(few)), trainer())
    assert chosen.options.l2 in CANDIDATES


def test_what_can_not_be_measured_is_said(train, trainer):
    with pytest.raises(OptionError, match="1 repeat or more"):
        learning_curve(train, trainer(), repeats=0)
    single = pd.concat([train[train.damage_class == "unknown"].head(1), train])
    single = single.drop_duplicates("image_path", keep="first")
    lone = single[(single.damage_class != "unknown") | (np.arange(len(single)) == 0)]
    with pytest.raises(DataError, match="A learning curve needs two different"):
        learning_curve(lone, trainer(), progress=False)
