"""A: index.csv as editors save it, people write it, and others would misuse it."""

import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

import carlib
from carlib.errors import DataError
from tests.cli.typed import failure
from tests.data.written import HEADER, PLAIN, write
from tests.faults.made import data_folder

ROWS = [("image/1.jpeg", "door_dent", "T"), ("image/2.jpeg", "unknown", "V")]
ON_UNIX = pytest.mark.skipif(os.name == "nt", reason="Windows forbids such files")
BY_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with image/1.jpeg to image/9.jpeg, and no index yet."""
    monkeypatch.chdir(tmp_path)
    data_folder(tmp_path / "photos")
    return Path("photos")


def load(folder: Path, text: str | bytes) -> list[tuple[str, str, str]]:
    """The rows that an index gives, their paths from the folder on."""
    table = carlib.load_index(write(folder, text))
    table["image_path"] = table.image_path.str.removeprefix(f"{folder.as_posix()}/")
    return list(table.itertuples(index=False, name=None))


def refusal(folder: Path, text: str | bytes | None = None) -> str:
    """What is said of an index that is refused; None: the one that is there."""
    with pytest.raises(DataError) as caught:
        carlib.load_index(folder if text is None else write(folder, text))
    return str(caught.value)


def problems(folder: Path, rows: str) -> list[str]:
    """What is wrong with rows below a header that is right, a line each."""
    with pytest.raises(DataError) as caught:
        carlib.load_index(write(folder, HEADER + rows))
    return caught.value.problems


def rows_of(labels: list[str]) -> str:
    """Rows of photos in T, one a label."""
    return "".join(f"image/{i}.jpeg,{label},T\n" for i, label in enumerate(labels, 1))


def notes(folder: Path, text: str, capsys) -> str:
    """What is said of an index that is accepted."""
    load(folder, text)
    return capsys.readouterr().out


def test_a01_an_index_that_is_missing_is_said_with_what_is_there(folder):
    """A folder without an index is refused, and what lies in it is listed."""
    assert "neither index.csv nor" in refusal(folder)
    said = failure("train", folder)
    assert "neither index.csv nor" in said and "image,class,subset" in said
    assert "1.jpeg, 2.jpeg" in said


def test_a02_a_byte_order_mark_is_no_part_of_the_header(folder):
    """A UTF-8 mark at the start is passed over."""
    assert load(folder, PLAIN.encode("utf-8-sig")) == ROWS


@pytest.mark.parametrize("ends", [["\r\n"] * 3, ["\r"] * 3, ["\r\n", "\r", "\n"]])
def test_a03_lines_may_end_in_any_way(folder, ends):
    """Lines may end in CR, LF or both, even mixed in one file."""
    lines = PLAIN.splitlines()
    text = "".join(line + end for line, end in zip(lines, ends, strict=True))
    assert load(folder, text) == ROWS


@ON_UNIX
def test_a04_quoted_fields_hold_commas_quotes_and_line_ends(folder):
    """Commas, quotes and line ends in a quoted field belong to it, by RFC 4180."""
    name = 'image/a, "b"\nc.jpeg'
    (folder / name).touch()
    quoted = name.replace('"', '""')
    rows = f'"{quoted}","dent, ""big""",T\r\nimage/2.jpeg,unknown,V\r\n'
    expected = [(name, 'dent, "big"', "T"), ROWS[1]]
    assert load(folder, HEADER + rows) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a05_utf_16_is_named_with_what_to_save_it_as(folder, encoding):
    """UTF-16 is called so, with a mark or without, and UTF-8 is asked for."""
    said = refusal(folder, PLAIN.encode(encoding))
    assert "is UTF-16" in said and "Save it as UTF-8" in said


def test_a06_a_byte_of_another_encoding_is_named_with_its_line(folder):
    """A byte that is no UTF-8 is shown with its line, and UTF-8 is asked for."""
    said = refusal(folder, PLAIN.replace("unknown", "größer").encode("latin-1"))
    assert "line 3: byte 0xf6 is not UTF-8" in said and "Save it as UTF-8" in said


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a07_semicolons_are_named_as_the_cause(folder, sign):
    """Fields parted by semicolons or tabs are noticed, and commas asked for."""
    said = refusal(folder, PLAIN.replace(",", sign))
    assert "expected the columns image, class, subset" in said
    assert f"Separate the fields by commas, not by {sign!r}" in said


