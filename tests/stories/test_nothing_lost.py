"""After the training comes only what can't fail: all else is refused before it."""

import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carlib.errors import DataError, ImageError, OutputError
from carlib.evaluation.evaluate import evaluate
from carlib.model.model import load_model
from tests.cli.typed import failure, run

QUICK = ("--arch", "EfficientNetLite0", "--epoch", 1)


@pytest.fixture
def data(sample, tmp_path, monkeypatch):
    """A folder with four photos of two classes in T and two of each in V."""
    monkeypatch.chdir(tmp_path)
    lines = (sample / "index.csv").read_text("utf-8").splitlines()
    rows = [line.split(",") for line in lines[1:]]
    wanted = {"door_dent", "tail_lamp"}
    kept = [row for row in rows if row[1] in wanted]
    train = [r for r in kept if r[2] == "T"]
    chosen = [r for r in train if r[1] == "door_dent"][:4]
    chosen += [r for r in train if r[1] == "tail_lamp"][:4]
    chosen += [row for row in kept if row[2] == "V"][::2]
    for image, _, _ in chosen:
        place = tmp_path / "data" / image
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample / image, place)
    text = "\n".join([lines[0], *(",".join(row) for row in chosen)])
    (tmp_path / "data" / "index.csv").write_text(text + "\n", encoding="utf-8")
    return Path("data")


def break_one(data: Path, subset: str) -> str:
    lines = (data / "index.csv").read_text("utf-8").splitlines()
    image = next(line for line in lines if line.endswith(f",{subset}")).split(",")[0]
    (data / image).write_bytes(b"\xff\xd8\xff cut")
    return image


@pytest.mark.parametrize("labels", [[0, 1], [True, False], ["NA", "001"]])
def test_labels_of_any_kind_are_trained_saved_and_loaded(
    few, trainer, tmp_path, labels
):
    photos = few[few.damage_class.isin(["door_dent", "tail_lamp"])]
    names = dict(zip(["door_dent", "tail_lamp"], labels, strict=True))
    photos = photos.assign(damage_class=photos.damage_class.map(names))
    model = trainer(epoch=1).fit(photos)
    assert set(model.class_names) == {str(label) for label in labels}
    loaded = load_model(model.save(tmp_path / "m.zip"))
    assert evaluate(loaded.predict(photos, progress=False)).n == len(photos)


def test_categories_that_no_photo_has_are_no_classes(few, trainer):
    photos = few.assign(damage_class=few.damage_class.astype("category"))
    model = trainer(epoch=1).fit(photos[photos.damage_class != "unknown"])
    assert len(model.class_names) == 7


@pytest.mark.parametrize("wrong", [None, np.nan, 0.5, ["a", "b"], "a\nb", "score"])
def test_labels_that_name_no_class_are_refused_before_a_feature(
    few, trainer, tmp_path, wrong
):
    photos = few.astype({"damage_class": object})
    photos.at[3, "damage_class"] = wrong
    with pytest.raises(DataError):
        trainer(workspace_path=tmp_path / "w").fit(photos)
    with pytest.raises(DataError):
        trainer(workspace_path=tmp_path / "w").fit(few, photos)
    assert not (tmp_path / "w").exists()


def test_a_column_of_labels_beside_the_table_is_refused_in_a_sentence(few, trainer):
    with pytest.raises(DataError, match="a table of photos(.|\n)*without a y"):
        trainer().fit(few.image_path)


def test_bad_photos_to_train_on_and_to_watch_are_named_at_once(few, trainer, tmp_path):
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    bad = few.assign(image_path=few.image_path.where(few.index != 2, "gone.jpg"))
    worse = few.assign(
        image_path=few.image_path.where(few.index != 2, str(tmp_path / "cut.jpg"))
    )
    with pytest.raises(ImageError) as caught:
        trainer().fit(bad, worse)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("place", ["file", "file/below", "dev"])
def test_a_workspace_that_cannot_be_written_costs_no_model(
    few, backbone, tmp_path, place
):
    from carlib.training.trainer import ImageClassificationTrainer

    (tmp_path / "file").touch()
    workspace = "/dev/null" if place == "dev" else tmp_path / place
    options = {"final_model_prefix": "final_", "epoch": 1, "logs": ["csv"]}
    made = ImageClassificationTrainer(
        arch=backbone, workspace_path=workspace, **options
    )
    with pytest.warns(UserWarning) as said:
        model = made.fit(few)
        assert len(model.predict(few, progress=False)) == len(few)
    texts = [str(warning.message) for warning in said]
    assert any("Could not keep" in text for text in texts)
    assert any("The model is trained, but" in text for text in texts)
    assert any("No logs" in text for text in texts)


