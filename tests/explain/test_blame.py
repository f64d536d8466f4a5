"""Blame: contributions of training photos that add up, and foretell what happens."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from carlib.errors import DataError, ImageError, OptionError
from carlib.explain.blame import blame
from carlib.explain.representers import Representers
from carlib.model.calibration import HeadCalibration
from carlib.model.head import LinearHead
from tests.explain.models import L2, at_its_optimum, fitted, views

N_COLUMNS = ["row", "rank", "image_path", "damage_class", "contribution", "share"]


@pytest.fixture(scope="module")
def best(joined, few):
    return at_its_optimum(joined, few)


@pytest.fixture(scope="module")
def asked(photos):
    return photos[photos.subset == "V"].head(6)


@pytest.fixture(scope="module")
def told(best, asked, few):
    return blame(best, asked, few, n=1000, progress=False)


def logits_of(model, photos):
    mean = views(model, photos).mean(axis=0)
    return mean @ model.head.kernel + model.head.bias


def test_contributions_add_up_to_the_logit(told, best, asked):
    logits = logits_of(best, asked)
    assert told.photos["logit"].to_numpy() == pytest.approx(logits.max(axis=1))
    explained = told.photos[["bias", "speaks_for", "speaks_against"]].sum(axis=1)
    assert explained.to_numpy() == pytest.approx(logits.max(axis=1), abs=1e-5)
    assert told.photos["unexplained"].abs().max() < 1e-5
    named = [best.class_names[number] for number in logits.argmax(axis=1)]
    assert list(told.photos["predicted_label"]) == named
    assert list(told.photos["image_path"]) == list(asked["image_path"])


def test_a_contribution_is_coefficient_times_product(told, best, asked, few):
    """Yeh et al. 2018, for this loss: -weight (p - y) z · z' / (2 l2 n), both views."""
    rows, seen = views(best, few), views(best, asked).mean(axis=0)
    logits = rows @ best.head.kernel + best.head.bias
    scores = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    numbers = np.array([best.class_names.index(name) for name in few.damage_class])
    scores[:, np.arange(len(few)), numbers] -= 1
    answer = logits_of(best, asked)[0].argmax()
    given = -(scores[:, :, answer] * (rows @ seen[0])).sum(0) / (2 * L2 * 2 * len(few))
    first = told.table[told.table["row"] == 0]
    order = np.argsort(-given)[: len(first)]
    assert list(first["image_path"]) == list(few["image_path"].iloc[order])
    assert list(first["damage_class"]) == list(few["damage_class"].iloc[order])
    np.testing.assert_allclose(first["contribution"], given[order], atol=1e-5)


def test_the_shares_of_all_that_speaks_for_an_answer_are_one(told, best, asked, few):
    assert list(told.table) == N_COLUMNS
    sums = told.table.groupby("row")[["contribution", "share"]].sum()
    assert sums["share"].to_numpy() == pytest.approx(1)
    assert sums["contribution"].to_numpy() == pytest.approx(
        told.photos["speaks_for"].to_numpy()
    )
    some = blame(best, asked, few, n=3, progress=False)
    assert some.table.groupby("row").size().to_list() == [3] * len(asked)
    assert some.table["rank"].to_list() == [1, 2, 3] * len(asked)
    listed = some.table.groupby("row")["share"].sum().to_numpy()
    assert listed == pytest.approx(some.photos["share"].to_numpy())
    share, label = some.photos.loc[0, ["share", "predicted_label"]]
    assert some.sentence(0).startswith(
        f"{100 * share:.0f} % of what speaks for {label}"
    )
    assert some.sentence(0).endswith(" comes from 3 training photos.")
    assert repr(some).splitlines() == [some.sentence(row) for row in range(5)]


def test_what_happens_without_the_photos_listed_is_foretold(best, joined, asked, few):
    some = blame(best, asked, few, n=3, leave_out=True, progress=False)
    paths, foretold, happened = list(few["image_path"]), [], []
    for row, photo in some.photos.iterrows():
        listed = some.table.loc[some.table["row"] == row, "image_path"]
        out = [paths.index(path) for path in listed]
        rest = at_its_optimum(joined, few, left_out=out, tol=1e-5)
        answer = best.class_names.index(photo["predicted_label"])
        happened.append(logits_of(rest, asked)[row, answer] - photo["logit"])
        foretold.append(photo["left_out"] - photo["logit"])
    assert np.corrcoef(foretold, happened)[0, 1] > 0.9
    assert np.median(np.divide(foretold, happened)) == pytest.approx(1, abs=0.25)


def test_smoothed_labels_are_part_of_the_loss(few, backbone, random, workspace, asked):
    model = fitted(few, [backbone, random], workspace, epoch=1, label_smoothing=0.1)
    best = at_its_optimum(model, few, smoothing=0.1)
    told = blame(best, asked, few, progress=False)
    assert told.photos["unexplained"].abs().max() < 1e-5


