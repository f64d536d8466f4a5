"""What a report says, read from its file."""

import json
import re

import pytest

import carlib
from carlib.errors import DataError, OptionError, OutputError
from carlib.pages.report import report
from tests.pages.audited import audited

DATA = re.compile(r'<script type="application/json" id="page-data">(.*?)</script>')


@pytest.fixture(scope="module")
def text(path):
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def data(text):
    return json.loads(DATA.search(text)[1])


def test_it_says_how_good_the_model_is_as_evaluate_does(text, named, named_model):
    table = named_model.predict(
        named[named.subset == "V"], on_error="skip", progress=False
    )
    metrics = carlib.evaluate(table)
    assert f"<strong>{100 * metrics.micro_accuracy:.0f}</strong>" in text
    assert f"Judged on {metrics.n} photos, 4 classes" in text
    assert f"log-loss of its probabilities is {metrics.log_loss:.3f}" in text


def test_photos_that_can_not_be_read_are_listed_and_count_nowhere(text, data):
    assert "1 photo couldn&#39;t be read" in text
    assert "broken.jpeg" in text
    galleries = data["galleries"].items()
    shown = [n for name, each in galleries if "cell" in name for n in each["photos"]]
    names = [data["photos"][number]["name"] for number in shown]
    assert len(names) == len(set(names)) and "broken.jpeg" not in names


def test_each_photo_stands_in_it_once_however_often_it_is_shown(text, data):
    sources = [each["src"] for each in data["photos"] if each["src"]]
    assert all(text.count(source) == 1 for source in set(sources))
    names = [each["name"] for each in data["photos"]]
    assert len(names) == len(set(names))


def test_it_does_not_tell_of_its_makers_folders(text, named):
    folder = str(named.image_path[0]).rpartition("/")[0]
    assert folder not in text and "named0" not in text


def test_it_explains_the_worst_mistakes(text):
    assert 'class="mistake"' in text
    assert 'class="map"' in text
    assert "Where the answer comes from" in text
    assert "The most similar training photos" in text
    assert "can&#39;t be shown" not in text


def test_what_can_not_be_explained_is_said(few, trained, tmp_path):
    photos = few.assign(damage_class="door_dent")
    path = report(trained, photos, tmp_path / "r.html", subset="all", progress=False)
    assert "The training photos that answers come from can&#39;t be shown" in (
        path.read_text("utf-8")
    )


def test_figures_on_photos_trained_on_are_not_to_be_believed(few, trained, tmp_path):
    path = report(trained, few, tmp_path / "r.html", subset="T", progress=False)
    text = path.read_text("utf-8")
    assert "these figures are too good" in text
    assert "The photos are the drawn sample" in text


def test_a_model_without_a_mistake_has_none_to_show(train, trained, tmp_path):
    table = trained.predict(train, progress=False)
    right = train[table.predicted_label == table.damage_class].head(20)
    path = report(trained, right, tmp_path / "r.html", subset="all", progress=False)
    assert "None: all 20 photos are named right" in path.read_text("utf-8")


def test_photos_without_a_subset_are_all_judged(few, trained, tmp_path):
    photos = few.drop(columns="subset")
    path = report(trained, photos, tmp_path / "r.html", progress=False)
    assert f"Judged on {len(few)} photos" in path.read_text("utf-8")


def test_the_same_photos_make_the_same_page(few, trained, tmp_path):
    options = {"subset": "T", "progress": False}
    one = report(trained, few, tmp_path / "1.html", **options).read_bytes()
    assert report(trained, few, tmp_path / "2.html", **options).read_bytes() == one


def test_bad_input_is_refused_before_any_work(few, trained, tmp_path):
    with pytest.raises(OptionError, match="Expected a subset of 'V', 'T', 'all'"):
        report(trained, few, tmp_path / "r.html", subset="X")
    with pytest.raises(DataError, match="Expected photos in V"):
        report(trained, few, tmp_path / "r.html")
    with pytest.raises(DataError, match="no column 'damage_class'"):
        report(trained, few[["image_path"]], tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_where_it_can_not_be_written_what_stood_there_stays(few, trained, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputError, match="folder is a folder"):
        report(trained, few, folder, subset="T", progress=False)
    assert list(tmp_path.iterdir()) == [folder]


def test_what_an_audit_found_is_told_and_its_photos_are_shown(
    named, named_model, path, tmp_path
):
    found = audited(named)
    page = report(named_model, named, tmp_path / "a.html", audit=found, progress=False)
    text = page.read_text("utf-8")
    assert f"An audit of {found.n} photos found: 1 pair of one picture with" in text
    for title in ("One picture, two labels", "Labels in doubt"):
        assert title in text and title not in path.read_text("utf-8")
