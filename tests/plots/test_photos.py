"""The grids of photos, read back from their figures."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import carlib
from carlib.errors import DataError, ImageError, OptionError


@pytest.fixture
def photos(tmp_path) -> pd.DataFrame:
    """Six dents and two lamps, each of one grey of its own: 10, 20, … 80."""
    rows = []
    for index in range(8):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (6, 4), (10 * (index + 1),) * 3).save(path)
        rows.append((str(path), "dent" if index < 6 else "lamp", "T"))
    return pd.DataFrame(rows, columns=["image_path", "damage_class", "subset"])


@pytest.fixture
def predictions(photos) -> pd.DataFrame:
    """Three mistakes (rows 1, 4 and 6) with scores of 0.6, 0.9 and 0.75."""
    labels = photos["damage_class"].where(
        ~photos.index.isin([1, 4, 6]), ["lamp"] * 6 + ["dent"] * 2
    )
    scores = [0.99, 0.6, 0.99, 0.99, 0.9, 0.99, 0.75, 0.99]
    return photos.assign(predicted_label=labels, score=scores)


def greys(axes) -> list[int]:
    return [int(np.unique(ax.images[0].get_array()).item()) for ax in axes if ax.images]


def titles(figure) -> list[str]:
    return [ax.get_title("left") for ax in figure.axes if ax.get_title("left")]


def test_photos_stand_in_a_row_a_class_with_its_name_and_size_at_the_left(photos):
    figure = carlib.show_photos(photos, per_class=3)
    rows = np.reshape(figure.axes, (2, 3))
    assert [row[0].get_ylabel() for row in rows] == ["dent\n6 photos", "lamp\n2 photos"]
    assert len(greys(rows[0])) == 3 and set(greys(rows[0])) <= {10, 20, 30, 40, 50, 60}
    assert sorted(greys(rows[1])) == [70, 80]


def test_photos_are_drawn_anew_by_seed(photos):
    drawn = [greys(carlib.show_photos(photos, 3, seed).axes[:3]) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 3


def test_photos_have_no_ticks_or_frames(photos):
    figure = carlib.show_photos(photos, per_class=3)
    assert not any(len(ax.get_xticks()) or len(ax.get_yticks()) for ax in figure.axes)
    spines = [spine for ax in figure.axes for spine in ax.spines.values()]
    assert not any(spine.get_visible() for spine in spines)


def test_one_photo_a_class_of_one_class_is_enough(photos):
    assert len(carlib.show_photos(photos.head(1), per_class=1).axes) == 1


def test_mistakes_are_the_wrong_photos_with_the_highest_scores_first(predictions):
    figure = carlib.show_mistakes(predictions, n=2)
    assert greys(figure.axes) == [50, 70]
    assert titles(figure) == [
        "actual: dent\npredicted: lamp\nscore: 0.90",
        "actual: lamp\npredicted: dent\nscore: 0.75",
    ]
    heading = "3 of 8 photos are named wrong; the 2 with the highest score"
    assert figure.get_suptitle() == heading


def test_fewer_mistakes_than_asked_for_are_all_shown(predictions):
    assert greys(carlib.show_mistakes(predictions).axes) == [50, 70, 20]


def test_no_mistakes_is_said_in_the_figure(predictions):
    right = predictions.assign(predicted_label=predictions["damage_class"])
    (ax,) = carlib.show_mistakes(right).axes
    assert [text.get_text() for text in ax.texts] == ["No mistakes in 8 photos."]


@pytest.mark.parametrize("none", [None, ""])
def test_rows_that_were_skipped_or_have_no_label_are_no_mistakes(predictions, none):
    table = predictions.astype({"score": object, "predicted_label": object})
    table.loc[4, ["predicted_label", "score"]] = none
    table.loc[6, "damage_class"] = none
    figure = carlib.show_mistakes(table)
    assert greys(figure.axes) == [20]
    assert figure.get_suptitle().startswith("1 of 6 photos")


def test_a_photo_that_cannot_be_read_is_named_and_leaves_no_figure(predictions):
    path = Path(predictions["image_path"][4])
    path.write_bytes(b"not a photo")
    with pytest.raises(ImageError, match=path.name):
        carlib.show_mistakes(predictions)
    with pytest.raises(ImageError, match=path.name):
        carlib.show_photos(predictions, per_class=6)
    assert not plt.get_fignums()


def test_missing_columns_and_rows_are_named(photos, predictions):
    with pytest.raises(DataError, match="no column 'predicted_label'"):
        carlib.show_mistakes(photos)
    with pytest.raises(DataError, match="no column 'damage_class'"):
        carlib.show_photos(photos.drop(columns="damage_class"))
    with pytest.raises(DataError, match="Received: 0 rows"):
        carlib.show_photos(photos.head(0))
    with pytest.raises(DataError, match="None of the 8 rows"):
        carlib.show_mistakes(predictions.assign(score=None))


def test_no_photo_and_too_many_cant_be_asked_for(photos, predictions):
    expected = "per_class must be a whole number from 1 to 20. Received: "
    for count in (0, 21, 10**9, 2.5, True, "4"):
        with pytest.raises(OptionError, match=f"{expected}{count!r}"):
            carlib.show_photos(photos, per_class=count)
    for count in (-1, 101):
        with pytest.raises(OptionError, match=f"^n must .* 100. Received: {count}"):
            carlib.show_mistakes(predictions, n=count)


def test_of_many_classes_the_largest_are_shown_and_the_figure_says_so(photos):
    sizes = {f"class_{i:02}": 2 if i >= 3 else 1 for i in range(33)}
    rows = [
        (photos["image_path"][0], name) for name, n in sizes.items() for _ in "ab"[:n]
    ]
    many = pd.DataFrame(rows, columns=["image_path", "damage_class"])
    figure = carlib.show_photos(many, per_class=1)
    names = [ax.get_ylabel().partition("\n")[0] for ax in figure.axes]
    assert names == [f"class_{i:02}" for i in range(3, 33)]
    heading = "30 of 33 classes: those with the most photos"
    assert figure.get_suptitle() == heading
    assert carlib.show_photos(photos).get_suptitle() == ""


@pytest.mark.parametrize(
    ("size", "shape"), [((1600, 1200), (240, 320)), ((5, 900), (320, 2))]
)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_photos_are_kept_at_the_size_they_are_shown_at(tmp_path, size, shape, suffix):
    path = str(tmp_path / f"large.{suffix}")
    Image.new("RGB", size, "white").save(path)
    table = pd.DataFrame({"image_path": [path], "damage_class": ["dent"]})
    predictions = table.assign(predicted_label="lamp", score=0.5)
    for figure in (carlib.show_photos(table), carlib.show_mistakes(predictions)):
        assert figure.axes[0].images[0].get_array().shape == (*shape, 3)


def test_photos_are_shown_upright(tmp_path):
    path, exif = str(tmp_path / "turned.jpg"), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (800, 400), "white").save(path, exif=exif)
    table = pd.DataFrame({"image_path": [path], "damage_class": ["dent"]})
    image = carlib.show_photos(table).axes[0].images[0]
    assert image.get_array().shape == (320, 160, 3)


def test_grids_can_be_saved_without_a_warning(photos, predictions, tmp_path):
    carlib.show_photos(photos).savefig(tmp_path / "photos.webp")
    carlib.show_mistakes(predictions).savefig(tmp_path / "mistakes.webp")
    assert (tmp_path / "mistakes.webp").stat().st_size > 0


def test_classes_asked_for_stand_in_their_order_and_no_others(photos):
    figure = carlib.show_photos(photos, 2, classes=["lamp", "dent"])
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert labels == ["lamp\n2 photos", "dent\n6 photos"]
    one = carlib.show_photos(photos, 2, classes="lamp")
    assert {ax.get_label() for ax in one.axes} == set(photos["image_path"][6:])


def test_classes_without_photos_are_named_with_those_there_are(photos):
    for classes, received in (
        (["lamp", "glass", "door"], "'glass', 'door'"),
        (["lamp", "lamp"], r"\['lamp', 'lamp'\]"),
        ([], r"\[\]"),
    ):
        with pytest.raises(OptionError, match=received) as caught:
            carlib.show_photos(photos, classes=classes)
        assert "There are dent, lamp." in str(caught.value)


def test_more_than_four_of_a_class_take_several_rows_of_the_same_length(photos):
    figure = carlib.show_photos(photos, per_class=6)
    grid = np.reshape(figure.axes, (3, 3))
    assert [bool(ax.images) for ax in grid.flat] == [True] * 8 + [False]
    assert [row[0].get_ylabel() for row in grid] == [
        "dent\n6 photos",
        "",
        "lamp\n2 photos",
    ]


@pytest.mark.parametrize("per_class", [1, 3, 4, 6])
def test_a_photo_takes_180_pixels_or_more_on_a_page(tmp_path, predictions, per_class):
    Image.new("RGB", (300, 300)).save(tmp_path / "square.png")
    square = predictions.assign(image_path=str(tmp_path / "square.png"))
    figures = carlib.show_photos(square, per_class), carlib.show_mistakes(square)
    for figure in figures:
        figure.canvas.draw()
        page = min(1, 960 / (100 * figure.get_size_inches()[0]))
        for ax in (ax for ax in figure.axes if ax.images):
            assert page * ax.get_window_extent().width / figure.dpi * 100 >= 180


def test_a_photos_path_is_the_label_of_its_axes(photos, predictions):
    shown = carlib.show_photos(photos, per_class=6).axes
    paths = [ax.get_label() for ax in shown if ax.images]
    assert sorted(paths) == sorted(photos["image_path"])
    mistakes = carlib.show_mistakes(predictions, n=2).axes
    wrong = [ax.get_label() for ax in mistakes if ax.images]
    assert wrong == predictions["image_path"][[4, 6]].tolist()
