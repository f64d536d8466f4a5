"""`index.csv`, however it was saved, and everything that can be wrong with it."""

import csv
import io
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.data.labels import label_fault
from carlib.data.table import load_index
from carlib.errors import DataError
from tests.data.written import HEADER, PLAIN, write


def load(folder: Path, text: str | bytes) -> list[tuple[str, ...]]:
    """Return the rows that an index gives, without the folder in front of the paths."""
    table = load_index(write(folder, text))
    assert list(table.columns) == ["image_path", "damage_class", "subset"]
    prefix = f"{folder.as_posix()}/"
    rows = table.itertuples(index=False, name=None)
    return [(path.removeprefix(prefix), *rest) for path, *rest in rows]


def problems(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_index(write(folder, text))
    return caught.value.problems


ROWS = [("image/1.jpeg", "door_dent", "T"), ("image/2.jpeg", "unknown", "V")]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip(),
        PLAIN + "\n  \n,,\n\r\n",
        PLAIN.replace("\n", "\n\n"),
        PLAIN.replace("image/", "image\\"),
        PLAIN.replace("image/", "./image//"),
        PLAIN.replace("image/", "image/../image/"),
        PLAIN.replace(",", " , ").replace("\n", " \n "),
        '"image", "class","subset"\n"image/1.jpeg", "door_dent", T\n'
        'image/2.jpeg," unknown ","V"\n',
        PLAIN.replace("image,class,subset", " Image ,CLASS,Subset"),
        PLAIN.replace("T\n", "train\n").replace("V\n", "Validation\n"),
        PLAIN.replace("T\n", " t \n").replace("V\n", "VAL\n"),
        HEADER + PLAIN.removeprefix(HEADER).replace("T\n", "Training\n"),
        "note,subset,class,image\nx,T,door_dent,image/1.jpeg\n,V,unknown,image/2.jpeg",
    ],
)
def test_however_an_editor_saves_it_the_index_reads_alike(folder, text):
    assert load(folder, text) == ROWS


@pytest.mark.parametrize("label", ["NA", "NaN", "None", "null", "01", "1e5", "=cmd()"])
def test_a_label_stays_the_text_that_it_is(folder, label):
    assert load(folder, f"{HEADER}image/1.jpeg,{label},T\n")[0][1] == label


def test_quoted_commas_quotes_and_line_ends_belong_to_the_field(folder):
    text = f'{HEADER}"image/1.jpeg","dent, ""big""",T\nimage/2.jpeg,b,X\n'
    assert problems(folder, text) == ["line 3: subset is 'X', not T or V"]
    assert load(folder, text.replace("X", "V"))[0][1] == 'dent, "big"'
    found = problems(folder, f'{HEADER}image/1.jpeg,"a\nb",T\nimage/2.jpeg,b,X\n')
    assert found == [
        r"line 2: 'a\nb' holds a control character or a line end",
        "line 4: subset is 'X', not T or V",
    ]


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(
        st.text(
            st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1
        )
        .map(lambda text: unicodedata.normalize("NFC", text.strip()))
        .filter(lambda text: text and not label_fault(text)),
        min_size=1,
        max_size=9,
    ),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_what_pythons_csv_writes_comes_back(tmp_path_factory, labels, quoting, end):
    folder = tmp_path_factory.mktemp("round trip")
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow(["image", "class", "subset"])
    for number, label in enumerate(labels):
        (folder / f"{number}.jpeg").touch()
        writer.writerow([f"{number}.jpeg", label, "T"])
    write(folder, text.getvalue())
    try:
        assert list(load_index(folder).damage_class) == labels
    except DataError as error:
        assert "one class or several" in str(error)  # noqa: PT017


