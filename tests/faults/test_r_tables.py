"""What people report of programs of this kind: labels, tables and who is who."""

import numpy as np
import pandas as pd
import pytest

import carlib
from carlib.errors import DataError, OptionError
from carlib.training.photo_set import class_names
from tests.data.written import HEADER, write
from tests.drawn import photo_set
from tests.evaluation.predicted import predictions
from tests.faults.made import data_folder, encoded, quarters


@pytest.fixture
def folder(tmp_path):
    return data_folder(tmp_path / "photos")


def labelled(*labels):
    paths = [f"{number}.jpg" for number in range(len(labels))]
    return pd.DataFrame({"image_path": paths, "damage_class": labels})


@pytest.mark.parametrize("name", ["001", "true", "1e3", "+1", "NA", "nan", "None", ""])
def test_r01_a_class_named_by_a_number_survives_the_csv(tmp_path, name):
    """A class such as 001, true or NA is the same text after a CSV and back."""
    names = [name or "null", "other"]
    table = predictions(names, [[0.9, 0.1], [0.2, 0.8]], names)
    carlib.write_csv(table, tmp_path / "predictions.csv")
    again = carlib.evaluate(carlib.read_csv(tmp_path / "predictions.csv"))
    assert (again.micro_accuracy, again.class_names) == (1, tuple(names))


def test_r02_labels_that_are_numbers_or_flags_become_text():
    """A table whose labels are ints or bools is trained on as text, fractions not."""
    assert class_names(labelled(0, 1, 10), None) == ("0", "1", "10")
    assert class_names(labelled(True, False), None) == ("False", "True")
    with pytest.raises(DataError, match="a number with a fraction"):
        class_names(labelled(0.5, 1.5), None)


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_r03_a_row_without_a_label_is_named(gap):
    """A missing label is an error that names its row, before any work."""
    photos = labelled("a", gap, "b").set_index(pd.Index([7, 8, 9]))
    with pytest.raises(DataError, match="1 rows have no label: 8"):
        class_names(photos, None)


def test_r04_a_category_that_no_row_has_is_no_class(few, trainer):
    """Categories left over from a filter are no classes."""
    photos = few.astype({"damage_class": "category"})
    photos = photos[photos.damage_class != "unknown"]
    made = trainer().photo_set(photos)
    names = [made.classes[label] for label in made.labels]
    assert names == list(photos.damage_class) and "unknown" not in made.classes


def test_r05_a_filtered_and_sorted_table_gets_its_own_answers(trained, photos):
    """An answer assigned back to a sorted, filtered frame is its own row's."""
    some = photos[photos.subset == "V"].sort_values("image_path", ascending=False)
    some = some.assign(pred=trained.predict(some, progress=False).predicted_label)
    alone = trained.predict(list(some.image_path), progress=False).predicted_label
    assert list(some.pred) == list(alone) and alone.nunique() > 1


def test_r06_a_column_of_ones_own_is_no_class():
    """Rows that don't sum to 1 are refused, and the odd column is named."""
    table = predictions(["a", "b"], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"])
    with pytest.raises(DataError, match="Put 'fold', which is none, before 'score'"):
        carlib.evaluate(table.assign(fold=[1, 2]))
    with pytest.raises(DataError, match="sum to 1"):
        carlib.evaluate(table.assign(a=table.a * 100, b=table.b * 100))


def test_r07_bad_photos_of_a_training_are_told_before_it(few, trainer, tmp_path):
    """A broken photo to watch is named with those to train on, not afterwards."""
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    bad = few.assign(image_path=[str(tmp_path / "cut.jpg"), *few.image_path[1:]])
    heard = []
    with pytest.raises(carlib.ImageError, match=r"1 of 32 .*1 of 32 ") as caught:
        trainer(metrics_callback=heard.append).fit(bad, bad)
    assert len(caught.value.problems) == 2
    assert not any(isinstance(each, carlib.EpochMetrics) for each in heard)


def test_r08_a_by_product_that_fails_costs_no_model(few, backbone, tmp_path):
    """A workspace that can't be written to costs a warning, and no model."""
    (tmp_path / "w").touch()
    made = carlib.ImageClassificationTrainer(
        arch=backbone, workspace_path=tmp_path / "w", epoch=1, final_model_prefix="x"
    )
    with pytest.warns(UserWarning):
        assert made.fit(few).save(tmp_path / "m.zip").exists()


@pytest.mark.parametrize("k", [2, 8])
def test_r12_a_dollar_is_a_dollar_in_every_picture(tmp_path, k, few):
    """Prices as classes are drawn as they are, by the thousand or not."""
    names = [f"${n} - ${n}00" for n in range(k)]
    scores = np.eye(k) * 0.5 + 0.5 / k
    metrics = carlib.evaluate(predictions(names, scores, names))
    photos = few.head(k).assign(damage_class=names)
    figures = carlib.plot_confusion(metrics).figure, carlib.show_photos(photos, 1)
    for figure in figures:
        figure.savefig(tmp_path / "figure.png")
        labels = figure.findobj(_is_label)
        assert labels and not any(text.get_parse_math() for text in labels)


def _is_label(artist):
    return hasattr(artist, "get_parse_math") and "$" in artist.get_text()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [("擦り傷", "ドア"), ("🚗", "💥"), ("ضرر", "باب")])
