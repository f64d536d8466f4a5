"""Learning-rate schedules: equal to ML.NET's formulas at every step; kept as JSON."""

import dataclasses
import itertools
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest

import carlib
from carlib import runtime
from carlib.errors import OptionError
from carlib.training.progress import general
from carlib.training.schedules import (
    ExponentialLRDecay,
    LearningRateScheduler,
    LsrDecay,
    PolynomialLRDecay,
    as_keras,
    from_plain,
    kind_of,
    to_plain,
)

# Photos and batch size: fewer than a batch, one batch, not a multiple, a multiple.
SIZES = [(7, 10), (10, 10), (1145, 10), (100, 25), (1, 1), (33, 32)]
START = 0.01


# The formulas, written down again from ML.NET's documentation, in plain numbers.


def exponential(
    epoch, step, whole, size, *, rate=START, every=2.0, by=0.94, stair=True
):
    power = step / int(size * whole * every / size)
    return rate * by ** (math.floor(power) if stair else power)


def polynomial(
    epoch, step, whole, size, *, rate=START, every=2.0, end=1e-4, power=1.0, cycle=False
):
    decay = int(size * whole * every / size)
    if cycle and step > decay:
        decay *= math.ceil(step / decay)
    else:
        step = min(step, decay)
    return (rate - end) * (1 - step / decay) ** power + end


def linear_scaling(epoch, step, whole, size, *, base=0.1):
    table = {182: 0.0001, 136: 0.01, 91: 0.1, 0: 1}
    return base * size / 128 * next(table[start] for start in table if epoch >= start)


CASES = {
    "exponential": (ExponentialLRDecay(START), exponential, {}),
    "exponential, the trainer's rate": (ExponentialLRDecay(), exponential, {}),
    "exponential, smooth": (
        ExponentialLRDecay(0.3, 1.5, 0.8, staircase=False),
        exponential,
        {"rate": 0.3, "every": 1.5, "by": 0.8, "stair": False},
    ),
    "polynomial": (PolynomialLRDecay(START), polynomial, {}),
    "polynomial, the trainer's rate": (PolynomialLRDecay(), polynomial, {}),
    "polynomial, bent": (
        PolynomialLRDecay(0.1, 30, 0.002, 2.0),
        polynomial,
        {"rate": 0.1, "every": 30, "end": 0.002, "power": 2.0},
    ),
    "polynomial, in cycles": (
        PolynomialLRDecay(START, 3, cycle=True),
        polynomial,
        {"every": 3, "cycle": True},
    ),
    "polynomial, bent, in cycles": (
        PolynomialLRDecay(0.05, 4.5, 0.0, 0.5, cycle=True),
        polynomial,
        {"rate": 0.05, "every": 4.5, "end": 0.0, "power": 0.5, "cycle": True},
    ),
    "linear scaling": (LsrDecay(), linear_scaling, {}),
    "linear scaling, own base": (LsrDecay(0.64), linear_scaling, {"base": 0.64}),
}


F = np.float32


def rates_of(schedule, epoch, n_photos, batch_size, learning_rate=0.01):
    """An epoch's rates, as a Keras optimizer gets them from its count of steps."""
    n_batches = math.ceil(n_photos / batch_size)
    steps = np.arange(epoch * n_batches, (epoch + 1) * n_batches)
    by_step = as_keras(schedule, n_photos, batch_size, learning_rate)
    return np.asarray(by_step(runtime.tensorflow().constant(steps)))


@pytest.mark.parametrize(("n_photos", "batch_size"), SIZES)
@pytest.mark.parametrize("case", CASES)
def test_every_rate_is_the_formulas(case, n_photos, batch_size):
    schedule, formula, options = CASES[case]
    n_batches, whole = math.ceil(n_photos / batch_size), max(1, n_photos // batch_size)
    for epoch in range(200 if isinstance(schedule, LsrDecay) else 45):
        expected = [
            formula(epoch, epoch * whole + batch, whole, batch_size, **options)
            for batch in range(n_batches)
        ]
        rates = rates_of(schedule, epoch, n_photos, batch_size, START)
        assert len(rates) == n_batches
        np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-7)


# The same once more as ML.NET computes it: in single precision, power in double.


def mlnet_exponential(epoch, step, whole, size, every):
    decay = int(F(size * whole) * F(every) / F(size))
    power = F(np.floor(F(step) / F(decay)))
    return F(0.01) * F(math.pow(F(0.94), power))


def mlnet_polynomial(epoch, step, whole, size, every, cycle=False):
    decay = int(F(size * whole) * F(every) / F(size))
    if cycle and step > decay:
        rest = F(1) - F(step) / (F(decay) * F(math.ceil(step / decay)))
    else:
        rest = F(1) - F(min(step, decay)) / F(decay)
    return (F(0.01) - F(1e-4)) * F(math.pow(rest, 1.0)) + F(1e-4)


def mlnet_cycle(*state):
    return mlnet_polynomial(*state, cycle=True)