def test_everything_that_is_wrong_is_named_with_its_line_at_once(folder):
    text = HEADER + "\n".join(
        [
            "image/1.jpeg,a,T",
            "image/2.jpeg,,T",
            ",a,T",
            "image/3.jpeg,a,",
            "image/4.jpeg,a,tset",
            "image/5.jpeg,a",
            "image/6.jpeg,a,T,more",
            "image/77.jpeg,a,T",
            "../outside.jpeg,a,T",
            "# a comment",
            "image/1.jpeg,b,V",
            "image/7.jpeg,score,T",
            "image/8.jpeg,A,T",
            "image/99.jpeg,a,nope",
        ]
    )
    assert problems(folder, text) == [
        "line 2: image/1.jpeg has several classes: a (line 2), b (line 12)",
        "line 2: image/1.jpeg has several subsets: T (line 2), V (line 12)",
        "line 3: class is empty",
        "line 4: image is empty",
        "line 5: subset is empty",
        "line 6: subset is 'tset', not T or V",
        "line 7: 2 fields, where the header has 3",
        "line 8: 4 fields, where the header has 3",
        "line 9: there is no image/77.jpeg",
        "line 10: ../outside.jpeg leads out of the data folder",
        "line 11: 1 fields, where the header has 3",
        "line 13: no class may be called score",
        "line 14: one class or several? 'a' and 'A'",
        "line 15: subset is 'nope', not T or V",
        "line 15: there is no image/99.jpeg",
    ]


def test_twenty_problems_are_shown_and_all_are_kept(folder):
    text = HEADER + "".join(f"image/x{i}.jpeg,a,T\n" for i in range(1000))
    with pytest.raises(DataError) as caught:
        load_index(write(folder, text))
    assert len(caught.value.problems) == 1000
    assert "photos/index.csv: 1,000 problems." in str(caught.value).replace("\\", "/")
    assert "and 980 more" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("image,class\n", ""),
        ("image,label,subset\n", ""),
        ("image,class,class,subset\n", ""),
        ("image;class;subset\n", "commas, not by ';'"),
        ("image\tclass\tsubset\n", r"commas, not by '\\t'"),
        ("", "Received: none"),
    ],
)
def test_a_header_without_the_columns_is_an_error_that_shows_it(folder, header, hint):
    with pytest.raises(
        DataError, match="expected the columns image, class, subset"
    ) as e:
        load_index(write(folder, header))
    assert e.match(hint)


def test_a_header_whose_quotes_never_close_is_an_error(folder):
    with pytest.raises(DataError, match="the header: unexpected end of data"):
        load_index(write(folder, '"image,class,subset'))


def test_a_header_alone_is_an_error(folder):
    with pytest.raises(DataError, match="no rows below its header"):
        load_index(write(folder, HEADER + "\n ,,\n"))


def test_another_encoding_than_utf8_is_an_error_with_the_line(folder):
    with pytest.raises(DataError, match="is UTF-16(.|\n)*CSV UTF-8"):
        load_index(write(folder, PLAIN.encode("utf-16")))
    latin = PLAIN.replace("unknown", "größer").encode("latin-1")
    with pytest.raises(DataError, match="line 3: byte 0xf6 is not UTF-8"):
        load_index(write(folder, latin))


def test_quotes_that_never_close_are_an_error_with_the_line_where_they_open(folder):
    found = problems(folder, f'{PLAIN}image/3.jpeg,"a,T\nimage/4.jpeg,a,T\n')
    assert found[0].startswith("line 4: ") and "nothing after it was read" in found[0]


def test_a_field_beyond_all_measure_is_an_error(folder):
    found = problems(folder, f"{PLAIN}image/3.jpeg,{'x' * 200_000},T\n")
    assert found[0].startswith("line 4: field larger than")