def test_a08_a_column_that_is_missing_is_told_from_one_that_is_written_otherwise(
    folder,
):
    """Case and spaces in the header don't matter; other names and gaps are told."""
    assert load(folder, PLAIN.replace(HEADER, " Image ,CLASS,Subset \n")) == ROWS
    said = refusal(folder, PLAIN.replace("class", "label"))
    assert "'label'" in said and "Rename label to class" in said
    said = refusal(folder, "image,class\nimage/1.jpeg,a\n")
    assert "image, class, subset" in said and "Received: 'image', 'class'" in said


def test_a09_columns_may_stand_in_any_order_with_others(folder):
    """Columns may come in another order, and others among them are passed over."""
    text = (
        "note,subset,class,image\nx,T,door_dent,image/1.jpeg\n,V,unknown,image/2.jpeg"
    )
    assert load(folder, text) == ROWS


def test_a10_rows_too_short_or_too_long_are_named(folder):
    """A row with a field too few or too many is an error with its line."""
    assert problems(
        folder, "image/1.jpeg,a\nimage/2.jpeg,a,T,\nimage/3.jpeg,a,T\n"
    ) == [
        "line 2: 2 fields, where the header has 3",
        "line 3: 4 fields, where the header has 3",
    ]


def test_a11_blank_lines_count_for_nothing_and_a_comment_is_no_row(folder):
    """Blank lines are passed over, and a comment is an error with its line."""
    assert load(folder, PLAIN.replace("\n", "\n \n,,\n") + "\n\n") == ROWS
    (found,) = problems(folder, "image/1.jpeg,a,T\n\n# to be continued\n")
    assert found.startswith("line 4: 1 fields")


def test_a12_an_index_without_rows_is_said_to_have_none(folder):
    """An empty file, and a header alone, are each called what they are."""
    assert "expected the columns image, class, subset" in refusal(folder, "")
    assert "no rows below its header" in refusal(folder, HEADER)


def test_a13_a_nul_is_named_with_its_line(folder):
    """A NUL in a field is an error with its line, in a class or in a path."""
    found = problems(folder, "image/1.jpeg,a\0b,T\nimage/2\0.jpeg,a,T\n")
    assert [line.partition(":")[0] for line in found] == ["line 2", "line 3"]


def test_a14_a_row_that_repeats_another_counts_once(folder, capsys):
    """Of rows that are the same one is kept, and that is said with their count."""
    text = PLAIN + 2 * "image/1.jpeg,door_dent,T\n"
    assert "2 rows repeat another one" in notes(folder, text, capsys)
    assert load(folder, text) == ROWS


def test_a15_a_photo_cannot_have_two_classes_or_subsets(folder):
    """A photo of two classes, or in both T and V, is an error with all its lines."""
    found = problems(
        folder,
        "image/1.jpeg,a,T\nimage/2.jpeg,a,T\nimage/1.jpeg,b,T\nimage/2.jpeg,a,V\n",
    )
    assert found == [
        "line 2: image/1.jpeg has several classes: a (line 2), b (line 4)",
        "line 3: image/2.jpeg has several subsets: T (line 3), V (line 5)",
    ]


def test_a16_ways_to_write_one_path_are_one_photo(folder, capsys):
    """Paths such as ./image//1.jpeg are that photo, once and of one class."""
    text = f"{PLAIN}./image/1.jpeg,door_dent,T\nimage//1.jpeg,door_dent,T\n"
    assert load(folder, text) == ROWS
    assert "2 rows repeat" in capsys.readouterr().out
    (found,) = problems(folder, "image/1.jpeg,a,T\n./image//1.jpeg,b,T\n")
    assert "image/1.jpeg has several classes" in found