def mlnet_linear_scaling(epoch, step, whole, size, every):
    starts, factors = (182, 136, 91, 0), (0.0001, 0.01, 0.1, 1.0)
    index = next(i for i, start in enumerate(starts) if epoch >= start)
    return F(0.1) * F(size) / F(128) * F(factors[index])


@pytest.mark.parametrize(("n_photos", "batch_size"), [(1145, 10), (1030, 10), (96, 32)])
@pytest.mark.parametrize("every", [2.0, 2.3, 0.7, 10.1])
def test_every_rate_is_mlnets_own_in_single_precision(n_photos, batch_size, every):
    whole = n_photos // batch_size
    pairs = [
        (ExponentialLRDecay(num_epochs_per_decay=every), mlnet_exponential),
        (PolynomialLRDecay(num_epochs_per_decay=every), mlnet_polynomial),
        (PolynomialLRDecay(num_epochs_per_decay=every, cycle=True), mlnet_cycle),
        (LsrDecay(), mlnet_linear_scaling),
    ]
    for (schedule, mlnets), epoch in itertools.product(pairs, range(40)):
        batches = range(math.ceil(n_photos / batch_size))
        steps = [epoch * whole + batch for batch in batches]
        expected = [mlnets(epoch, step, whole, batch_size, every) for step in steps]
        rates = rates_of(schedule, epoch, n_photos, batch_size)
        np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-7)


def test_a_fraction_of_an_epoch_is_as_many_steps_as_in_single_precision():
    """2.3 epochs of 100 batches are 230 steps in float32, and 229 in float64."""
    decay = ExponentialLRDecay(0.01, num_epochs_per_decay=2.3)
    rates = [decay.rate(2, batch, 100) for batch in (29, 30)]
    assert rates == pytest.approx([0.01, 0.0094])


@pytest.mark.parametrize("schedule", [ExponentialLRDecay(), PolynomialLRDecay()])
def test_fewer_photos_than_a_batch_have_one_step_an_epoch_and_a_rate(schedule):
    """ML.NET divides by zero here and trains on with a rate that is not a number."""
    rates = [rates_of(schedule, epoch, 7, 10, 0.01) for epoch in range(5)]
    assert {len(rate) for rate in rates} == {1}
    assert np.isfinite(rates).all()
    assert rates[0] == [F(0.01)] and rates[4] < rates[0]


def test_the_last_smaller_batch_has_the_step_of_the_next_epochs_first():
    decay = ExponentialLRDecay(1.0, num_epochs_per_decay=1, staircase=False)
    last, first = rates_of(decay, 0, 35, 10)[-1], rates_of(decay, 1, 35, 10)[0]
    assert last == first == F(0.94)


@pytest.mark.parametrize("case", CASES)
def test_one_rate_alone_is_that_of_its_batch(case):
    schedule = CASES[case][0]
    for epoch in (0, 1, 2, 37, 136):
        alone = [schedule.rate(epoch, batch, 3, START, 10) for batch in range(4)]
        assert all(type(rate) is float for rate in alone)
        assert list(map(F, alone)) == list(rates_of(schedule, epoch, 35, 10, START))


def test_the_published_logs_rate_comes_out():
    """115 batches of 1,145 photos, stopped after epoch 32: 0.0037157428."""
    rates = rates_of(ExponentialLRDecay(), 32, 1145, 10, 0.01)
    assert len(rates) == 115
    assert {general(rate) for rate in rates} == {"0.0037157428"}


def test_a_table_of_ones_own_may_be_a_dict_or_pairs_in_any_order():
    one = LsrDecay(lr_schedule={0: 1, 30: 0.1})
    assert one == LsrDecay(lr_schedule=[[30, 0.1], (0, 1)])
    assert one.lr_schedule == ((30, 0.1), (0, 1))
    assert hash(one) == hash(LsrDecay(lr_schedule={30: 0.1, 0: 1}))
    rates = [rates_of(one, epoch, 128, 128)[0] for epoch in (0, 29, 30, 500)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01])
    late = LsrDecay(lr_schedule={5: 0.5})
    assert [rates_of(late, epoch, 128, 128)[0] for epoch in (4, 5)] == [F(0.1), F(0.05)]


@pytest.mark.parametrize("schedule", [ExponentialLRDecay(), PolynomialLRDecay()])
def test_a_schedules_own_rate_goes_before_the_trainers(schedule):
    own = dataclasses.replace(schedule, learning_rate=0.5)
    assert rates_of(own, 0, 20, 10, 0.01)[0] == F(0.5)
    assert rates_of(schedule, 0, 20, 10, 0.02)[0] == F(0.02)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ExponentialLRDecay, {"learning_rate": 0, "decay_rate": -1, "staircase": 2}),
        (ExponentialLRDecay, {"num_epochs_per_decay": float("nan")}),
        (ExponentialLRDecay, {"learning_rate": "0.1", "decay_rate": None}),
        (PolynomialLRDecay, {"learning_rate": float("inf"), "power": 0, "cycle": None}),
        (PolynomialLRDecay, {"end_learning_rate": -0.1, "num_epochs_per_decay": True}),
        (LsrDecay, {"base_learning_rate": None, "lr_schedule": {-1: 1}}),
        *((LsrDecay, {"lr_schedule": table}) for table in ({}, 5, None, "ab", [(1,)])),
        *((LsrDecay, {"lr_schedule": table}) for table in ({0: 0}, {0.5: 1}, {"0": 1})),
        (LsrDecay, {"lr_schedule": [(0, 1), (0, 2)]}),
        (LsrDecay, {"lr_schedule": {0: 1, "a": 2}}),
    ],
)
def test_all_options_out_of_range_are_named_at_once(kind, options):
    with pytest.raises(OptionError, match=kind.__name__) as caught:
        kind(**options)
    named = [problem.split()[0] for problem in caught.value.problems]
    assert sorted(named) == sorted(options)


