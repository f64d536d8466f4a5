"""When a training stops, and whom it watches."""

import pytest

from carlib.training.early_stopping import BestEpoch, EarlyStopping
from tests.training.told import QUICK


def is_over(values, stopping):
    """Whether a training with these figures, epoch by epoch, is to stop."""
    best = BestEpoch(stopping)
    for epoch, value in enumerate(values):
        logs = {"val_accuracy": 0.5, "val_loss": 1.0}
        over = best.note(epoch, logs | {f"val_{stopping.metric}": value}, [])
    return over


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_early_stopping_waits_as_long_as_the_metric_stands_still(metric):
    stop = EarlyStopping(metric=metric, min_delta=0.01, patience=3)
    rising = [0.5, 0.6, 0.605, 0.609, 0.6]
    values = rising if metric == "accuracy" else [1 - value for value in rising]
    over = [is_over(values[: end + 1], stop) for end in range(len(values))]
    assert over == [False, False, False, False, True]
    improved = values[1] + (0.02 if metric == "accuracy" else -0.02)
    assert not is_over([*values[:4], improved], stop)


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