def test_a_nul_is_an_error(folder):
    found = problems(folder, f"{PLAIN}image/3.jpeg,a\0b,T\n")
    assert found == [r"line 4: 'a\x00b' holds a control character or a line end"]


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/hostname", "../photos/image/1.jpeg", "image/../../x", ".."),
        *("C:\\a.jpeg", "c:a.jpeg", "..\\a.jpeg", "\\\\server\\a.jpeg", "//server/a"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(folder, name):
    (found,) = problems(folder, f"{HEADER}{name},a,T\n")
    absolute = not name.startswith((".", "image"))
    how = "is an absolute path" if absolute else "leads"
    assert found == f"line 2: {name} {how} out of the data folder"


def test_links_may_lead_about_inside_the_folder_but_not_out_of_it(folder, tmp_path):
    (tmp_path / "secret.jpeg").write_bytes(b"x")
    (tmp_path / "photos_evil").mkdir()
    (tmp_path / "photos_evil" / "1.jpeg").touch()
    image = folder / "image"
    (image / "inside.jpeg").symlink_to("1.jpeg")
    (image / "outside.jpeg").symlink_to(tmp_path / "secret.jpeg")
    (image / "dangling.jpeg").symlink_to("nowhere.jpeg")
    (image / "circle.jpeg").symlink_to("circle.jpeg")
    (folder / "away").symlink_to(tmp_path / "photos_evil")
    names = ["inside", "outside", "dangling", "circle"]
    text = HEADER + "".join(f"image/{name}.jpeg,a,T\n" for name in names)
    found = problems(folder, f"{text}away/1.jpeg,a,T\n")
    assert [line.split(": ")[0] for line in found] == [
        f"line {n}" for n in (3, 4, 5, 6)
    ]
    assert "by a link" in found[0] and "out of the data folder" in found[3]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_what_is_no_file_is_not_opened(folder):
    os.mkfifo(folder / "image" / "fifo.jpeg")
    (folder / "image" / "folder.jpeg").mkdir()
    text = f"{HEADER}image/fifo.jpeg,a,T\nimage/folder.jpeg,a,T\nimage,a,T\n"
    assert all("is not a file" in line for line in problems(folder, text))
    (folder / "index.csv").unlink()
    os.mkfifo(folder / "index.csv")
    with pytest.raises(DataError, match="folder or a device"):
        load_index(folder)


def test_a_name_in_another_case_is_told_what_was_meant(folder):
    if (folder / "image" / "1.JPEG").exists():
        pytest.skip("this disk ignores case")
    found = problems(folder, f"{HEADER}image/1.JPEG,a,T\n")
    assert found == ["line 2: there is no image/1.JPEG; did you mean image/1.jpeg?"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_the_other_unicode_form_are_found(folder, forms):
    name = "image/größer 车 🚗.jpeg"
    on_disk, in_index = (unicodedata.normalize(form, name) for form in forms)
    (folder / on_disk).write_bytes(b"x")
    assert load(folder, f"{HEADER}{in_index},a,T\n") == [(on_disk, "a", "T")]


def test_a_name_too_long_for_any_disk_is_a_missing_photo(folder):
    found = problems(folder, f"{HEADER}{'x' * 5000}/{'y' * 5000},a,T\n")
    assert found[0].startswith("line 2: there is no xxx")


def test_a_row_that_repeats_another_counts_once_and_that_is_said(folder, capsys):
    text = f"{PLAIN}.\\image\\1.jpeg,door_dent,train\n"
    assert load(folder, text) == ROWS
    assert "1 rows repeat another one" in capsys.readouterr().out


def test_photos_that_are_not_listed_are_counted(folder, capsys):
    (folder / "image" / "notes.txt").touch()
    load(folder, PLAIN)
    assert "7 photos beside the listed ones are not listed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "pair", [("door_dent", "Door_Dent"), ("a b", "a  b"), ("ß", "ss")]
)
def test_classes_that_look_the_same_are_an_error(folder, pair):
    text = f"{HEADER}image/1.jpeg,{pair[0]},T\nimage/2.jpeg,{pair[1]},T\n"
    found = problems(folder, text)
    assert found == [f"line 3: one class or several? {pair[0]!r} and {pair[1]!r}"]


def test_an_index_of_a_hundred_thousand_rows_is_read_in_seconds(folder):
    for number in range(10, 1010):
        (folder / f"image/{number}.jpeg").touch()
    rows = [f"image/{i % 1000 + 10}.jpeg,class {i % 7 % 1},T\n" for i in range(100_000)]
    assert len(load(folder, HEADER + "".join(rows))) == 1000
