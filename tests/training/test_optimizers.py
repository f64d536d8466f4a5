"""Keras's optimizers: fresh at each fit, and with the rate that they bring."""

import numpy as np
import pytest
from keras import optimizers as keras_optimizers
from keras.optimizers import schedules as keras_schedules

from carlib.errors import OptionError
from carlib.training import optimizers
from carlib.training.schedules import ExponentialLRDecay
from tests.training.told import QUICK, same


def test_an_optimizer_is_copied_at_each_fit_and_never_touched(trainer, skewed):
    mine = keras_optimizers.Adam(0.003, beta_1=0.7)
    before = mine.get_config()
    made = trainer(optimizer=mine, **QUICK)
    one, other = made.fit(skewed), made.fit(skewed)
    assert same(one, other)
    assert not mine.built and int(mine.iterations) == 0
    assert mine.get_config() == before
    # It's the optimizer's own rate that falls, not the trainer's.
    assert one.history.learning_rate[0] == pytest.approx(0.003)


def test_an_optimizer_keeps_its_rate_or_follows_a_schedule(trainer, skewed):
    mine = keras_optimizers.Adam(0.003)
    still = trainer(optimizer=mine, learning_rate_scheduler=None, epoch=4)
    assert set(still.fit(skewed).history.learning_rate.dropna().round(6)) == {0.003}
    falls = trainer(
        optimizer=mine, learning_rate_scheduler=ExponentialLRDecay(0.02), epoch=4
    )
    rates = falls.fit(skewed).history.learning_rate.dropna()
    np.testing.assert_allclose(rates[:1], 0.02, rtol=1e-6)
    assert rates.iloc[-1] < 0.02
    cosine = keras_schedules.CosineDecay(0.02, 2 * 3)  # 28 photos: 3 batches
    model = trainer(optimizer=mine, learning_rate_scheduler=cosine, **QUICK).fit(skewed)
    expected = [float(cosine(step)) for step in (0, 3)]
    np.testing.assert_allclose(model.history.learning_rate, expected, rtol=1e-4)


def test_the_log_tells_the_rate_that_the_schedule_gives_for_its_epoch(trainer, skewed):
    """A last, smaller batch is already the next epoch's step: it isn't told of."""
    decay = ExponentialLRDecay(0.01, num_epochs_per_decay=1, decay_rate=0.5)
    made = trainer(learning_rate_scheduler=decay, epoch=4, early_stopping=None)
    found = made.fit(skewed).history.learning_rate.dropna()
    expected = [decay.rate(epoch, 0, len(skewed) // 10) for epoch in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_fresh_copy_is_by_the_optimizers_own_class():
    assert type(optimizers.fresh("adam", 0.1)) is keras_optimizers.Adam
    mine = keras_optimizers.Lion(0.1)
    assert optimizers.fresh(mine, 0.5) is not mine
    assert float(optimizers.fresh(mine, 0.5).learning_rate) == pytest.approx(0.1)
    with pytest.raises(OptionError, match="AdamW"):
        optimizers.fresh("sgdd", 0.1)