def test_a_bad_photo_in_v_is_told_before_the_training(data):
    names = [break_one(data, "V"), break_one(data, "T")]
    result = run("train", data, *QUICK, "--output", "m.zip")
    assert result.exit_code == 1 and not Path("m.zip").exists()
    assert all(f"{name} is cut off" in result.stderr for name in names)
    with pytest.warns(UserWarning, match="Left out 1 of 8"):
        result = run("train", data, *QUICK, "--output", "m.zip", "--on-error", "skip")
    assert result.exit_code == 0 and load_model("m.zip").metrics["n"] == 4
    assert run("evaluate", "m.zip", data).exit_code == 1
    assert run("evaluate", "m.zip", data, "--on-error", "skip").exit_code == 0


@pytest.mark.slow
def test_compare_leaves_out_what_it_is_told_to(data):
    break_one(data, "T")
    archs = ("--arch", "EfficientNetLite0", "--arch", "EfficientNetLite0")
    quick = ("--folds", 2, "--seeds", 1)
    assert "can't be read" in run("compare", data, *archs, *quick).stderr
    with pytest.warns(UserWarning, match="Left out 1 of"):
        result = run("compare", data, *archs, *quick, "--on-error", "skip")
    assert result.exit_code == 0


def test_a_class_in_v_that_is_never_trained_is_told_before_the_training(data):
    with (data / "index.csv").open("a", encoding="utf-8") as file:
        image = next(iter((data / "image").iterdir()))
        shutil.copy(image, data / "image" / "new.jpg")
        file.write("image/new.jpg,another,V\n")
    said = failure("train", data, *QUICK, "--output", "m.zip")
    assert "another" in said and not Path("workspace").exists()


# What is written, and in the place of what


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "link to a device"])
def test_what_is_no_file_is_not_replaced_by_a_model(trained, tmp_path, kind):
    path = tmp_path / "m.zip"
    make = {
        "fifo": lambda: os.mkfifo(path),
        "device": lambda: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
        "folder": path.mkdir,
        "link to a device": lambda: path.symlink_to("/dev/null"),
    }[kind]
    try:
        make()
    except PermissionError:
        pytest.skip("devices are root's to make")
    before = path.lstat()
    with pytest.raises(OutputError, match="can't be written"):
        trained.save(path)
    assert path.lstat().st_ino == before.st_ino and len(list(tmp_path.iterdir())) == 1
    said = failure("train", "nowhere", "--output", path)
    assert "--output" in said


def test_a_replaced_file_hands_on_its_permissions_and_a_link_stays(trained, tmp_path):
    trained.save(tmp_path / "m.zip").chmod(0o600)
    (tmp_path / "link.zip").symlink_to("m.zip")
    assert trained.save(tmp_path / "link.zip").is_symlink()
    mode = stat.S_IMODE((tmp_path / "m.zip").stat().st_mode)
    assert mode == 0o600 and load_model(tmp_path / "link.zip").class_names
    (tmp_path / "new.zip").symlink_to("later.zip")
    trained.save(tmp_path / "new.zip")
    assert (tmp_path / "later.zip").is_file()


@pytest.mark.parametrize("place", [".", "", "file/m.zip", "x" * 300 + ".zip"])
def test_a_place_where_no_file_can_be_is_named(trained, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't be written"):
        trained.save(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_tilde_is_the_home_folder_everywhere(data, tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    result = run(
        *("train", "~/data", *QUICK, "--output", "~/m.zip", "--workspace", "~/w")
    )
    assert result.exit_code == 0, result.stderr
    photo = next(iter((data / "image").iterdir())).name
    assert run("predict", "~/m.zip", f"~/data/image/{photo}").exit_code == 0
    assert run("predict", "~/m.zip", "~/data/image").exit_code == 0
    assert "13 photos" in run("cache", "info", "--workspace", "~/w").stdout
    assert not Path("~").exists()


# Tables keep who is who


def test_predictions_keep_the_index_of_a_table_and_of_a_series(trained, photos):
    shuffled = photos.sample(frac=1, random_state=0)[:30]
    table = trained.predict(shuffled, progress=False)
    assert table.index.equals(shuffled.index)
    expected = trained.predict(list(shuffled.image_path), progress=False)
    shuffled["pred"] = table.predicted_label
    assert list(shuffled["pred"]) == list(expected.predicted_label)
    series = trained.predict(shuffled.image_path, progress=False)
    assert series.index.equals(shuffled.index)


def test_a_column_error_of_an_earlier_table_is_not_kept(trained, photos):
    table = trained.predict(photos[:4].assign(error="none"), progress=False)
    assert "error" not in table and isinstance(table, pd.DataFrame)


@pytest.mark.parametrize("place", ["/", "x" * 300 + ".zip", "file/m.zip", "."])
def test_a_place_for_the_model_is_refused_before_the_work(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert "--output must be a file" in failure("train", "sample", "--output", place)