def test_a17_backslashes_of_windows_part_folders(folder):
    """Backslashes in paths are read as slashes, and a miss is still named."""
    assert load(folder, PLAIN.replace("/", "\\")) == ROWS
    (found,) = problems(folder, "image\\77.jpeg,a,T\n")
    assert found == "line 2: there is no image/77.jpeg"


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/hostname", "../outside.jpeg", "image/../../outside.jpeg", ".."),
        *(r"C:\a.jpeg", "c:a.jpeg", r"..\a.jpeg", r"\\server\a.jpeg", "//server/a"),
    ],
)
def test_a18_a_path_out_of_the_folder_is_refused(folder, tmp_path, name):
    """A path that leaves the folder, absolute or by .., is refused though it exists."""
    (tmp_path / "outside.jpeg").touch()
    (found,) = problems(folder, f"{name},a,T\n")
    assert found.startswith(f"line 2: {name} ") and "out of the data folder" in found


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a19_names_in_any_script_are_found_in_either_unicode_form(folder, forms):
    """Spaces, accents, CJK and emoji are found, composed or not, as macOS has them."""
    name = "image/très größer 车 🚗.jpeg"
    on_disk, written = (unicodedata.normalize(form, name) for form in forms)
    (folder / on_disk).touch()
    assert load(folder, f"{HEADER}{written},a,T\n") == [(on_disk, "a", "T")]


@pytest.mark.parametrize("name", ["image/1.JPEG", "IMAGE/1.jpeg", "Image/1.Jpeg"])
def test_a20_a_name_in_another_case_is_answered_with_the_right_one(folder, name):
    """A path in another case, of file or folder, is told what was probably meant."""
    if (folder / "IMAGE").exists():
        assert load(folder, f"{HEADER}{name},a,T\n")[0][0] == "image/1.jpeg"
        return
    (found,) = problems(folder, f"{name},a,T\n")
    assert found.startswith(f"line 2: there is no {name}; did you mean image")


def test_a21_all_photos_that_are_missing_are_counted_and_named(folder):
    """All missing photos are counted and kept, and the first ones shown."""
    rows = "".join(f"image/{number}.jpeg,a,T\n" for number in range(1, 47))
    assert len(problems(folder, rows)) == 37
    said = refusal(folder)
    assert "37 problems" in said and "line 11: there is no image/10.jpeg" in said
    assert "and 17 more" in said


def test_a22_photos_that_are_not_listed_are_counted_and_no_error(folder, capsys):
    """Photos on the disk that the index doesn't list are counted, no more."""
    (folder / "image" / "notes.txt").touch()
    assert "7 photos beside the listed ones" in notes(folder, PLAIN, capsys)


def test_a23_subsets_have_the_names_that_people_give_them(folder):
    """T and V may be t, train, val and such; anything else is shown as it came."""
    names = ["t", " train ", "Training", "v", "VAL", "valid", "validation"]
    rows = "".join(f"image/{i}.jpeg,a,{name}\n" for i, name in enumerate(names, 1))
    assert "".join(row[2] for row in load(folder, HEADER + rows)) == "TTTVVVV"
    assert problems(folder, "image/1.jpeg,a,\nimage/2.jpeg,a,tset\n") == [
        "line 2: subset is empty",
        "line 3: subset is 'tset', not T or V",
    ]


def test_a24_no_photo_to_train_on_is_an_error_and_none_in_v_is_said(folder, capsys):
    """Without T there is no training; without V there is, and evaluate says why not."""
    load(folder, PLAIN.replace(",T", ",V"))
    with pytest.raises(DataError, match="T at least(.|\n)*'V'"):
        carlib.split(carlib.load_index(folder))
    said = notes(folder, PLAIN.replace(",V", ",T"), capsys)
    assert "No photos are in V: there is nothing to evaluate" in said
    train, validation = carlib.split(carlib.load_index(folder))
    assert (len(train), len(validation)) == (2, 0)
    none = pd.DataFrame(columns=["damage_class", "predicted_label", "score", "a", "b"])
    with pytest.raises(DataError, match="Have the data photos in V"):
        carlib.evaluate(none)