def test_r11_class_names_in_any_script_are_drawn_without_a_warning(tmp_path, names):
    """Names in Chinese, Japanese, Arabic or emoji fail no picture."""
    table = predictions(list(names), [[0.9, 0.1], [0.2, 0.8]], list(names))
    carlib.plot_confusion(carlib.evaluate(table)).figure.savefig(tmp_path / "f.png")
    carlib.plot_class_balance(table.assign(subset="T")).figure.savefig(tmp_path / "b")


def test_r26_an_index_is_read_however_it_was_saved(folder):
    """Capitals, BOM, CRLF, more columns in another order: the index is read alike."""
    text = "Subset;x".replace(";x", ",Note,IMAGE,Class\r\n")
    rows = 'T,"a, b",.\\image\\1.jpeg,"5"" dent"\r\nV,,image//2.jpeg, NA \r\n'
    table = carlib.load_index(write(folder, (text + rows).encode("utf-8-sig")))
    assert list(table.damage_class) == ['5" dent', "NA"]


def test_r27_a_line_break_in_a_class_is_refused(folder):
    """A class with a line break or a tab would shift the list of labels."""
    for odd in ('"a\nb"', "a\tb"):
        with pytest.raises(DataError, match="a control character or a line end"):
            carlib.load_index(write(folder, f"{HEADER}image/1.jpeg,{odd},T\n"))


@pytest.mark.parametrize("odd", ["a\u200bb", "\ufeffab", "a\u2060b"])
def test_r28_characters_that_cannot_be_seen_make_no_class(folder, odd):
    """A zero-width space in a class's name is refused, and shown."""
    text = f"{HEADER}image/1.jpeg,{odd},T\nimage/2.jpeg,x,T\n"
    with pytest.raises(DataError, match=r"can't be seen: '.*\\u"):
        carlib.load_index(write(folder, text))


def test_r29_slashes_and_dots_in_a_class_lead_nowhere(folder, tmp_path):
    """A class ../../x is a name and never a path."""
    names = ["../../x", "a/b", "__", ".."]
    rows = "".join(f"image/{n}.jpeg,{name},T\n" for n, name in enumerate(names, 1))
    assert list(carlib.load_index(write(folder, HEADER + rows)).damage_class) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_r31_a_class_without_a_photo_reads_na_and_stays_out_of_the_mean():
    """Of four angles three are there: recall n/a for the fourth, mean over three."""
    names = ["0", "90", "180", "270"]
    metrics = carlib.evaluate(
        predictions(["0", "90", "270"], np.eye(4)[[0, 1, 3]], names)
    )
    assert metrics.macro_accuracy == 1 and "n/a" in str(metrics)


def test_r32_few_photos_and_large_batches_train_without_a_nan():
    """A batch larger than all photos, or two photos a class, train to numbers."""
    drawn = photo_set(np.eye(4) + 1, [0, 1, 0, 1])
    options = carlib.TrainingOptions(batch_size=512, epoch=3, early_stopping=None)
    from carlib.training.loop import train_head

    assert np.isfinite(train_head(options, drawn).linear.kernel).all()


def test_r38_what_scikit_learn_hands_over_is_taken(tmp_path, backbone):
    """Columns (n, 1) of paths, clones and pipelines work as in scikit-learn."""
    from sklearn.base import clone

    (tmp_path / "a.png").write_bytes(encoded(quarters()))
    step = clone(carlib.Bottlenecks(backbone, workspace_path=None))
    column = np.array([[str(tmp_path / "a.png")]], dtype=object)
    assert step.fit_transform(column).shape == (1, 1280)


def test_r39_photos_that_can_be_gone_through_once_are_listed_once(tmp_path, trained):
    """Path.glob, map and a generator give a row a photo; None and numbers don't."""
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(
            encoded(quarters().resize((9 + number,) * 2))
        )
    assert len(trained.predict(tmp_path.glob("*.png"), progress=False)) == 3
    assert len(trained.predict(map(str, tmp_path.iterdir()), progress=False)) == 3
    with pytest.raises(OptionError, match="Received: None"):
        trained.predict(None)
