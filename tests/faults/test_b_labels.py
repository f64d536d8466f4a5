"""B: classes and splits that are odd, uneven, or contradict themselves."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.errors import DataError
from carlib.training.loop import train_head
from tests import copied
from tests.cli.typed import failure
from tests.data.written import HEADER, write
from tests.drawn import photo_set
from tests.evaluation.predicted import predictions
from tests.faults.made import data_folder


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with image/1.jpeg to image/9.jpeg, none of which is a photo."""
    monkeypatch.chdir(tmp_path)
    return data_folder(tmp_path / "photos")


def said(folder: Path, *rows: str, capsys) -> str:
    """What load_index says of rows that it accepts."""
    photos = carlib.load_index(write(folder, HEADER + "\n".join(rows)))
    assert len(photos) == len(rows)
    return capsys.readouterr().out


def test_b01_one_class_is_refused_before_anything_is_computed(folder):
    """A single class can't be trained on, which is said before a photo is read."""
    write(folder, HEADER + "image/1.jpeg,a,T\nimage/2.jpeg,a,T\n")
    trainer = carlib.ImageClassificationTrainer(arch="EfficientNetLite0")
    with pytest.raises(DataError, match=r"two classes or more(.|\n)*\['a'\]"):
        trainer.fit(carlib.load_index(folder))
    assert "two classes or more" in failure("train", folder)
    assert not Path("workspace").exists()


def test_b02_a_class_without_a_photo_in_v_stays_out_of_the_mean_and_is_said():
    """Macro figures are of the classes present, which is said; others read n/a."""
    scores = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1]]
    metrics = carlib.evaluate(predictions(["a", "b", "b"], scores))
    assert metrics.macro_accuracy == 0.75
    assert metrics.confusion_matrix.loc["c"].tolist() == [0, 0, 0]
    text = str(metrics)
    assert "mean over the classes present;\nno photo here is of 'c'" in text
    figures, _, table = text.partition("Baseline:")
    assert "nan" not in text and "n/a" not in figures
    line = next(line for line in table.splitlines() if line.startswith("c "))
    assert line.split() == ["c", "n/a", "n/a", "n/a", "0"]


def test_b03_a_class_in_v_that_is_never_trained_is_refused(folder):
    """A class that is in V alone can never be named: an error before any training."""
    rows = "image/1.jpeg,a,T\nimage/2.jpeg,b,T\nimage/3.jpeg,tail_lamp,V\n"
    train, validation = carlib.split(carlib.load_index(write(folder, HEADER + rows)))
    trainer = carlib.ImageClassificationTrainer(arch="EfficientNetLite0")
    with pytest.raises(DataError, match="never be named(.|\n)*tail_lamp"):
        trainer.fit(train, validation)
    message = failure("train", folder)
    assert "never be named" in message and "tail_lamp" in message


def test_b04_a_class_of_one_photo_is_named_at_load(folder, capsys):
    """Classes with one photo to learn from are named when the data are loaded."""
    rows = ["image/1.jpeg,a,T", "image/2.jpeg,a,T", "image/3.jpeg,b,T"]
    rows += ["image/4.jpeg,c,T", "image/5.jpeg,a,V", "image/6.jpeg,b,V"]
    text = said(folder, *rows, capsys=capsys)
    assert "A class can't be learned from one photo: b, c." in text


def test_b05_rare_classes_have_finite_figures_and_may_count_more():
    """With 1 photo in 1,000 all figures are finite; rare classes may weigh more."""
    actual = ["a"] * 999 + ["b"]
    metrics = carlib.evaluate(predictions(actual, [[0.999, 0.001]] * 1000, ("a", "b")))
    assert metrics.macro_accuracy == 0.5
    assert metrics.log_loss_reduction == pytest.approx(0)
    assert math.isfinite(metrics.log_loss) and "nan" not in str(metrics)

    rng, labels = np.random.default_rng(0), np.repeat([0, 1], [190, 10])
    photos = photo_set(rng.normal(size=(200, 4)) + labels[:, None], labels)
    shares = []
    for weight in (None, "balanced"):
        options = {"epoch": 8, "early_stopping": None, "class_weight": weight}
        head = train_head(carlib.TrainingOptions(**options), photos).linear
        shares.append(head.probabilities(photos.as_they_are())[:, 1].mean())
    assert shares[1] > shares[0] + 0.1


def test_b06_a_photo_in_t_and_in_v_is_told_at_load(folder, capsys):
    """The same bytes in T and in V are told, with both names, when data are loaded."""
    shutil.copy(folder / "image/1.jpeg", folder / "image/2.jpeg")
    rows = ["image/1.jpeg,a,T", "image/2.jpeg,a,V"]
    rows += ["image/3.jpeg,a,T", "image/4.jpeg,b,T", "image/5.jpeg,b,T"]
    text = said(folder, *rows, capsys=capsys)
    assert "in T and in V, so that figures got on V are too good" in text
    assert "image/1.jpeg (T) = image/2.jpeg (V)" in text
    assert "several labels" not in text and "image/3.jpeg" not in text


