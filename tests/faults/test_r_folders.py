"""What people report of programs of this kind: folders, files and names."""

import os
import time
import unicodedata
from pathlib import Path

import pytest

import carlib
from carlib.errors import DataError
from tests.cli.typed import run
from tests.data.test_walk import JPEG
from tests.data.written import HEADER, put, write
from tests.faults.made import data_folder


@pytest.fixture
def folder(tmp_path):
    return data_folder(tmp_path / "photos")


def photos(*names: str) -> dict[str, bytes]:
    return {name: JPEG + os.fsencode(name) for name in names}


def labels(root: Path) -> list[str]:
    return list(carlib.load_index(root).damage_class)


def test_r09_no_suffix_keeps_a_photo_out_and_none_goes_in_silence(tmp_path, capsys):
    """Photos of any suffix or none are read; what isn't is counted and said."""
    put(tmp_path, photos("a/1.jfif", "a/2", "a/3.pjpeg", "b/1.JPE", "b/2.dat"))
    put(tmp_path, {"b/3.heic": b"\0\0\0\x18ftypheic"})
    assert labels(tmp_path) == ["a", "a", "a", "b", "b"]
    assert "1 .heic in b" in capsys.readouterr().out


def test_r10_photos_deeper_or_loose_are_read_or_counted(tmp_path, capsys):
    """A photo one level deeper is its class's; a loose one is said to be left out."""
    put(tmp_path, photos("a/deep/1.jpg", "b/1.jpg", "loose.jpg"))
    assert labels(tmp_path) == ["a", "b"]
    assert "1 photo beside the folders" in capsys.readouterr().out


def test_r15_twelve_thousand_names_that_miss_take_seconds(tmp_path):
    """A large index whose names miss by their case is refused in seconds."""
    put(tmp_path, {f"image/X{n}.JPG": b"" for n in range(12_000)})
    rows = "".join(f"image/x{n}.jpg,a,T\n" for n in range(12_000))
    began = time.monotonic()
    with pytest.raises(DataError, match=r"did you mean image/X0\.JPG"):
        carlib.load_index(write(tmp_path, HEADER + rows))
    assert time.monotonic() - began < 15


def test_r16_two_thousand_files_in_the_other_unicode_form_take_a_moment(tmp_path):
    """An index in NFC finds files in NFD at the cost of a look-up."""
    names = [f"é{n}.jpg" for n in range(2_000)]
    put(tmp_path, {unicodedata.normalize("NFD", name): b"" for name in names})
    rows = "".join(f"{name},{'ab'[n % 2]},T\n" for n, name in enumerate(names))
    began = time.monotonic()
    assert len(carlib.load_index(write(tmp_path, HEADER + rows))) == 2_000
    assert time.monotonic() - began < 5


def test_r17_a_folder_and_an_index_name_a_class_alike(tmp_path):
    """A class folder in NFD is the class that an index names in NFC."""
    nfd = unicodedata.normalize("NFD", "Tür")
    put(tmp_path / "folders", photos(f"{nfd}/1.jpg", "b /2.jpg"))
    put(tmp_path / "index", photos("1.jpg", "2.jpg"))
    write(tmp_path / "index", f"{HEADER}1.jpg,Tür,T\n2.jpg,b,T\n")
    assert set(labels(tmp_path / "folders")) == set(labels(tmp_path / "index"))


def test_r18_a_folder_to_predict_is_walked_like_one_to_train_on(tmp_path):
    """Copies that systems leave behind are no photos, to predict or to train on."""
    from carlib.data.sources import as_sources

    put(tmp_path, photos("1.jpg", "a/2.jfif"))
    junk = ["._1.jpg", "__MACOSX/1.jpg", ".ipynb_checkpoints/1.jpg", "Thumbs.db"]
    put(tmp_path, dict.fromkeys(junk, JPEG))
    names = [Path(source.name).name for source in as_sources(tmp_path)]
    assert names == ["1.jpg", "2.jfif"]


