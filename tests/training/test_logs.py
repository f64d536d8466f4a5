"""What a training logs, and where."""

import dataclasses

import pytest
from keras.callbacks import (
    TerminateOnNaN,
)

from carlib.errors import CarlibError
from carlib.training.trainer import ImageClassificationTrainer
from tests.training.told import (
    KERAS_NAMES,
    Weights,
    assert_figures,
    joined_scalars,
    read_csv,
)


def test_a_loss_that_is_not_a_number_is_an_error_and_the_csv_keeps_what_was(
    trainer, train, tmp_path
):
    wild = trainer(
        learning_rate=1e38,
        learning_rate_scheduler=None,
        callbacks=[TerminateOnNaN()],
        logs=("csv", "tensorboard"),
        workspace_path=tmp_path,
    )
    with pytest.raises(CarlibError, match="not a number any more"):
        wild.train_head(trainer().photo_set(train))
    assert len(list(tmp_path.glob("logs/*/training.csv"))) == 1


@pytest.fixture(scope="module")
def logged(backbone, workspace, train, tmp_path_factory):
    """Two fits with both logs, right after another, and where they wrote."""
    place = tmp_path_factory.mktemp("logged")
    trainer = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, epoch=3, logs=("csv", "tensorboard")
    )
    fitted, watched = trainer.hold_out(trainer.photo_set(train))
    logging = dataclasses.replace(trainer, workspace_path=place)
    return [logging.train_head(fitted, watched)[1] for _ in range(2)], place


def test_each_training_logs_into_a_folder_of_its_own(logged):
    _, place = logged
    assert [path.name for path in place.iterdir()] == ["logs"]
    folders = sorted((place / "logs").iterdir())
    assert len(folders) == 2
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert names == {"training.csv", "train", "validation"}


def test_the_logs_hold_the_historys_figures(logged):
    histories, place = logged
    folders = sorted((place / "logs").iterdir())
    for history, folder in zip(histories, folders, strict=True):
        assert_figures(history, joined_scalars(folder))
        rows = read_csv(folder / "training.csv")
        assert [row["epoch"] for row in rows] == ["0", "1", "2"]
        assert set(rows[0]) == KERAS_NAMES | {"epoch"}
        assert_figures(history, rows)


def test_nothing_is_written_unasked(trainer, train, tmp_path):
    photo_set = trainer().photo_set(train)
    made = trainer(workspace_path=tmp_path, epoch=1, callbacks=[Weights()])
    made.train_head(photo_set)
    assert list(tmp_path.iterdir()) == []
    only = trainer(workspace_path=tmp_path, epoch=1, logs=["csv"])
    only.train_head(photo_set)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["training.csv"]
