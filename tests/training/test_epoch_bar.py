"""A training is never silent: a bar over its epochs, and a word at its end."""

import re

from carlib.training.epoch_bar import EpochBar
from carlib.training.progress import EpochMetrics


def test_a_fit_shows_a_bar_and_says_which_epoch_is_kept(trainer, train, capsys):
    model = trainer(epoch=7, progress=True).fit(train)
    out, err = capsys.readouterr()
    epochs = model.history["epoch"].nunique()
    found = re.search(r"Trained (\d+) epochs in \d+\.\d s; epoch (\d+) is kept\.", out)
    assert found and int(found[1]) == epochs and int(found[2]) == model.best_epoch
    assert "Training: 100%" in err and f"{epochs}/{epochs}" in err


def test_where_each_epoch_is_told_there_is_no_bar(trainer, train, capsys):
    trainer(epoch=2, progress=True, metrics_callback=print).fit(train)
    out, err = capsys.readouterr()
    assert "Trained 2 epochs in" in out and "Training:" not in err


def test_a_quiet_trainer_is_quiet(trainer, train, capsys):
    trainer(epoch=2, progress=False).fit(train)
    assert capsys.readouterr() == ("", "")


class Shown:
    """A bar that keeps what it shows."""

    def __init__(self):
        self.texts = []

    def set_postfix(self, figures, refresh):
        self.texts.append(figures)

    def update(self, n):
        pass


def test_the_bar_keeps_to_the_photos_that_are_watched():
    """Two figures in turn would flicker, and both are too long for a line."""
    shown = Shown()
    bar = EpochBar(lambda: shown)
    for epoch in (0, 1):
        bar.tell(EpochMetrics("Train", 3, epoch, 0.5 + epoch / 4, 1.0))
        bar.tell(EpochMetrics("Validation", 1, epoch, 0.25 + epoch / 4, 1.0))
    first, *rest = shown.texts
    assert first == {"train": "0.500"}
    assert [each["validation"] for each in rest] == ["0.250", "0.250", "0.500"]


def test_there_is_no_bar_before_an_epoch_is_told_of():
    """Copies are looked for first, which has a bar of its own."""
    made = []
    bar = EpochBar(lambda: made.append(1) or Shown())
    assert made == []
    for epoch in (0, 1):
        bar.tell(EpochMetrics("Train", 3, epoch, 0.5, 1.0))
    assert made == [1]