@pytest.fixture
def copy_in_v(photos, tmp_path):
    """The sample with a changed copy, in V, of its first photo in T."""

    def made(change):
        first = photos[photos.subset == "T"].iloc[0]
        path = copied.put(first.image_path, change, tmp_path / "copy.jpg")
        row = pd.DataFrame([[path, first.damage_class, "V"]], columns=photos.columns)
        return pd.concat([photos, row.astype("str")], ignore_index=True)

    return made


def test_b07_a_near_copy_in_t_and_v_is_told_and_not_dropped(
    copy_in_v, backbone, workspace, capsys
):
    """A stamped copy in V is told, with how near it is; it's left out only if asked."""
    photos = copy_in_v(copied.stamped)
    assert len(carlib.split(photos)[1]) == (photos.subset == "V").sum()
    said = capsys.readouterr().out
    assert said.startswith("A photo is in V and in T, so that") and "copy.jpg" in said
    assert "copy.jpg" not in "".join(carlib.split(photos, "drop")[1].image_path)
    pairs = carlib.audit(photos, backbone, workspace_path=workspace).pairs
    assert pairs.kind.tolist() == ["near"] and pairs.crosses.all()
    assert 0 < pairs.bits[0] < 64 and 0.3 < pairs.similarity[0] < 1


def test_b08_a_photo_under_two_labels_is_told_at_load(folder, capsys):
    """The same bytes under two labels are told, with both, when data are loaded."""
    shutil.copy(folder / "image/1.jpeg", folder / "image/2.jpeg")
    rows = ["image/1.jpeg,a,T", "image/2.jpeg,b,T"]
    rows += ["image/3.jpeg,a,T", "image/4.jpeg,b,T"]
    text = said(folder, *rows, capsys=capsys)
    assert "A photo is there under several labels" in text
    assert "image/1.jpeg (a) = image/2.jpeg (b)" in text
    assert "too good" not in text


def test_b09_a_mirrored_copy_in_t_and_v_is_told(copy_in_v, backbone, workspace, capsys):
    """A mirror image in V is told, as such, by the split and by the audit."""
    photos = copy_in_v(copied.mirrored)
    carlib.split(photos)
    assert "copy.jpg" in capsys.readouterr().out
    pairs = carlib.audit(photos, backbone, workspace_path=workspace).pairs
    assert pairs.kind.tolist() == ["mirrored"] and pairs.crosses.all()


def test_b10_the_order_of_rows_changes_nothing(few, trainer):
    """Rows in another order give the same classes, the same model and figures."""
    some = few[few.damage_class.isin(["door_dent", "tail_lamp", "unknown"])]
    shuffled = some.sample(frac=1, random_state=3)
    models = [trainer(epoch=2).fit(table) for table in (some, shuffled)]
    one, other = models
    assert one.class_names == other.class_names == tuple(sorted(set(some.damage_class)))
    np.testing.assert_array_equal(one.head.kernel, other.head.kernel)
    tables = [one.predict(table, progress=False) for table in (some, shuffled)]
    first, second = (str(carlib.evaluate(table)) for table in tables)
    assert first == second


def test_b11_a_class_too_small_to_be_divided_is_named(trainer, few, tmp_path):
    """Folds that a class has too few photos for are refused, naming the class."""
    small = few[few.damage_class.isin(["door_dent", "tail_lamp"])]
    with pytest.raises(DataError) as caught:
        carlib.cross_validate(trainer(), small, folds=5)
    assert "each class needs 5 photos" in str(caught.value)
    assert caught.value.problems == ["door_dent: 4", "tail_lamp: 4"]
    assert "Take fewer folds" in str(caught.value)
    for name in ("a/1", "a/2", "b/1"):
        path = tmp_path / "folders" / f"{name}.jpeg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    drawn = carlib.load_index(tmp_path / "folders")
    assert drawn.groupby("damage_class").subset.agg("".join).to_dict() in (
        {"a": "TV", "b": "T"},
        {"a": "VT", "b": "T"},
    )


def test_b12_labels_that_are_probably_wrong_are_listed_and_not_changed(
    photos, backbone, workspace
):
    """Doubtful labels are listed with a better one and its margin; none is changed."""
    wrong = photos.copy()
    rows = photos.index[photos.damage_class == "tail_lamp"][:3]
    wrong.loc[rows, "damage_class"] = "glass_shatter"
    before = wrong.copy()
    suspects = carlib.audit(wrong, backbone, workspace_path=workspace).suspects
    found = suspects[suspects.image_path.isin(photos.image_path[rows])]
    assert len(found) >= 2 and (found.suggested == "tail_lamp").all()
    assert found.margin.between(0, 1).all()
    pd.testing.assert_frame_equal(wrong, before)
