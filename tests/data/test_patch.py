"""A patch changes what is trained on, by content, and nothing else."""

import shutil

import pytest

from carlib.data.decisions import RELABEL
from carlib.data.table import load_index
from carlib.errors import DataError
from carlib.reading import sha256_of
from tests.data.written import HEADER, write

INDEX = HEADER + (
    "image/1.jpeg,door_dent,T\nimage/2.jpeg,door_dent,T\nimage/3.jpeg,unknown,T\n"
    "image/4.jpeg,unknown,T\nimage/5.jpeg,unknown,V\nimage/6.jpeg,tail_lamp,test\n"
)


@pytest.fixture
def indexed(folder):
    return write(folder, INDEX)


def patch_of(folder, decided: dict[int | str, str]):
    """Write decisions about photos, by their number, or hashes."""
    lines = ["kind,photo,other,decision,image,other_image"]
    for number, decision in decided.items():
        name = f"{number}.jpeg"
        known = isinstance(number, str)
        content = number if known else sha256_of(folder / "image" / name)
        lines.append(f"label,{content},,{decision},{'' if known else name},")
    path = folder.parent / "labels.patch.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def labels_in(table):
    names = table.image_path.str.extract(r"(\d+)\.jpeg", expand=False)
    return dict(zip(names.astype(int), table.damage_class, strict=True))


def test_photos_in_t_get_their_label_or_are_left_out(indexed, capsys):
    before = load_index(indexed)
    decided = {1: f"{RELABEL}unknown", 2: "keep", 3: "drop"}
    path = patch_of(indexed, decided)
    content = (indexed / "index.csv").read_bytes()
    capsys.readouterr()
    table = load_index(indexed, patch=path)
    assert labels_in(table) == {
        1: "unknown",
        2: "door_dent",
        4: "unknown",
        5: "unknown",
    }
    assert (table.dtypes == "str").all() and list(table.index) == [0, 1, 2, 3]
    assert "labels.patch.csv: 1 photo in T with another label, 1 left out." in (
        said := capsys.readouterr().out
    )
    assert "4 photos beside" not in said
    assert (indexed / "index.csv").read_bytes() == content
    assert load_index(indexed).equals(before)


def test_photos_in_v_and_test_stay_as_they_are_and_it_is_said(indexed, capsys):
    path = patch_of(indexed, {5: "drop", 6: f"{RELABEL}unknown", 1: "keep"})
    table = load_index(indexed, patch=path, test=True)
    assert table.equals(load_index(indexed, test=True))
    assert "2 photos outside of T kept as before" in capsys.readouterr().out


def test_it_fits_wherever_the_photos_lie_and_copies_in_v_stay(indexed, tmp_path):
    path = patch_of(indexed, {1: f"{RELABEL}unknown"})
    moved = tmp_path / "elsewhere"
    shutil.copytree(indexed / "image", moved / "pictures")
    shutil.copy(moved / "pictures/1.jpeg", moved / "pictures/20.jpeg")
    shutil.copy(moved / "pictures/1.jpeg", moved / "pictures/21.jpeg")
    lines = ["pictures/1.jpeg,door_dent,T", "pictures/20.jpeg,tail_lamp,T"]
    lines += ["pictures/21.jpeg,door_dent,V", "pictures/3.jpeg,unknown,T"]
    table = load_index(write(moved, HEADER + "\n".join(lines)), patch=path)
    assert labels_in(table) == {
        1: "unknown",
        20: "unknown",
        21: "door_dent",
        3: "unknown",
    }


def test_what_fits_no_photo_is_said(indexed, capsys):
    path = patch_of(indexed, {1: "keep", "0" * 64: "drop", "f" * 64: "keep"})
    load_index(indexed, patch=path)
    said = capsys.readouterr().out
    assert "2 decisions fit no photo here: line 3 (no name), line 4 (no name)." in said


def test_classes_that_are_not_there_are_all_named(indexed):
    path = patch_of(indexed, {1: f"{RELABEL}Unknown", 2: f"{RELABEL}dent", 3: "drop"})
    with pytest.raises(DataError) as caught:
        load_index(indexed, patch=path)
    assert caught.value.problems == [
        "line 2: there is no class 'Unknown'; did you mean 'unknown'?",
        "line 3: there is no class 'dent'",
    ]


def test_what_is_left_out_is_no_copy_of_anything_any_more(indexed, capsys):
    shutil.copy(indexed / "image/1.jpeg", indexed / "image/5.jpeg")
    load_index(indexed)
    assert "so that figures got on V are too good" in capsys.readouterr().out
    load_index(indexed, patch=patch_of(indexed, {1: "drop"}))
    assert "too good" not in capsys.readouterr().out


def test_a_patch_that_is_not_there_is_an_error(indexed):
    with pytest.raises(DataError, match=r"no\.csv is not a table"):
        load_index(indexed, patch="no.csv")
