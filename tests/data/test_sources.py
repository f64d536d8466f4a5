"""What people hand in as photos, gone through once and named."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carlib.backbones.backbone import Backbone
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data.sources import as_sources
from carlib.errors import ImageError, OptionError
from carlib.training.trainer import ImageClassificationTrainer
from tests.tiny import Tiny, draw_photos


@pytest.fixture
def folder(tmp_path):
    draw_photos(tmp_path / "photos", 5)
    return tmp_path / "photos"


KINDS = {
    "glob": lambda folder: folder.glob("*.png"),
    "generator": lambda folder: (str(path) for path in sorted(folder.iterdir())),
    "map": lambda folder: map(str, sorted(folder.iterdir())),
    "series": lambda folder: pd.Series(map(str, sorted(folder.iterdir()))),
    "bytes": lambda folder: (path.read_bytes() for path in sorted(folder.iterdir())),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_gone_through_only_once_is_gone_through_once(folder, kind):
    expected = compute_bottlenecks(sorted(folder.iterdir()), Tiny(), None, False)
    given = compute_bottlenecks(KINDS[kind](folder), Tiny(), None, False)
    order = slice(None)
    if kind == "glob":
        names = [path.name for path in folder.glob("*.png")]
        order = np.argsort(names)
    np.testing.assert_array_equal(given[order], expected)


@pytest.fixture(scope="module")
def joined(few, backbone, workspace):
    drawn = Backbone("MobileNetV2-0.35", weights=None)
    trainer = ImageClassificationTrainer(
        arch=[backbone, drawn], workspace_path=workspace, epoch=1
    )
    return trainer.fit(few)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("several", [False, True])
def test_a_model_predicts_them_joined_or_not(folder, kind, several, trained, joined):
    model = joined if several else trained
    table = model.predict(KINDS[kind](folder), progress=False)
    assert len(table) == 5
    assert ("image_path" in table) == (kind != "bytes")


@pytest.mark.parametrize("photos", [None, 3, 2.5, object(), [None], [3], [["a"]]])
def test_what_is_no_photo_is_refused_by_its_kind(photos):
    with pytest.raises(OptionError, match="Expected photos.*Received: "):
        as_sources(photos)


@pytest.mark.parametrize("photos", [{"a": 1}, {"a"}, ["a", None, 3], True])
def test_all_that_is_no_photo_is_named_at_once(photos):
    with pytest.raises(OptionError, match="Expected photos.*Received: "):
        as_sources(photos)


def test_an_address_that_is_not_read_is_refused_as_one():
    with pytest.raises(OptionError, match=r"with ftp://(.|\n)*\(ftp://a.b/c.jpg\)"):
        as_sources("ftp://a.b/c.jpg")


def opened(folder):
    return [path.open("rb") for path in sorted(folder.iterdir())]


SAME = {
    "folder": lambda folder: folder,
    "folder's name": str,
    "open files": opened,
    "buffers": lambda folder: [io.BytesIO(f.read()) for f in opened(folder)],
    "images": lambda folder: [Image.open(file) for file in opened(folder)],
    "arrays": lambda folder: [np.asarray(Image.open(file)) for file in opened(folder)],
    "one array": lambda folder: np.stack(SAME["arrays"](folder)),
    "an array of names": lambda folder: np.array(sorted(map(str, folder.iterdir()))),
    "a column": lambda folder: SAME["an array of names"](folder)[:, None],
    "a column of objects": lambda folder: SAME["a column"](folder).astype(object),
    "a table": lambda folder: pd.DataFrame(
        {"photo": sorted(map(str, folder.iterdir()))}
    ),
}


@pytest.mark.filterwarnings("ignore:unclosed file")
@pytest.mark.parametrize("kind", SAME)
def test_all_that_can_be_photos_gives_the_same_features(folder, kind):
    expected = compute_bottlenecks(sorted(folder.iterdir()), Tiny(), None, False)
    given = compute_bottlenecks(SAME[kind](folder), Tiny(), None, False)
    np.testing.assert_array_equal(given, expected)


def test_one_open_file_or_image_is_one_photo(folder):
    path = sorted(folder.iterdir())[0]
    with path.open("rb") as file, Image.open(path) as image:
        assert len(as_sources(file)) == len(as_sources(image)) == 1
    with path.open(encoding="latin-1") as file, pytest.raises(OptionError, match="rb"):
        as_sources(file)


def test_a_folder_says_what_it_leaves_out(folder, capsys, tmp_path):
    (folder / "notes.txt").touch()
    (folder / "._0.png").touch()
    assert len(as_sources(folder)) == 5
    assert "Left out: 1 .txt." in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="No photos in"):
        as_sources(tmp_path / "empty")


def test_a_tilde_stands_for_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert len(as_sources("~/photos")) == 5
    assert as_sources(["~/photos/00000.png"])[0].name == str(folder / "00000.png")
    assert as_sources(Path("~nobody-at-all/x.png"))[0].name == "~nobody-at-all/x.png"
