"""The command `carlib predict`."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import carlib
from carlib.cli import answers, predict
from carlib.errors import ImageError
from tests.cli.typed import PROGRAM, failure, run


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


# --- a CSV that grows ----------------------------------------------------------------


@pytest.fixture
def folder(sample, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((sample / "image").iterdir())[:40]:
        shutil.copy(path, folder)
    (folder / "zz.jpg").write_bytes(b"<html>not found</html>")
    return folder


def test_a_csv_has_a_row_a_photo_with_the_models_own_answers(model, folder):
    result = run("predict", model, folder, "--csv", "out.csv", "--json")
    assert result.exit_code == 0, result.stderr
    counts = {"photos": 41, "kept": 0, "not_read": 1}
    assert json.loads(result.stdout) == {
        "model": str(model),
        "csv": "out.csv",
        **counts,
    }
    table = carlib.read_csv("out.csv")
    names = sorted(map(str, folder.iterdir()))
    assert table["image_path"].tolist() == names
    expected = carlib.load_model(model).predict(names, on_error="skip", progress=False)
    assert table["predicted_label"][:40].tolist() == (
        expected["predicted_label"][:40].tolist()
    )
    assert table["score"][:40].tolist() == pytest.approx(expected["score"][:40], 1e-6)
    assert "looks like HTML" in table["error"][40] and table["score"].isna()[40]
    assert table["error"][:40].eq("").all()


def test_the_same_command_again_asks_only_about_new_photos(model, folder, monkeypatch):
    run("predict", model, folder, "--csv", "out.csv")
    before = Path("out.csv").read_bytes()
    asked = []
    whole = answers.blocks_of
    monkeypatch.setattr(
        answers, "blocks_of", lambda names: asked.extend(names) or whole(names)
    )
    shutil.copy(folder / "001.jpeg", folder / "new.jpeg")
    result = run("predict", model, folder, "--csv", "out.csv")
    assert asked == [str(folder / "new.jpeg")]
    assert result.stdout == (
        "out.csv: a row a photo, 42 of them. 41 were there already.\n"
    )
    assert Path("out.csv").read_bytes().startswith(before)


def test_paths_come_from_stdin_by_line_or_by_zero(model, folder):
    names = [str(folder / f"{n:03}.jpeg") for n in (3, 1, 2)]
    for end in ("\n", "\0"):
        text = "".join(name + end for name in [*names, names[0]])
        result = run("predict", model, "-", "--csv", "out.csv", input=text)
        assert result.exit_code == 0, result.stderr
        assert carlib.read_csv("out.csv")["image_path"].tolist() == names


def test_another_models_csv_is_refused_and_stays(model, folder, trained):
    run("predict", model, folder / "001.jpeg", "--csv", "out.csv")
    before = Path("out.csv").read_bytes()
    other = trained.save("other.zip")
    stderr = failure("predict", other, folder, "--csv", "out.csv")
    assert "out.csv holds another table" in stderr and "model_id" in stderr
    assert Path("out.csv").read_bytes() == before


def test_a_csv_that_cannot_be_written_is_said_before_the_work(model, folder):
    stderr = failure("predict", model, folder, "--csv", folder)
    assert "--csv must be a file" in stderr
    options = ("--csv", "out.csv", "--on-error", "raise")
    assert run("predict", model, folder, *options).exit_code == 2


def test_blocks_grow_until_they_take_their_seconds(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(answers.time, "monotonic", lambda: next(clock) * 0.5)
    sizes = [len(block) for block in answers.blocks_of(["a"] * 20_000)]
    assert sizes[:4] == [32, 128, 512, 2048] and max(sizes) == 4096
    assert sum(sizes) == 20_000


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_a_run_that_is_killed_goes_on_where_it_was(model, folder, tmp_path):
    for number in range(400):
        data = (folder / f"{number % 40 + 1:03}.jpeg").read_bytes()
        (folder / f"x{number}.jpeg").write_bytes(data + bytes([number % 256]) * 9)
    command = [*PROGRAM, "predict", str(model), str(folder), "--csv", "out.csv"]
    kept = 0
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            there = Path("out.csv").exists() and Path("out.csv").read_bytes().count(
                b"\n"
            )
            if there and there > kept + 1:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len(carlib.read_csv("out.csv"))
        assert kept > 0
    result = run("predict", model, folder, "--csv", "out.csv", "--json")
    counts = json.loads(result.stdout)
    assert counts["kept"] == kept and counts["photos"] == 441
    names = sorted(map(str, folder.iterdir()))
    table = carlib.read_csv("out.csv")
    assert sorted(table["image_path"]) == names
    assert (table["error"] != "").sum() == 1
