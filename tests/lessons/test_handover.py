"""Files from notebook to notebook: what is missing, what is stale, what is fine."""

import json

import pytest

import carlib
from carlib.errors import DataError
from carlib.lessons.handover import MADE_BY

PATHS = ("photos.csv", "trainer.json", "trained.zip", "predictions.csv", "metrics.json")


@pytest.fixture
def workspace(tmp_path):
    """What notebooks 02 to 05 leave, made as they make it."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    for name in PATHS:
        files = carlib.take_up(folder, *MADE_BY[name][1])
        (folder / name).write_text(f"{name} 1", "utf-8")
        files.add(name)
    return folder


def test_files_are_taken_up_by_name(workspace):
    files = carlib.take_up(workspace, "photos.csv", "trained.zip")
    assert files["trained.zip"] == workspace / "trained.zip"
    assert list(files) == ["photos.csv", "trained.zip"] and len(files) == 2
    assert repr(files) == "Taken up: photos.csv, trained.zip"


def test_all_that_is_missing_is_named_at_once_with_its_makers_in_order(tmp_path):
    with pytest.raises(DataError) as caught:
        carlib.take_up(tmp_path, "trained.zip", "photos.csv")
    assert caught.value.problems == [
        "trained.zip isn't there: 04_train makes it.",
        "photos.csv isn't there: 02_load_data makes it.",
    ]
    assert caught.value.hint == "Run 02_load_data, then 04_train, and come back."


def test_a_model_of_another_list_of_photos_is_noticed(workspace):
    (workspace / "photos.csv").write_text("the drawn sample", "utf-8")
    with pytest.raises(DataError, match="made from another photos.csv: 04_train"):
        carlib.take_up(workspace, "photos.csv", "trained.zip")


def test_what_was_made_of_something_stale_is_stale_as_well(workspace):
    (workspace / "trainer.json").write_text("other options", "utf-8")
    with pytest.raises(DataError) as caught:
        carlib.take_up(workspace, "predictions.csv", "metrics.json")
    assert [p.split()[0] for p in caught.value.problems] == [
        *("trained.zip", "predictions.csv", "metrics.json")
    ]
    assert caught.value.hint == "Run 04_train, then 05_evaluate, and come back."


def test_the_same_made_again_changes_nothing(workspace):
    files = carlib.take_up(workspace)
    (workspace / "photos.csv").write_text("photos.csv 1", "utf-8")
    files.add("photos.csv")
    carlib.take_up(workspace, "photos.csv", "trained.zip", "predictions.csv")


def test_what_counts_is_what_was_taken_up_not_what_lies_there_at_the_end(workspace):
    files = carlib.take_up(workspace, "photos.csv", "trainer.json")
    (workspace / "photos.csv").write_text("changed while it was training", "utf-8")
    files.add("trained.zip")
    with pytest.raises(DataError, match="trained.zip was made from another photos.csv"):
        carlib.take_up(workspace, "trained.zip")


@pytest.mark.parametrize("note", [None, "", "[]", '{"made_from": 3}', "\0", "{"])
def test_a_file_without_a_note_is_taken_as_it_is(workspace, note):
    path = workspace / "handed_over" / "trained.zip.json"
    path.unlink() if note is None else path.write_text(note, "utf-8")
    (workspace / "photos.csv").write_text("changed", "utf-8")
    carlib.take_up(workspace, "trained.zip")


def test_a_folder_is_known_by_all_that_it_holds(workspace):
    files = carlib.take_up(workspace, "trained.zip")
    (workspace / "exported").mkdir()
    (workspace / "exported" / "a.txt").write_text("1", "utf-8")
    files.add("exported")
    carlib.take_up(workspace, "exported")
    note = json.loads((workspace / "handed_over" / "exported.json").read_text("utf-8"))
    assert note["made_by"] == "06_save_model" and list(note["made_from"]) == [
        "trained.zip"
    ]


def test_what_was_not_made_is_not_handed_over(workspace):
    with pytest.raises(DataError, match=r"No improved\.zip"):
        carlib.take_up(workspace).add("improved.zip")


def test_makers_come_after_those_whose_files_they_take():
    for maker, sources in MADE_BY.values():
        assert all(
            MADE_BY[source][0] < maker
            for source in sources
            if MADE_BY[source][0] != maker
        )


def test_a_file_that_no_notebook_makes_is_named_with_those_that_there_are(workspace):
    for ask in (carlib.take_up(workspace).add, lambda x: carlib.take_up(workspace, x)):
        with pytest.raises(DataError, match=r"metrics\.json.*Received: 'mine\.csv'"):
            ask("mine.csv")
