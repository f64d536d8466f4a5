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


def test_epochs_of_which_no_figure_is_told_are_shown_all_the_same(
    trainer, train, capsys
):
    options = {"test_on_train_set": False, "validation_set_fraction": None}
    trainer(epoch=3, progress=True, early_stopping=None, **options).fit(train)
    out, err = capsys.readouterr()
    assert "Trained 3 epochs in" in out and "epoch 2 is kept." in out
    assert "Training: 100%" in err and "3/3" in err


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
        bar.count(epoch)
    assert shown.texts == [{"validation": "0.250"}, {"validation": "0.500"}]


def test_there_is_no_bar_before_an_epoch_is_over():
    """Copies are looked for first, which has a bar of its own."""
    made = []
    bar = EpochBar(lambda: made.append(1) or Shown())
    assert made == []
    for epoch in (0, 1):
        bar.count(epoch)
    assert made == [1]
