"""A training is never silent: a bar over its epochs, and a word at its end."""

import re


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