def test_a25_classes_that_look_alike_are_never_two_in_silence(folder, capsys):
    """Space around a class is cut; classes that differ by case or a sign are told."""
    one = "image/1.jpeg,door_dent ,T\nimage/2.jpeg,door_dent,V\n"
    assert {row[1] for row in load(folder, HEADER + one)} == {"door_dent"}
    for other in ("Door_dent", "door_dent\u200b", "DOOR_DENT"):
        found = problems(folder, f"image/1.jpeg,door_dent,T\nimage/2.jpeg,{other},T\n")
        assert any("one class or several?" in line for line in found)
    capsys.readouterr()
    several = rows_of(["door_dent", "door-dent", "door_dents"])
    said = notes(folder, HEADER + several, capsys)
    assert "one class, or several? 'door-dent' and 'door_dent' and 'door_dents'" in said


def test_a26_an_empty_class_is_an_error_and_na_is_a_word(folder):
    """An empty class is an error; NA, NaN, None and null are texts as any."""
    words = ["NA", "nan", "None", "null", "N/A"]
    assert [row[1] for row in load(folder, HEADER + rows_of(words))] == words
    assert problems(folder, "image/1.jpeg,,T\nimage/2.jpeg,  ,T\n") == [
        "line 2: class is empty",
        "line 3: class is empty",
    ]


def test_a27_labels_that_look_like_numbers_are_texts(folder, tmp_path):
    """The labels 01, 1 and 1e3 are three texts, on the way through a file too."""
    words = ["01", "1", "1e3", "1.0", "true", "-1"]
    assert [row[1] for row in load(folder, HEADER + rows_of(words))] == words
    carlib.write_csv(carlib.load_index(folder), tmp_path / "photos.csv")
    assert list(carlib.read_csv(tmp_path / "photos.csv").damage_class) == words


def test_a28_a_class_may_be_a_path_or_a_formula_but_has_one_line(folder, tmp_path):
    """A class may be a/b or =cmd(), which no spreadsheet runs; no line end is in it."""
    words = ["../../x", "=cmd|' /C calc'!A0", "a/b", "@SUM(A1)"]
    assert [row[1] for row in load(folder, HEADER + rows_of(words))] == words
    carlib.write_csv(carlib.load_index(folder), tmp_path / "photos.csv")
    written = (tmp_path / "photos.csv").read_text("utf-8")
    assert ",'=cmd|" in written and ",'@SUM" in written
    assert list(carlib.read_csv(tmp_path / "photos.csv").damage_class) == words
    for odd in ("a\nb", "a\rb", "a\tb", "a\x1b[31mb"):
        (found,) = problems(folder, f'image/1.jpeg,"{odd}",T\n')
        assert "control character or a line end" in found and odd not in found


def test_a29_a_hundred_thousand_rows_are_read_and_an_endless_field_is_not(folder):
    """An index of 100,000 rows is read; a field beyond all measure is an error."""
    rows = "image/1.jpeg,a,T\nimage/2.jpeg,b,T\n" * 50_000
    assert [row[1] for row in load(folder, HEADER + rows)] == ["a", "b"]
    found = problems(folder, f"image/1.jpeg,a,T\nimage/2.jpeg,{'x' * 200_000},T\n")
    assert found[0].startswith("line 3: field larger than") and len(found[0]) < 200


@ON_UNIX
@pytest.mark.parametrize(
    "kind",
    [
        *("folder", "fifo", "dangling", "circle", "secret", "device"),
        pytest.param(
            "unreadable", marks=pytest.mark.skipif(BY_ROOT, reason="root reads all")
        ),
    ],
)
def test_a30_an_index_that_is_no_file_of_the_folder_is_refused(folder, tmp_path, kind):
    """A folder, a FIFO or a link out of the folder is no index, and is never shown."""
    index, secret = folder / "index.csv", tmp_path / "secret"
    secret.write_text("top-secret-token=abc123\n", encoding="utf-8")
    {
        "folder": index.mkdir,
        "fifo": lambda: os.mkfifo(index),
        "dangling": lambda: index.symlink_to("nowhere.csv"),
        "circle": lambda: index.symlink_to("index.csv"),
        "secret": lambda: index.symlink_to(secret),
        "device": lambda: index.symlink_to("/dev/zero"),
        "unreadable": lambda: index.touch(0),
    }[kind]()
    said = refusal(folder)
    assert "index.csv" in said and "token" not in said