def test_a_penalty_on_the_spread_within_classes_is_part_of_it(
    few, backbone, random, workspace, asked
):
    """The kernel is penalty⁻¹ · rowsᵀ · coefficients: no logit lacks anything."""
    penalty = {"l2": 0.5, "within_class": 0.3, "optimizer": "lbfgs", "epoch": 500}
    model = fitted(
        few, [backbone, random], workspace, **penalty, calibrate="temperature"
    )
    told = blame(model, asked, few, n=1000, leave_out=True, progress=False)
    assert told.photos["unexplained"].abs().max() < 1e-5
    plain = blame(
        fitted(few, [backbone, random], workspace, **penalty | {"within_class": 0}),
        *(asked, few),
        n=1000,
        progress=False,
    )
    assert not np.allclose(plain.photos["speaks_for"], told.photos["speaks_for"])


def test_calibration_divides_the_contributions(best, told, asked, few):
    shift = np.linspace(-0.2, 0.2, len(best.class_names))
    head = best.head
    folded = LinearHead(head.kernel / 2, head.bias / 2 + shift, head.mean, head.scale)
    how = HeadCalibration("bias-corrected", 2.0, tuple(shift), 32, 0.9, 0.8)
    model = dataclasses.replace(best, head=folded, calibration=how)
    found = blame(model, asked, few, n=1000, progress=False)
    assert found.photos["unexplained"].abs().max() < 1e-5
    same = found.photos["predicted_label"] == told.photos["predicted_label"]
    assert same.any()
    halved = told.photos.loc[same, "speaks_for"] / 2
    assert found.photos.loc[same, "speaks_for"].to_numpy() == pytest.approx(halved)


def test_a_head_off_its_optimum_says_what_it_leaves_unexplained(best, few, asked):
    rng = np.random.default_rng(0)
    kernel = best.head.kernel
    noise = rng.normal(0, 0.05 * kernel.std(), kernel.shape)
    head = dataclasses.replace(best.head, kernel=kernel + noise)
    told = blame(dataclasses.replace(best, head=head), asked, few, progress=False)
    mean = views(best, asked).mean(axis=0)
    numbers = [best.class_names.index(name) for name in told.photos["predicted_label"]]
    expected = (mean @ noise)[np.arange(len(asked)), numbers]
    np.testing.assert_allclose(told.photos["unexplained"], expected, atol=1e-4)


def test_photos_that_were_held_out_are_not_blamed(few, backbone, workspace):
    options = {"early_stopping": None, "validation_set_fraction": 0.25}
    model = fitted(few, backbone, workspace, epoch=100, **options)
    ground = Representers.of(model, few, progress=False)
    assert len(ground.learned) == len(few) - 8


def test_a_model_without_l2_is_refused(trained, few, asked):
    with pytest.raises(OptionError, match="l2 penalty.*Received: l2=0"):
        blame(trained, asked, few, progress=False)


def test_other_photos_than_those_trained_on_are_refused(best, photos, asked):
    others = photos[photos.subset == "V"]
    with pytest.raises(OptionError, match="optimum") as refused:
        blame(best, asked, others, progress=False)
    assert "the photos that went into fit" in refused.value.hint


def test_a_head_far_from_its_optimum_is_refused(joined, few, asked):
    early = dataclasses.replace(
        joined, head=dataclasses.replace(joined.head, kernel=joined.head.kernel * 0.3)
    )
    with pytest.raises(OptionError, match="optimum"):
        blame(early, asked, few, progress=False)


def test_labels_that_the_model_does_not_know_are_named(best, few, asked):
    wrong = few.assign(damage_class=["roof_dent", *few.damage_class[1:]])
    with pytest.raises(DataError) as refused:
        blame(best, asked, wrong, progress=False)
    assert refused.value.problems == ["roof_dent"]


@pytest.mark.parametrize("train", [pd.DataFrame({"image_path": ["a"]}), "folder", None])
def test_what_is_no_table_of_training_photos_is_refused(best, asked, train):
    with pytest.raises(DataError, match="image_path and damage_class"):
        blame(best, asked, train, progress=False)


@pytest.mark.parametrize("n", [0, 1.5, True, "5"])
def test_n_is_a_whole_number(best, asked, few, n):
    with pytest.raises(OptionError, match=f"n must be .* Received: {n!r}"):
        blame(best, asked, few, n=n)


def test_no_photos_are_refused_and_bad_ones_named(best, few, tmp_path):
    with pytest.raises(OptionError, match="one photo or more"):
        blame(best, [], few)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match="1 of 1 photos can't be read"):
        blame(best, [tmp_path / "empty.jpg"], few, progress=False)
