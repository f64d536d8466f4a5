"""Comparisons: a row a backbone, a paired test, the chart and the command."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from carlib.backbones.backbone import Backbone
from carlib.errors import OptionError
from carlib.evaluation import compare as compare_module
from carlib.evaluation.compare import compare, paired_test
from carlib.evaluation.evaluate import evaluate
from carlib.training.options import TrainingOptions
from carlib.training.trainer import ImageClassificationTrainer

METRICS = ["micro_accuracy", "macro_accuracy", "log_loss"]
NAMES = ("one", "other")


@pytest.fixture(scope="module")
def trainer(backbone, workspace):
    return ImageClassificationTrainer(arch=backbone, workspace_path=workspace, epoch=4)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# --- the paired test -----------------------------------------------------------------


def answers(right: np.ndarray) -> SimpleNamespace:
    """A cross-validation whose answers were right or not, bool (seeds, n)."""
    n_seeds, n = right.shape
    score = np.where(right.ravel(), 0.9, 0.2)
    predictions = pd.DataFrame(
        {
            "damage_class": ["dent"] * right.size,
            "seed": np.repeat(range(n_seeds), n),
            "dent": score,
            "lamp": 1 - score,
        }
    )
    return SimpleNamespace(
        predictions=predictions,
        class_names=("dent", "lamp"),
        seeds=list(range(n_seeds)),
        distinct=np.arange(n),
    )


def test_the_difference_is_that_of_the_micro_accuracies():
    generator = np.random.default_rng(1)
    one, other = generator.random((2, 3, 200)) < np.array([0.6, 0.75])[:, None, None]
    test = paired_test(NAMES, answers(one), answers(other))
    row = test.table.loc["micro_accuracy"]
    assert row.difference == pytest.approx(other.mean() - one.mean())
    deviation = (other.mean(axis=0) - one.mean(axis=0)).std() / 200**0.5
    assert (row.high - row.low) / (2 * 1.96) == pytest.approx(deviation, rel=0.1)
    assert row.low < row.difference < row.high
    back = paired_test(NAMES, answers(other), answers(one))
    assert back.p == test.p < 0.01
    assert back.table.difference.tolist() == (-test.table.difference).tolist()


def test_copies_of_a_photo_count_once():
    one, other = np.zeros((1, 6), bool), np.ones((1, 6), bool)
    first, second = answers(one), answers(other)
    assert paired_test(NAMES, first, second).p == 2 / 2**6
    first.distinct = np.array([0, 0, 0, 0, 1, 1])
    assert paired_test(NAMES, first, second).p == 2 / 2**2


def test_seeds_of_a_photo_are_no_photos_of_their_own():
    one, other = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    assert paired_test(NAMES, answers(one), answers(other)).p == 2 / 2**4


# --- the table -----------------------------------------------------------------------


def test_a_row_an_arch_with_what_cross_validation_says(comparison):
    table = comparison.table
    both = "EfficientNetLite0 + MobileNetV2-0.35"
    assert table.arch.tolist() == ["EfficientNetLite0", "MobileNetV2-0.35", both]
    for row, cv in enumerate(comparison.cross_validations):
        for name in METRICS:
            found = table.loc[row, [name, f"{name}_low", f"{name}_high"]].tolist()
            assert found == cv.summary.loc[name, ["mean", "low", "high"]].tolist()


def test_all_are_judged_on_the_same_folds(comparison):
    first, *others = (cv.predictions for cv in comparison.cross_validations)
    columns = ["image_path", "damage_class", "seed", "fold"]
    for other in others:
        pd.testing.assert_frame_equal(first[columns], other[columns])


def test_the_first_row_is_what_the_others_differ_from(comparison):
    table = comparison.table
    test = ["difference", "difference_low", "difference_high", "p"]
    assert table.loc[0, test].isna().all() and table.loc[1:, test].notna().all(
        axis=None
    )
    difference = table.micro_accuracy - table.micro_accuracy[0]
    np.testing.assert_allclose(table.difference[1:], difference[1:])
    assert table.p[1] < 0.001  # it never saw a photo


def test_joined_backbones_take_the_time_and_the_room_of_both(comparison):
    speed, size = comparison.table.photos_per_second, comparison.table.megabytes
    assert (speed > 0).all()
    assert 1 / speed[2] == pytest.approx(1 / speed[0] + 1 / speed[1])
    bias = 8 * 4 / 1e6  # which joined ones have once
    assert size[2] == pytest.approx(size[0] + size[1] - bias)


def test_the_size_is_that_of_a_saved_model(comparison, trained, tmp_path):
    saved = trained.save(tmp_path / "model.zip").stat().st_size
    assert comparison.table.megabytes[0] == pytest.approx(saved / 1e6, rel=0.01)


def test_nothing_timed_comes_from_the_cache(photos, trainer, monkeypatch):
    timed = []
    extract = compare_module.extract

    def spy(*args, **options):
        features = extract(*args, **options)
        timed.append((features.n_cached, features.n_computed))
        return features

    monkeypatch.setattr(compare_module, "extract", spy)
    speeds = compare_module.photos_per_second([trainer], photos, np.arange(200) // 2)
    assert len(speeds) == 1 and speeds[0] > 0
    assert timed == [(0, 64)] * compare_module.ROUNDS
    timed.clear()
    compare_module.photos_per_second([trainer] * 2, photos[:20], np.arange(20) // 2)
    assert timed == [(0, 10)] * compare_module.ROUNDS


def test_where_nothing_computes_features_no_speed_is_claimed(trainer, monkeypatch):
    monkeypatch.setattr("carlib.runtime.openvino", lambda: None)
    monkeypatch.setattr("carlib.runtime.has_tensorflow", lambda: False)
    speeds = compare_module.photos_per_second([trainer] * 2, None, np.arange(0))
    assert len(speeds) == 2 and np.isnan(speeds).all()


def test_a_speed_that_nobody_knows_is_a_dash(comparison):
    table = comparison.table.assign(photos_per_second=np.nan)
    unknown = compare_module.Comparison(
        table, comparison.cross_validations, comparison.pairs
    )
    text = str(unknown)
    assert "nan" not in text and text.count("–") == str(comparison).count("–") + 3
    assert unknown.to_dict()["archs"][0]["photos_per_second"] is None


def test_rows_of_one_name_are_told_apart_by_their_precision(trainer, backbone):
    exact = backbone.at("float32")
    rows = [SimpleNamespace(backbones=[b]) for b in (exact, backbone)]
    expected = f"EfficientNetLite0 {backbone.precision}"
    assert compare_module._names(rows) == ["EfficientNetLite0 float32", expected]


def test_without_options_they_are_the_defaults(photos, backbone, workspace):
    few = photos.groupby("damage_class").head(4)
    comparison = compare(
        few,
        [backbone] * 2,
        folds=2,
        seeds=[1],
        workspace_path=workspace,
        progress=False,
    )
    assert comparison.table.difference[1] == 0 and comparison.table.p[1] == 1
    predictions = comparison.cross_validations[0].predictions
    assert comparison.table.micro_accuracy[1] == evaluate(predictions).micro_accuracy


def test_it_prints_as_one_table(comparison):
    text, table = str(comparison), comparison.table
    lines = text.splitlines()
    assert lines[0] == (
        "Compared on 200 photos, 8 classes: 2 folds × 2 seeds, the same for all."
    )
    assert lines[1].startswith("Note: The photos are the drawn sample")
    assert lines[2] == "Note: The weights of MobileNetV2-0.35 are random: " + (
        "it never saw a photo."
    )
    start = next(i for i, line in enumerate(lines) if line.startswith("arch"))
    first, below, second, _, joined, rest, always, *_ = lines[start + 1 :]
    assert first.split()[:2] == ["EfficientNetLite0", f"{table.micro_accuracy[0]:.3f}"]
    low, high = table.micro_accuracy_low[0], table.micro_accuracy_high[0]
    assert below.split()[:3] == [f"{low:.3f}", "–", f"{high:.3f}"]
    assert second.split()[-3:] == [f"{table.difference[1]:+.3f}", "<", "0.001"]
    assert joined.startswith("EfficientNetLite0 +") and rest.startswith("MobileNetV2")
    assert always.split() == ["always", "the", "most", "0.125", "0.125", "2.079"]
    for pair in comparison.pairs:
        assert pair.verdict in " ".join(text.split())
    assert comparison.pairs[0].verdict.startswith("EfficientNetLite0 is better by ")


def test_a_notebook_shows_a_table(comparison):
    page = comparison._repr_html_()
    assert page.startswith("<table><caption") and page.count("<tr>") == 1 + 3 + 1
    assert comparison.pairs[1].verdict in page and "<pre>" not in page


def test_as_a_dict_it_is_ready_for_json(comparison):
    figures = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    first, second, _ = figures["archs"]
    assert first["p"] is None and second["p"] == comparison.table.p[1]
    assert first["log_loss"] == comparison.table.log_loss[0]
    assert (figures["folds"], figures["seeds"]) == (2, [1, 2])
    assert len(figures["cross_validations"]) == 3
    assert [pair["names"][0] for pair in figures["pairs"]] == ["EfficientNetLite0"] * 2


@pytest.mark.parametrize("archs", [[], ["EfficientNetLite0"], "EfficientNetLite0"])
def test_one_arch_is_nothing_to_compare(photos, archs):
    with pytest.raises(OptionError, match="two archs or more") as caught:
        compare(photos, archs)
    assert "cross_validate" in caught.value.hint


# --- the command ---------------------------------------------------------------------


def test_each_engine_is_opened_once(few, tmp_path, monkeypatch):
    """However many rows a backbone stands in."""
    opened, open_engine = [], Backbone._open_engine
    monkeypatch.setattr(
        Backbone,
        "_open_engine",
        lambda self: opened.append(self.arch) or open_engine(self),
    )
    drawn = Backbone("MobileNetV2-0.35", weights=None)
    archs = ["EfficientNetLite0", drawn, [drawn, "EfficientNetLite0"]]
    compare(
        few,
        archs,
        TrainingOptions(epoch=1),
        folds=2,
        seeds=[1],
        workspace_path=tmp_path,
        progress=False,
    )
    assert sorted(opened) == ["EfficientNetLite0", "MobileNetV2-0.35"]


def test_a_trainer_is_no_options(few, trainer):
    with pytest.raises(OptionError, match="Expected TrainingOptions"):
        compare(few, ["EfficientNetLite0", "MobileNetV2"], trainer)
