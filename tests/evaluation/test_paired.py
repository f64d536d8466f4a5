"""Two models on the same photos: figures, words, and how rarely luck is better."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carlib.errors import DataError
from carlib.evaluation.evaluate import evaluate
from carlib.evaluation.paired import paired, photos_needed
from tests.evaluation.coverage import SETS, covered, pair_of_hits
from tests.evaluation.predicted import predictions

RUNS = 200


def answers(hits, losses=None, labels=None, units=None, other=None):
    """Compare hits of a first model, float (n,), with those of another."""
    n = len(hits)
    silent = np.zeros(n) if losses is None else losses
    return paired(
        ("A", "B"),
        np.zeros(n, int) if labels is None else labels,
        (np.asarray(hits, float), np.zeros(n)),
        (np.asarray(other, float), silent),
        np.arange(n) if units is None else units,
    )


def told(name, gain):
    """Compare many pairs of models; return their results, and what is true."""
    labels, hits, micro, macro = pair_of_hits(name, gain, RUNS)
    pairs = [
        answers(one, labels=labels, other=other)
        for one, other in hits.transpose(1, 0, 2)
    ]
    return pairs, micro, macro


@pytest.mark.parametrize("name", [*SETS][::4])
def test_luck_is_rarely_called_better(name):
    pairs, *_ = told(name, 0.0)
    assert np.mean([pair.is_told for pair in pairs]) <= 0.06


@pytest.mark.parametrize("name", [*SETS][::5])
@pytest.mark.parametrize("gain", [0.0, 0.05])
def test_the_intervals_hold_the_truth(name, gain):
    pairs, micro, macro = told(name, gain)
    chance = 2 * (0.95 * 0.05 / RUNS) ** 0.5
    for figure, truth in (("micro_accuracy", micro), ("macro_accuracy", macro)):
        ends = np.array([pair.table.loc[figure, ["low", "high"]] for pair in pairs])
        assert covered(ends.astype(float), truth) >= 0.93 - chance


def test_so_many_photos_would_tell_in_four_of_five_sets():
    """As many as it says, of the same models, and counted by the exact test."""
    generator = np.random.default_rng(0)
    kinds, parts = np.array([1, -1, 0]), [0.10, 0.05, 0.85]
    seen = np.repeat(kinds, [10, 5, 85])
    sets = generator.choice(kinds, (300, photos_needed(seen)), p=parts)
    found = [answers(np.zeros(len(row)), other=row).p < 0.05 for row in sets]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_no_difference_needs_no_photos():
    assert photos_needed(np.zeros(9)) is None
    assert photos_needed(np.array([1, -1])) is None


@pytest.mark.parametrize(("better", "worse"), [(9, 2), (30, 14), (5, 5), (1, 0)])
def test_its_p_is_the_exact_mcnemar_tests(better, worse):
    one = np.repeat([0, 1, 1], [better, worse, 50])
    other = np.repeat([1, 0, 1], [better, worse, 50])
    n, fewer = better + worse, min(better, worse)
    tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    found = answers(one, other=other)
    assert found.p == pytest.approx(min(1, 2 * tail))
    assert (found.second_only, found.first_only) == (better, worse)


# --- in words ------------------------------------------------------------------------


def test_a_small_difference_is_too_small_to_tell_and_so_many_photos_would():
    one, other = np.ones(180), np.ones(180)
    one[:15], other[12:24] = 0, 0
    found = answers(one, other=other)
    assert found.verdict == (
        "B is better by 1.7 points, 95 % between −3.5 and 6.8: this set is too small "
        f"to tell. Some {found.photos_needed:,} photos would tell."
    )
    assert 2_000 < found.photos_needed < 5_000


def test_a_large_one_is_told_and_the_better_one_named():
    one, other = np.ones(100), np.ones(100)
    other[:20] = 0
    found = answers(one, other=other)
    assert found.verdict.startswith("A is better by 20.0 points, 95 % between 1")
    assert found.verdict.endswith(".") and "too small" not in found.verdict
    assert found.photos_needed is None


def test_the_same_is_too_little_to_tell_too():
    verdict = answers(np.ones(9), other=np.ones(9)).verdict
    assert verdict.startswith("Both name as many photos right, 95 % between −")
    assert verdict.endswith("too small to tell.")


# --- Metrics.compare -----------------------------------------------------------------


def evaluated(right, paths=None, **columns):
    """Evaluate photos of which some are named right."""
    right = np.asarray(right, bool)
    paths = [f"{i}.jpg" for i in range(len(right))] if paths is None else paths
    scores = np.where(right[:, None], [[0.7, 0.2, 0.1]], [[0.2, 0.7, 0.1]])
    actual = ["a"] * len(right)
    return evaluate(predictions(actual, scores, image_path=paths, **columns))


def test_the_difference_is_that_of_the_two_models_figures():
    one, other = evaluated([1, 1, 0, 0, 0]), evaluated([1, 1, 1, 0, 0])
    table = one.compare(other).table
    assert list(table.index) == ["micro_accuracy", "macro_accuracy", "log_loss"]
    for figure in table.index:
        first, second = getattr(one, figure), getattr(other, figure)
        row = table.loc[figure]
        assert [row["first"], row["second"]] == pytest.approx([first, second])
        assert row.difference == pytest.approx(second - first)
        assert row.low < row.difference < row.high


def test_the_order_of_the_photos_is_no_matter():
    one, other = evaluated([1, 1, 0]), evaluated([0, 1, 1])
    turned = evaluated([1, 1, 0], ["2.jpg", "1.jpg", "0.jpg"])
    assert one.compare(other).to_dict() == one.compare(turned).to_dict()


def test_a_photo_in_several_seeds_predictions_counts_once():
    paths = [f"{i}.jpg" for i in range(4)] * 3
    found = evaluated(np.zeros(12), paths).compare(evaluated(np.ones(12), paths))
    assert found.n == 4 and found.p == 2 / 2**4


def test_copies_count_once_where_the_files_are_there(tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(6)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number // 3).integers(0, 256, (16, 16, 3))
        Image.fromarray(pixels.astype(np.uint8)).resize((64, 64)).save(path)
    found = evaluated(np.zeros(6), paths).compare(evaluated(np.ones(6), paths))
    assert found.n == 2 and found.second_only == 2


def test_other_photos_and_other_labels_are_all_named():
    one, other = evaluated([1, 1], ["1", "2"]), evaluated([1, 1], ["2", "3"])
    with pytest.raises(DataError) as caught:
        one.compare(other, names=("old", "new"))
    assert caught.value.problems == ["1: only old has it", "3: only new has it"]
    assert "2 photos and 2" in str(caught.value) and "same table" in caught.value.hint
    scores = np.eye(3)[:2]
    labelled = [
        evaluate(predictions(labels, scores, image_path=["1", "2"]))
        for labels in (["a", "b"], ["a", "c"])
    ]
    with pytest.raises(DataError) as caught:
        labelled[0].compare(labelled[1])
    assert caught.value.problems == ["2: b for The first, c for The second"]


def test_without_paths_rows_are_photos():
    one = evaluate(predictions(["a", "b"], np.eye(3)[:2]))
    other = evaluate(predictions(["a", "b", "b"], np.eye(3)))
    assert one.compare(one).n == 2
    with pytest.raises(DataError, match="Received: 2 photos and 3"):
        one.compare(other)


def test_it_prints_narrowly_and_shows_a_table_with_names_made_safe():
    one, other = evaluated([1, 1, 0, 0, 0]), evaluated([1, 1, 1, 0, 0])
    found = one.compare(other, names=("<b>old</b>", "x" * 40))
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 88
    assert lines[0].startswith("Compared on the same 5 photos: <b>old</b>, xxx")
    assert lines[3].split()[:4] == ["Micro-accuracy", "0.4000", "0.6000", "+0.2000"]
    assert repr(found) == str(found)
    page = found._repr_html_()
    assert page.startswith("<table>") and "<b>" not in page and "&lt;b&gt;" in page
    assert "exact McNemar test: p 1.000" in page and "too small to tell" in page


def test_its_dictionary_is_plain_json():
    found = evaluated([1, 0, 0]).compare(evaluated([1, 1, 0]))
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["table"]["log_loss"]["first"] == found.table.loc["log_loss", "first"]
    assert values["is_told"] is False and values["verdict"] == found.verdict
    assert isinstance(found.table, pd.DataFrame)
