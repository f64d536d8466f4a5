"""What the metrics callback is told, and how it reads."""

import dataclasses

import pytest

from carlib.training.progress import BottleneckMetrics, EpochMetrics, general
from carlib.training.trainer import ImageClassificationTrainer


def test_the_lines_are_the_workshops_to_the_character():
    lines = [
        BottleneckMetrics("Train", 1),
        EpochMetrics("Train", 115, 31, 0.9869566, 0.122196294, 0.0037157428),
        EpochMetrics("Validation", 13, 31, 0.76263744, 0.63454604),
    ]
    assert [str(line) for line in lines] == [
        "Phase: Bottleneck Computation, Dataset used:      Train, Image Index:   1",
        "Phase: Training, Dataset used:      Train, Batch Processed Count: 115, "
        "Epoch:  31, Accuracy:  0.9869566, Cross-Entropy: 0.122196294, "
        "Learning Rate: 0.0037157428",
        "Phase: Training, Dataset used: Validation, Batch Processed Count:  13, "
        "Epoch:  31, Accuracy: 0.76263744, Cross-Entropy: 0.63454604",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (0, "0"), (0.5, "0.5"), (0.0001, "0.0001"), (9.5e-5, "9.5E-05")]
    + [
        (1.5e10, "1.5E+10"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (1 / 3, "0.33333334"),
    ],
)
def test_numbers_are_written_as_dotnet_writes_floats(value, text):
    assert general(value) == text


def test_metrics_are_fresh_and_frozen(backbone, train):
    heard = []
    ImageClassificationTrainer(
        arch=backbone,
        workspace_path=None,
        epoch=2,
        augment="flip",
        metrics_callback=heard.append,
    ).fit(train[::5])
    assert {type(metrics) for metrics in heard} == {BottleneckMetrics, EpochMetrics}
    assert len({id(metrics) for metrics in heard}) == len(heard)
    photos = [metrics.index for metrics in heard if hasattr(metrics, "index")]
    assert photos == list(range(1, len(train[::5]) + 1))
    for metrics in heard:
        for field in dataclasses.fields(metrics):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(metrics, field.name, 5)
