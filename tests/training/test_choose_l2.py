"""The l2 that cross-validation chooses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from carlib.errors import DataError
from carlib.model.model import load_model
from carlib.training import choose_l2 as choose_l2_module
from carlib.training.choose_l2 import CANDIDATES, choose_l2
from carlib.training.trainer import ImageClassificationTrainer
from tests.drawn import photo_set
from tests.training.told import QUICK, same


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
