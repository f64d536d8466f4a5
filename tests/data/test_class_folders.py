"""Folders of photos as people have them: a folder a class, in train and val, deeper."""

import os
from pathlib import Path

import pytest

from carlib.data.table import load_index
from carlib.errors import DataError
from tests.data.test_walk import JPEG
from tests.data.written import put


def photos(*names: str) -> dict[str, bytes]:
    return {name: JPEG + os.fsencode(name) for name in names}


def rows(root: Path, **options) -> list[tuple[str, str, str]]:
    table = load_index(root, **options)
    return [
        (Path(path).relative_to(root).as_posix(), label, subset)
        for path, label, subset in table.itertuples(index=False)
    ]


def test_photos_deeper_in_a_class_folder_are_of_that_class(tmp_path):
    put(tmp_path, photos("a/1.jpg", "a/x/2.jpg", "a/x/y/3.jfif", "b/1", "b/2.jpg"))
    assert [(name, label) for name, label, _ in rows(tmp_path)] == [
        *(("a/1.jpg", "a"), ("a/x/2.jpg", "a"), ("a/x/y/3.jfif", "a")),
        *(("b/1", "b"), ("b/2.jpg", "b")),
    ]


def test_what_is_left_out_is_said_once(tmp_path, capsys):
    put(tmp_path, photos("a/1.jpg", "b/1.jpg", "loose.jpg"))
    put(tmp_path, {"a/2.heic": b"", "a/3.heic": b"", "b/notes.txt": b""})
    assert len(rows(tmp_path)) == 2
    said = capsys.readouterr().out
    assert "2 .heic in a" in said and "1 .txt in b" in said and "1 photo beside" in said


def test_a_class_that_would_be_left_out_is_an_error(tmp_path):
    put(
        tmp_path, photos("a/1.jpg", "b/1.jpg") | {"glass/1.heic": b"", "doc/x.txt": b""}
    )
    with pytest.raises(DataError, match=r"glass holds only \.heic") as caught:
        rows(tmp_path)
    assert len(caught.value.problems) == 1


def test_a_linked_class_folder_is_one_error(tmp_path):
    put(tmp_path / "photos", photos("a/1.jpg", "b/1.jpg"))
    put(tmp_path / "away", photos(*(f"{n}.jpg" for n in range(9))))
    (tmp_path / "photos" / "c").symlink_to(tmp_path / "away")
    with pytest.raises(DataError, match="c is a link: copy the folder") as caught:
        rows(tmp_path / "photos")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("names", [("train", "val"), ("Training", "valid")])
def test_folders_of_classes_in_train_and_val_are_t_and_v(tmp_path, names):
    train, val = names
    put(tmp_path, photos(f"{train}/a/1.jpg", f"{train}/b/2.jpg", f"{val}/a/x/3.jpg"))
    assert [row[1:] for row in rows(tmp_path)] == [("a", "T"), ("b", "T"), ("a", "V")]


def test_the_subset_test_is_left_out_with_a_word_or_taken_as_asked(tmp_path, capsys):
    names = [f"{part}/{label}/1.jpg" for part in ("train", "test") for label in "ab"]
    put(tmp_path, photos(*names))
    assert {row[2] for row in rows(tmp_path)} == {"T"}
    assert "2 photos of the subset test are left out" in capsys.readouterr().out
    assert [row[2] for row in rows(tmp_path, test=True)] == ["test", "test", "T", "T"]


def test_train_and_val_without_classes_are_not_taken_for_classes(tmp_path):
    put(tmp_path, photos("train/1.jpg", "train/2.jpg", "val/3.jpg"))
    with pytest.raises(DataError, match="which are subsets, with photos in them"):
        rows(tmp_path)


def test_folders_that_differ_by_unicode_form_and_space_are_one_class(tmp_path):
    put(tmp_path, photos("Tu\u0308r/1.jpg", "T\u00fcr /2.jpg", "b/1.jpg"))
    assert {label for _, label, _ in rows(tmp_path)} == {"Tür", "b"}


def test_a_folder_whose_name_is_not_utf8_is_an_error_before_the_training(tmp_path):
    try:
        put(tmp_path, photos("a/1.jpg", "gr\udcfcn/2.jpg"))
    except (OSError, UnicodeError):
        pytest.skip("this disk has UTF-8 names only")
    with pytest.raises(DataError, match=r"is not UTF-8: rename it"):
        rows(tmp_path)


def test_copies_under_two_labels_and_single_photos_are_said_at_load(tmp_path, capsys):
    put(tmp_path, {"a/1.jpg": JPEG, "b/2.jpg": JPEG} | photos("a/3.jpg", "b/4.jpg"))
    put(tmp_path, photos("lonely/5.jpg"))
    rows(tmp_path)
    said = capsys.readouterr().out
    assert "under several labels" in said and "a/1.jpg (a) = b/2.jpg (b)" in said
    assert "from one photo: a, b, lonely" in said