def test_r19_a_tilde_that_the_shell_left_is_home(
    trained, sample, workspace, tmp_path, monkeypatch
):
    """A ~ in any path of a command is the home folder, as a shell would have it."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(sample)
    (tmp_path / "w").symlink_to(workspace)
    shared = ["--workspace=~/w", "--arch=EfficientNetLite0", "--epoch=1"]
    assert run("train", "~/data", *shared, "--output=~/m.zip").exit_code == 0
    told = run("predict", "~/m.zip", "~/none.jpg").stderr
    assert f"{tmp_path / 'none.jpg'}" in told.replace("\n", "")
    assert "EfficientNetLite0" in run("cache", "info", "--workspace=~/w").stdout
    assert {path.name for path in tmp_path.iterdir()} == {"data", "w", "m.zip"}


def test_r20_data_without_v_are_told_at_load(folder, capsys):
    """Data that have nothing in V are said to when they are loaded."""
    carlib.load_index(write(folder, f"{HEADER}image/1.jpeg,a,T\nimage/2.jpeg,b,T\n"))
    assert "No photos are in V" in capsys.readouterr().out


def test_r21_train_and_val_folders_of_classes_are_read(tmp_path):
    """train/<class> and val/<class>, the commonest layout of all, are T and V."""
    put(tmp_path, photos("train/a/1.jpg", "train/b/2.jpg", "valid/a/3.jpg"))
    assert list(carlib.load_index(tmp_path).subset) == ["T", "T", "V"]


def test_r22_subsets_are_not_taken_for_classes(tmp_path):
    """Photos right in train/ and val/ don't make the classes train and val."""
    put(tmp_path, photos("train/1.jpg", "val/2.jpg"))
    with pytest.raises(DataError, match="train, val, which are subsets"):
        carlib.load_index(tmp_path)


def test_r23_a_third_subset_is_left_out_with_a_note(folder, capsys):
    """Rows of a subset test are left out and counted, or taken as asked."""
    rows = "image/1.jpeg,a,T\nimage/2.jpeg,b,V\nimage/3.jpeg,b,test\n"
    write(folder, HEADER + rows)
    assert len(carlib.load_index(folder)) == 2
    assert "1 photos of the subset test are left out" in capsys.readouterr().out
    assert list(carlib.load_index(folder, test=True).subset) == ["T", "V", "test"]


def test_r24_absolute_paths_are_told_apart_by_where_they_lead(folder):
    """An absolute path inside the folder is found; others and addresses are named."""
    inside = (folder / "image" / "1.jpeg").absolute()
    assert len(carlib.load_index(write(folder, f"{HEADER}{inside},a,T\n"))) == 1
    for name, says in (
        ("C:\\x\\1.jpeg", "an absolute path out of the data folder"),
        ("https://example.org/1.jpeg", "is an address"),
    ):
        with pytest.raises(DataError, match=says):
            carlib.load_index(write(folder, f"{HEADER}{name},a,T\n"))


def test_r25_a_bare_name_is_told_where_its_file_lies(folder):
    """A name without its folder or suffix is answered with what was meant."""
    for name in ("1.jpeg", "1"):
        with pytest.raises(DataError, match=r"did you mean image/1\.jpeg"):
            carlib.load_index(write(folder, f"{HEADER}{name},a,T\n"))


def test_r30_a_class_folder_that_is_not_utf8_is_told_at_load(tmp_path):
    """A folder's name in Latin-1 is refused before a feature is computed."""
    try:
        put(tmp_path, photos("a/1.jpg", "gr\udcfcn/2.jpg"))
    except (OSError, UnicodeError):
        pytest.skip("this disk has UTF-8 names only")
    with pytest.raises(DataError, match="is not UTF-8: rename it"):
        carlib.load_index(tmp_path)


def test_r36_a_linked_class_folder_is_one_line(tmp_path):
    """A class folder that is a link is one error with what to do, not one a photo."""
    put(tmp_path / "away", photos(*(f"{n}.jpg" for n in range(20))))
    put(tmp_path / "data", photos("a/1.jpg", "b/1.jpg"))
    (tmp_path / "data" / "c").symlink_to(tmp_path / "away")
    with pytest.raises(DataError, match="copy the folder, or link all") as caught:
        carlib.load_index(tmp_path / "data")
    assert len(caught.value.problems) == 1


def test_r46_the_same_photo_under_two_labels_is_said_at_load(tmp_path, capsys):
    """Copies in two class folders are named, with both labels."""
    put(tmp_path, {"a/1.jpg": JPEG, "b/2.jpg": JPEG} | photos("a/3.jpg", "b/4.jpg"))
    carlib.load_index(tmp_path)
    assert "a/1.jpg (a) = b/2.jpg (b)" in capsys.readouterr().out
