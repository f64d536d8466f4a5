"""A short line an epoch, whatever the trainer tells."""

import pytest

from carlib.training.progress import BottleneckMetrics, EpochMetrics
from carlib.training.short_report import HEADER, ShortReport


def told(epoch, dataset="Train", accuracy=0.90625, loss=0.4338):
    return EpochMetrics(dataset, 15, epoch, accuracy, loss, 0.01)


def test_an_epoch_is_one_line_that_fits_a_projector(capsys):
    report = ShortReport()
    report(BottleneckMetrics("Train", 1))
    for epoch in (0, 1, 199):
        report(told(epoch))
        report(told(epoch, "Validation", 0.5, 12.345))
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == HEADER
    assert lines[2].split() == [
        *("epoch", "199", "train", "0.906", "/", "0.434"),
        *("validation", "0.500", "/", "12.345"),
    ]
    assert max(map(len, [header, *lines])) <= 70
    assert len({line.index("validation") for line in lines}) == 1


@pytest.mark.parametrize("dataset", ["Train", "Validation"])
def test_where_only_one_of_them_is_told_each_has_a_line(capsys, dataset):
    report = ShortReport()
    for epoch in range(3):
        report(told(epoch, dataset))
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["0", "1", "2"]


def test_a_second_training_begins_with_the_header_again(capsys):
    report = ShortReport()
    for _ in range(2):
        report(told(0))
        report(told(0, "Validation"))
    assert capsys.readouterr().out.count(HEADER) == 2
