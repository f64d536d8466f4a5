"""Gates: each is passed by a model that is good enough, and failed by another."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from carlib.errors import DataError, OptionError
from carlib.evaluation.check import Check, Gate, _no_step_back, check
from carlib.evaluation.evaluate import evaluate
from tests.evaluation.predicted import predictions


@pytest.fixture(scope="module")
def validation(photos):
    return photos[photos.subset == "V"].reset_index(drop=True)


@pytest.fixture(scope="module")
def metrics(trained, validation):
    return evaluate(trained.predict(validation, progress=False))


@pytest.fixture(scope="module")
def worst(train, backbone, workspace):
    """A model that was trained on the labels of others."""
    from carlib.training.trainer import ImageClassificationTrainer

    names = sorted(set(train.damage_class))
    turned = dict(zip(names, reversed(names), strict=True))
    false = train.assign(damage_class=train.damage_class.map(turned))
    return ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, epoch=8
    ).fit(false)


def judged(model, validation, **gates):
    return check(model, validation, progress=False, **gates)


FLOORS = {"min_micro": "micro_accuracy", "min_macro": "macro_accuracy"}


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_is_judged_by_the_figure(trained, worst, validation, metrics, floor):
    value = getattr(metrics, FLOORS[floor])
    assert judged(trained, validation, **{floor: value}).ok
    above = judged(trained, validation, **{floor: min(1, value + 0.01)})
    assert not above.ok and above.gates[0].got == value
    assert not judged(worst, validation, **{floor: 0.3}).ok


def test_the_log_loss_has_a_ceiling(trained, worst, validation, metrics):
    assert judged(trained, validation, max_log_loss=metrics.log_loss).ok
    assert not judged(trained, validation, max_log_loss=metrics.log_loss - 0.01).ok
    assert not judged(worst, validation, max_log_loss=1.0).ok


def test_each_class_has_a_floor_and_one_may_have_its_own(trained, validation, metrics):
    lowest = metrics.per_class.recall.min()
    name = metrics.per_class.loc[metrics.per_class.recall.idxmin(), "class"]
    whole = judged(trained, validation, min_recall=lowest)
    assert whole.ok and len(whole.gates) == len(trained.class_names)
    higher = judged(trained, validation, min_recall=lowest + 0.05)
    assert f"recall of {name}" in [g.name for g in higher.gates if not g.passed]
    own = judged(trained, validation, min_recalls={name: lowest + 0.05})
    assert [(g.name, g.passed) for g in own.gates] == [(f"recall of {name}", False)]
    spared = judged(trained, validation, min_recall=0.99, min_recalls={name: 0})
    assert [g.passed for g in spared.gates if g.name == f"recall of {name}"] == [True]


def test_a_class_without_a_photo_fails_its_floor(trained, validation):
    rest = validation[validation.damage_class != "unknown"]
    found = judged(trained, rest, min_recall=0.0)
    failed = [gate for gate in found.gates if not gate.passed]
    assert [gate.name for gate in failed] == ["recall of unknown"]
    assert "No photo here is of this class" in str(found) and "n/a" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_where_the_bound_is_inside_the_interval_it_says_so(
    trained, validation, metrics
):
    low, high = metrics.micro_interval
    doubtful = judged(trained, validation, min_micro=(low + metrics.micro_accuracy) / 2)
    assert doubtful.ok and "Too few photos to be sure" in str(doubtful)
    sure = judged(trained, validation, min_micro=low / 2)
    assert "Too few" not in str(sure)
    failed = judged(trained, validation, min_micro=(high + metrics.micro_accuracy) / 2)
    assert not failed.ok and "Too few photos to be sure" in str(failed)


def test_golden_photos_must_come_out_right_each(trained, validation):
    answers = trained.predict(validation, progress=False)
    right = answers[answers.predicted_label == answers.damage_class]
    wrong = answers[answers.predicted_label != answers.damage_class].head(1)
    columns = ["image_path", "damage_class"]
    assert judged(trained, validation, golden=right[columns]).ok
    golden = pd.concat([right.head(3), wrong])[columns]
    found = judged(trained, validation, golden=golden)
    assert not found.ok and found.gates[0].got == 0.75
    row = wrong.iloc[0]
    named = f"{row.image_path}: {row.damage_class}, named {row.predicted_label}"
    assert named in found.gates[0].note


def test_a_step_back_fails_and_a_step_forward_does_not(trained, worst, validation):
    back = judged(worst, validation, not_worse_than=trained)
    assert not back.ok and back.gates[0].got < 0
    assert "that is hardly chance" in str(back)
    assert judged(trained, validation, not_worse_than=worst).ok
    same = judged(trained, validation, not_worse_than=trained)
    assert same.ok and same.gates[0].got == 0


def figures(right, paths):
    """The figures of a model that names these photos of dents right, or not."""
    likely = np.where(right, 0.9, 0.1)
    scores = np.stack([likely, 1 - likely], axis=1)
    actual = np.repeat("dent", len(right))
    return evaluate(predictions(actual, scores, ("dent", "lamp"), image_path=paths))


def test_the_test_is_mcnemars_one_sided_with_copies_as_one(photos):
    paths, rows = photos.image_path[:30].to_numpy(), np.arange(30)
    before = figures(rows < 10, paths)
    after = figures((rows >= 10) & (rows < 12), paths)
    p = binomtest(10, 12, alternative="greater").pvalue
    gate = _no_step_back(before, after)
    assert f"p = {p:.3f}" in gate.note and not gate.passed
    assert gate.got == pytest.approx(-8 / 30)
    copied = np.where(rows < 10, paths[0], paths)
    alike = _no_step_back(figures(rows < 10, copied), figures(rows > 27, copied))
    assert alike.passed and "wrong now and right before: 1" in alike.note


def test_small_differences_are_called_chance_in_19_of_20_cases(photos):
    """Two models that are equally good: one of twenty is called worse, or fewer."""
    generator, called = np.random.default_rng(1), 0
    paths = photos.image_path[:40].to_numpy()
    for _ in range(30):
        before, after = (figures(generator.random(40) < 0.8, paths) for _ in "ab")
        called += not _no_step_back(before, after).passed
    assert called <= 4


def test_what_can_not_be_asked_for_is_said_at_once(trained, validation):
    with pytest.raises(OptionError) as caught:
        judged(
            trained,
            validation,
            min_micro=1.2,
            max_log_loss=-1,
            min_macro="high",
            min_recalls={"nonsense": 0.5},
            not_worse_than="old.zip",
        )
    text = str(caught.value)
    for name in ("min_micro", "max_log_loss", "min_macro", "nonsense", "old.zip"):
        assert name in text
    with pytest.raises(OptionError, match="out|asked") as caught:
        judged(trained, validation)
    assert "there is no gate" in str(caught.value)


def test_golden_photos_that_are_none_are_refused(trained, validation):
    for golden in (validation[["image_path"]], validation.head(0), "golden.csv"):
        with pytest.raises(DataError, match="Expected golden photos"):
            judged(trained, validation, golden=golden)
    strange = validation.head(2).assign(damage_class="dragon")
    with pytest.raises(DataError, match="never come out right") as caught:
        judged(trained, validation, golden=strange)
    assert caught.value.problems == ["dragon"]


def test_the_junit_is_read_by_an_xml_parser(trained, validation, metrics):
    floor = metrics.micro_accuracy + 0.01
    found = judged(trained, validation, min_micro=floor, min_macro=0.0)
    root = ET.fromstring(found.junit().encode("utf-8"))
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    first, second = suite
    assert first.get("name") == f"micro-accuracy: at least {floor:g}"
    assert first.find("failure").get("message").startswith("Got 0.")
    assert second.find("failure") is None


def test_odd_names_stay_within_the_xml():
    name = 'recall of <b>&"\x00\x1b\ud800\ufffe'
    text = Check(3, [Gate(name, "at least 1", 0.5, note="<x>\n]]>")]).junit()
    case = ET.fromstring(text.encode("utf-8"))[0][0]
    assert case.get("name").startswith('recall of <b>&"\\x00\\x1b')
    assert case.find("failure").text == "Got 0.5000. <x>\n]]>"


def test_it_prints_a_line_a_gate(trained, validation):
    found = judged(trained, validation, min_macro=0.0, min_micro=1.0)
    lines = str(found).splitlines()
    assert lines[0] == f"1 of 2 gates failed, on {len(validation)} photos."
    assert any(line.startswith("✗ micro-accuracy  at least 1") for line in lines)
    assert any(line.startswith("✓ macro-accuracy  at least 0") for line in lines)
    assert list(found.table.passed) == [False, True]
    figures = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert figures["ok"] is False and figures["photos"] == len(validation)
    assert found.n == len(validation)