@pytest.mark.parametrize("kind", [ExponentialLRDecay, PolynomialLRDecay, LsrDecay])
def test_a_schedule_cant_be_changed_and_is_public(kind):
    assert getattr(carlib, kind.__name__) is kind
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind(), dataclasses.fields(kind)[0].name, 1.0)


# --- As plain values -----------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_schedule_comes_back_from_json(case):
    schedule = CASES[case][0]
    plain = to_plain(schedule)
    assert plain["kind"] == kind_of(schedule) == type(schedule).__name__
    assert json.loads(json.dumps(plain)) == plain
    assert from_plain(plain) == schedule


def test_no_schedule_comes_back_as_none():
    assert from_plain(to_plain(None)) is None


def test_a_schedule_of_keras_comes_back_from_json():
    kinds = runtime.keras().optimizers.schedules
    for schedule in (
        kinds.CosineDecay(np.float32(0.5), 100, warmup_target=1.0, warmup_steps=5),
        kinds.ExponentialDecay(0.1, 10, 0.9, staircase=True),
        kinds.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1]),
    ):
        plain = json.loads(json.dumps(to_plain(schedule)))
        assert set(plain) == {"kind", "config"}
        again = from_plain(plain)
        assert type(again) is type(schedule)
        assert to_plain(again) == plain
        steps = [0, 3, 15, 99, 200]
        assert [float(again(s)) for s in steps] == [float(schedule(s)) for s in steps]


def test_a_schedule_of_somebodys_own_is_named_but_not_made_again():
    base = runtime.keras().optimizers.schedules.LearningRateSchedule

    class CosineDecay(base):
        def __call__(self, step):
            return 0.1

    plain = to_plain(CosineDecay())
    assert plain == {"kind": f"{__name__}.CosineDecay"}
    with pytest.raises(OptionError, match="no learning-rate schedule"):
        from_plain(plain)


@pytest.mark.parametrize(
    "kind",
    ["Cosine", "LearningRateSchedule", "os.system", "__builtins__", "", None, ["x"]],
)
def test_a_kind_that_there_is_not_is_answered_with_those_there_are(kind):
    with pytest.raises(OptionError) as caught:
        from_plain({"kind": kind, "config": {"initial_learning_rate": 1}})
    for known in ("LsrDecay", "PolynomialLRDecay", "CosineDecay", "PolynomialDecay"):
        assert known in caught.value.hint
    assert "LearningRateSchedule" not in caught.value.hint


@pytest.mark.parametrize(
    "plain",
    [
        {"kind": "CosineDecay", "config": {"rate": 1}},
        {"kind": "CosineDecay", "config": None},
        {"kind": "LsrDecay", "config": {}},
        {"kind": "LsrDecay", "lr_schedule": 1},
    ],
)
def test_options_that_a_schedule_does_not_take_are_an_option_error(plain):
    with pytest.raises(OptionError, match=plain["kind"]):
        from_plain(plain)


def test_carlibs_own_schedules_need_no_keras():
    code = """
import sys
from carlib.training.schedules import LsrDecay, from_plain, to_plain
from_plain(to_plain(LsrDecay())).rate(0, 2, 10)
print("keras" in sys.modules, "tensorflow" in sys.modules)
"""
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )


class NotOne:
    def rate(self, *args):
        return 0.1


def test_what_is_no_schedule_is_refused_before_the_training(trainer):
    with pytest.raises(OptionError, match="learning_rate_scheduler must be"):
        trainer(learning_rate_scheduler=NotOne())

    class Bare(LearningRateScheduler):
        def _rate(self, moment):
            return 0.1

    with pytest.raises(OptionError, match="learning_rate_scheduler must be"):
        trainer(learning_rate_scheduler=Bare())


class Unsaid(keras.optimizers.SGD):
    """An optimizer whose numbers can't be written down."""

    def get_config(self):
        return super().get_config() | {"own": object()}


def test_options_that_cannot_be_saved_are_refused_before_the_training(trainer, few):
    made = trainer(optimizer=Unsaid(0.1), learning_rate_scheduler=None, epoch=1)
    with pytest.raises(OptionError, match="can't be saved"):
        made.fit(few)
