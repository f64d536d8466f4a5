"""The command `carlib predict`."""

import json
import os
import shutil

import pytest

import carlib
from carlib.cli import predict
from carlib.errors import ImageError
from tests.cli.typed import failure, run


def test_predict_gives_the_model_own_probabilities(model, three):
    result = run("predict", model, *three, "--json")
    rows = json.loads(result.stdout)["predictions"]
    table = carlib.load_model(model).predict(three, progress=False)
    assert [row["image_path"] for row in rows] == list(map(str, three))
    assert [row["predicted_label"] for row in rows] == list(table["predicted_label"])
    for row, expected in zip(rows, table.to_dict("records"), strict=True):
        assert row["score"] == expected["score"] == max(row["probabilities"].values())
        assert all(expected[name] == p for name, p in row["probabilities"].items())


def test_predict_shows_the_likeliest_classes_of_each_photo(model, three):
    result = run("predict", model, *three, "--top", 2)
    lines = [line for line in result.stdout.splitlines() if "%" in line]
    assert len(lines) == 3
    assert all(line.count("%") == 2 for line in lines)
    assert lines[0].startswith(str(three[0]))


def test_predict_takes_folders_and_a_photo_on_stdin(model, three, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in three[:2]:
        shutil.copy(path, folder)
    result = run("predict", model, folder, "-", "--json", input=three[2].read_bytes())
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["predictions"]
    named = [str(folder / path.name) for path in three[:2]]
    assert [row["image_path"] for row in rows] == [*named, "-"]
    direct = run("predict", model, *three, "--json")
    scores = [row["score"] for row in json.loads(direct.stdout)["predictions"]]
    assert [row["score"] for row in rows] == pytest.approx(scores, abs=1e-5)


def test_predict_names_every_photo_that_it_cannot_read(model, three, tmp_path):
    bad = tmp_path / "bad.jpeg"
    bad.write_bytes(three[0].read_bytes()[:2000])
    stderr = failure("predict", model, three[0], bad, "missing.jpeg", "--json")
    assert "bad.jpeg" in stderr and "missing.jpeg" in stderr


def test_predict_skips_what_it_cannot_read_if_asked(model, three, tmp_path):
    (tmp_path / "empty.jpeg").write_bytes(b"")
    options = ("--on-error", "skip")
    result = run("predict", model, "empty.jpeg", three[0], *options, "--json")
    assert result.exit_code == 0
    bad, good = json.loads(result.stdout)["predictions"]
    assert set(bad) == {"image_path", "error"} and "empty" in bad["error"]
    assert good["predicted_label"] in good["probabilities"]
    text = run("predict", model, "empty.jpeg", three[0], *options).stdout
    assert "empty.jpeg" in text and "not read: " in text


def test_predict_without_photos_is_a_usage_error(model):
    assert run("predict", model).exit_code == 2


def test_a_folder_stands_for_its_photos_in_order_whatever_their_case(tmp_path):
    for name in ("b.JPG", "a/c.png", "a/notes.txt", "b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    expected = [str(tmp_path / "a" / "c.png"), str(tmp_path / "b.JPG")]
    assert predict.files_of(str(tmp_path)) == expected


def test_a_folder_without_photos_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="No photos in"):
        predict.files_of(str(tmp_path))


def test_anything_else_is_a_photo_to_be(tmp_path):
    assert predict.files_of("nowhere.jpeg") == ["nowhere.jpeg"]
    assert predict.files_of("-") == ["-"]


ROWS = [
    {"image_path": "a.jpg", "probabilities": {"dent": 0.75, "lamp": 0.2, "door": 0.05}},
    {"image_path": "long.jpg", "error": "is empty"},
]


def test_predictions_are_lined_up_and_cut_to_the_likeliest():
    lines = predict.predictions_text(ROWS, top=2).splitlines()
    assert lines == ["a.jpg     dent 75.0%, lamp 20.0%", "long.jpg  not read: is empty"]


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_names_of_photos_neither_steer_the_terminal_nor_forge_a_line(
    model, sample, tmp_path
):
    (tmp_path / "odd").mkdir()
    name = "a\x1b]0;title\x07\nb  tail_lamp 100.0%\u202e.jpg"
    shutil.copy(sample / "image" / "001.jpeg", tmp_path / "odd" / name)
    (tmp_path / "odd" / "c\x1b[2J.txt").touch()
    result = run("predict", model, tmp_path / "odd")
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 1
    assert "\x1b" not in result.output and "\u202e" not in result.output
    assert r"a\x1b]0;title\x07\nb" in result.stdout


def test_what_is_left_out_of_a_folder_is_told_beside_the_answers(
    model, sample, tmp_path
):
    shutil.copy(sample / "image" / "001.jpeg", tmp_path / "photo")
    for junk in ("._a.jpg", "Thumbs.db", ".ipynb_checkpoints/001.jpg"):
        (tmp_path / junk).parent.mkdir(exist_ok=True)
        (tmp_path / junk).write_bytes(b"junk")
    (tmp_path / "x.heic").touch()
    result = run("predict", model, tmp_path)
    assert len(result.stdout.splitlines()) == 1
    assert "Left out: 1 .heic." in result.stderr
