"""The index is read as people write it, and all that is wrong with it is named."""

import csv
import io
import os
import shutil
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.archives import unzip
from carlib.data.index import RESERVED
from carlib.data.locate import locate_data
from carlib.data.table import about, content_hashes, held_out, load_index, split
from carlib.errors import DataError, OptionError

HEADER = "image,class,subset\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with photos image/1.jpeg to image/9.jpeg, and no index yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "image").mkdir(parents=True)
    for number in range(1, 10):
        (tmp_path / f"photos/image/{number}.jpeg").write_bytes(bytes([number]))
    return Path("photos")


def write(folder: Path, text: str | bytes) -> Path:
    data = text.encode("utf-8") if isinstance(text, str) else text
    (folder / "index.csv").write_bytes(data)
    return folder


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


PLAIN = HEADER + "image/1.jpeg,door_dent,T\nimage/2.jpeg,unknown,V\n"
ROWS = [("image/1.jpeg", "door_dent", "T"), ("image/2.jpeg", "unknown", "V")]


def test_the_workshops_layout_becomes_a_table_of_strings(folder):
    table = load_index(write(folder, PLAIN))
    assert list(table.image_path) == ["photos/image/1.jpeg", "photos/image/2.jpeg"]
    assert all(Path(path).exists() for path in table.image_path)
    assert (table.dtypes == "str").all()
    assert list(table.index) == [0, 1]


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
    text = f'{HEADER}image/1.jpeg,"dent, ""big"" or\nsmall",T\nimage/2.jpeg,b,X\n'
    assert problems(folder, text) == ["line 4: subset is 'X', not T or V"]
    assert load(folder, text.replace("X", "V"))[0][1] == 'dent, "big" or\nsmall'


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)
        .map(lambda text: unicodedata.normalize("NFC", text.strip()))
        .filter(lambda text: text and text not in RESERVED),
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
            "image/4.jpeg,a,test",
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
        "line 6: subset is 'test', not T or V",
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
        ("", "got none"),
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
    assert found == ["line 4: it holds a NUL character"]


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/hostname", "../photos/image/1.jpeg", "image/../../x", ".."),
        *("C:\\a.jpeg", "c:a.jpeg", "..\\a.jpeg", "\\\\server\\a.jpeg", "//server/a"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(folder, name):
    found = problems(folder, f"{HEADER}{name},a,T\n")
    assert found == [f"line 2: {name} leads out of the data folder"]


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


def test_what_is_no_folder_of_data_is_an_error(folder, tmp_path):
    with pytest.raises(DataError, match="There is no folder nowhere"):
        load_index("nowhere")
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match="a file; expected a folder(.|\n)*locate_data"):
        load_index(tmp_path / "a.zip")
    with pytest.raises(DataError, match=r"neither index\.csv nor two .* but image\."):
        load_index(folder)
    (folder / "index.csv").mkdir()
    with pytest.raises(DataError, match="folder or a device"):
        load_index(folder)


def test_an_index_of_a_hundred_thousand_rows_is_read_in_seconds(folder):
    for number in range(10, 1010):
        (folder / f"image/{number}.jpeg").touch()
    rows = [f"image/{i % 1000 + 10}.jpeg,class {i % 7 % 1},T\n" for i in range(100_000)]
    assert len(load(folder, HEADER + "".join(rows))) == 1000


# A folder with one sub-folder a class


def class_folders(root: Path, photos: dict[str, bytes]) -> Path:
    for name, content in photos.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def subsets(folder: Path) -> dict[str, str]:
    table = load_index(folder)
    return {
        Path(p).name: s for p, s in zip(table.image_path, table.subset, strict=True)
    }


def many(label: str, count: int) -> dict[str, bytes]:
    return {f"{label}/{label}{i}.jpg": f"{label}{i}".encode() for i in range(count)}


def test_sub_folders_are_classes_and_what_is_hidden_or_no_photo_stays_out(tmp_path):
    photos = {"b/1.JPG": b"1", "b/2.png": b"2", "a b/3.jpeg": b"3", "a b/4.webp": b"4"}
    junk = [
        "__MACOSX/5.jpg",
        ".git/6.jpg",
        "b/.7.jpg",
        "b/notes.txt",
        "8.jpg",
        "c/d/9.jpg",
    ]
    table = load_index(class_folders(tmp_path, photos | dict.fromkeys(junk, b"junk")))
    assert list(table.damage_class) == ["a b", "a b", "b", "b"]
    assert [Path(p).name for p in table.image_path] == [
        *("3.jpeg", "4.webp", "1.JPG", "2.png")
    ]
    assert (table.dtypes == "str").all()


def test_of_each_class_a_fifth_is_for_validation(tmp_path):
    table = load_index(class_folders(tmp_path, many("a", 500) | many("b", 40)))
    share = (table.subset == "V").groupby(table.damage_class).mean()
    assert 0.15 < share["a"] < 0.25
    assert 0 < share["b"] < 0.5


def test_photos_stay_in_their_subset_when_others_are_added_or_names_change(tmp_path):
    first = class_folders(tmp_path / "1", many("a", 60) | many("b", 60))
    second = class_folders(tmp_path / "2", many("a", 300) | many("b", 60))
    before, after = subsets(first), subsets(second)
    assert [name for name in before if before[name] != after[name]] == []
    renamed = {
        f"x/{i}.jpg": content for i, content in enumerate(many("a", 60).values())
    }
    third = class_folders(tmp_path / "3", renamed | many("b", 60))
    assert list(subsets(third).values()).count("V") == list(before.values()).count("V")


@pytest.mark.parametrize("count", range(2, 12))
def test_every_class_of_two_or_more_has_a_photo_on_either_side(tmp_path, count):
    table = load_index(class_folders(tmp_path, many("a", count) | many("b", count)))
    assert set(zip(table.damage_class, table.subset, strict=True)) == {
        *(("a", "T"), ("a", "V"), ("b", "T"), ("b", "V"))
    }


def test_copies_stay_on_one_side_and_a_single_photo_is_trained_on(tmp_path):
    copies = {f"a/{i}.jpg": bytes([i // 5]) for i in range(50)} | {"b/b.jpg": b"b"}
    table = load_index(
        class_folders(tmp_path, copies | {"c/1.jpg": b"", "c/2.jpg": b""})
    )
    table["content"] = content_hashes(table)
    assert (table.groupby(["damage_class", "content"]).subset.nunique() == 1).all()
    assert set(table.subset[table.damage_class != "a"]) == {"T"}


def test_one_sub_folder_alone_is_not_data(tmp_path):
    class_folders(tmp_path, many("a", 3) | {"b/notes.txt": b""})
    with pytest.raises(DataError, match="nor two sub-folders with photos, but a, b"):
        load_index(tmp_path)


def test_a_link_out_of_a_class_folder_is_an_error(tmp_path):
    root = class_folders(tmp_path / "root", many("a", 2) | many("b", 2))
    (tmp_path / "secret.jpg").touch()
    (root / "b" / "x.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(DataError, match=r"b/x\.jpg leads out"):
        load_index(root)


def test_class_folders_have_the_names_that_classes_may_have(tmp_path):
    class_folders(tmp_path, many("score", 2) | many("b", 2))
    with pytest.raises(DataError, match="no class may be called score"):
        load_index(tmp_path)


# Splits


def table_of(tmp_path: Path, counts: dict[str, int]) -> pd.DataFrame:
    rows = []
    for label, count in counts.items():
        for name, content in many(label, count).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            rows.append((str(path), label, "T"))
    return pd.DataFrame(rows, columns=["image_path", "damage_class", "subset"])


def test_the_subset_column_splits_the_photos(folder):
    text = f"{PLAIN}image/3.jpeg,unknown,T\n"
    train, validation = split(load_index(write(folder, text)))
    assert list(train.damage_class) == ["door_dent", "unknown"]
    assert list(validation.image_path) == ["photos/image/2.jpeg"]
    assert list(train.index) == [0, 1] and list(validation.index) == [0]


def test_without_validation_photos_the_second_table_is_empty():
    photos = pd.DataFrame({"subset": ["T", "T"], "damage_class": ["a", "b"]})
    train, validation = split(photos)
    assert len(train) == 2 and len(validation) == 0
    assert list(validation.columns) == list(photos.columns)


@pytest.mark.parametrize("subset", [["V"], ["T", "x"], []])
def test_a_split_without_t_or_with_other_subsets_is_an_error(subset):
    with pytest.raises(DataError, match="Expected the subsets T and V"):
        split(pd.DataFrame({"subset": pd.Series(subset, dtype="str")}))
    with pytest.raises(DataError, match="Expected a column subset; got a"):
        split(pd.DataFrame({"a": [1]}))


def stratified_split(
    photos: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The photos that stay, and those that are held out."""
    out = held_out(content_hashes(photos), photos.damage_class, fraction, seed)
    return photos[~out].reset_index(drop=True), photos[out].reset_index(drop=True)


def test_a_stratified_split_takes_the_same_share_of_every_class(tmp_path):
    photos = table_of(tmp_path, {"a": 50, "b": 10, "c": 2, "d": 1})
    rest, taken = stratified_split(photos, 0.1, seed=0)
    assert taken.damage_class.value_counts().to_dict() == {"a": 5, "b": 1, "c": 1}
    assert sorted([*rest.image_path, *taken.image_path]) == sorted(photos.image_path)
    assert list(rest.index) == list(range(len(rest)))
    assert set(rest.damage_class) == set("abcd")


def test_a_stratified_split_depends_on_content_and_seed_alone(tmp_path):
    photos = table_of(tmp_path, {"a": 40, "b": 30})

    def taken(table: pd.DataFrame, seed: int = 0) -> set[str]:
        return set(content_hashes(stratified_split(table, 0.2, seed)[1]))

    shuffled = photos.sample(frac=1, random_state=3)
    assert taken(photos) == taken(shuffled)
    for number, path in enumerate(photos.image_path):
        Path(path).rename(tmp_path / f"{number}.jpg")
    moved = photos.assign(image_path=[str(tmp_path / f"{i}.jpg") for i in range(70)])
    assert taken(moved) == taken(moved) != taken(moved, seed=1)


def test_the_order_of_the_rows_is_kept_by_a_stratified_split(tmp_path):
    photos = table_of(tmp_path, {"a": 20, "b": 20}).sample(frac=1, random_state=0)
    for part in stratified_split(photos, 0.3, seed=0):
        places = [list(photos.image_path).index(path) for path in part.image_path]
        assert places == sorted(places)


def test_a_stratified_split_keeps_copies_together(tmp_path):
    photos = table_of(tmp_path, {"a": 30, "b": 3})
    for number, path in enumerate(photos.image_path[:30]):
        Path(path).write_bytes(bytes([number // 3]))
    for path in photos.image_path[30:]:
        Path(path).write_bytes(b"all the same")
    rest, taken = stratified_split(photos, 0.5, seed=0)
    assert not set(content_hashes(rest)) & set(content_hashes(taken))
    assert set(taken.damage_class) == {"a"}


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(fraction):
    with pytest.raises(OptionError, match="above 0 and below 1"):
        held_out([], [], fraction, seed=0)


def test_photos_that_are_gone_are_all_named(tmp_path):
    photos = table_of(tmp_path, {"a": 3})
    for path in photos.image_path[:2]:
        Path(path).unlink()
    with pytest.raises(DataError, match="2 photos can't be read") as caught:
        content_hashes(photos)
    assert len(caught.value.problems) == 2


def test_the_real_photos_are_those_of_the_workshop(real_photos, tmp_path):
    unzip(real_photos, tmp_path / "photos")
    photos = load_index(tmp_path / "photos")
    assert photos.subset.value_counts().to_dict() == {"T": 1030, "V": 180}
    assert photos.damage_class.nunique() == 8
    with zipfile.ZipFile(real_photos) as archive:
        lines = archive.read("index.csv").decode("utf-8").split("\r\n")[1:]
    listed = [tuple(line.split(",")) for line in lines if line]
    names = [
        Path(p).relative_to(tmp_path / "photos").as_posix() for p in photos.image_path
    ]
    assert list(zip(names, photos.damage_class, photos.subset, strict=True)) == listed
    rest, taken = stratified_split(split(photos)[0], 0.1, seed=0)
    shares = (
        taken.damage_class.value_counts() / split(photos)[0].damage_class.value_counts()
    )
    np.testing.assert_allclose(shares, 0.1, atol=0.02)
    assert len(rest) + len(taken) == 1030


def test_the_sample_is_in_order(sample):
    if not (sample / "index.csv").exists():
        pytest.skip("the sample is not drawn yet")
    photos = load_index(sample)
    counts = photos.groupby(["damage_class", "subset"]).size().unstack()
    assert (counts["T"] == 20).all() and (counts["V"] == 5).all() and len(counts) == 8


def test_the_drawn_sample_is_noted_as_such_wherever_it_lies(sample, folder):
    assert "drawn sample" in about(load_index(sample))[0]
    shutil.copytree(sample, "cars")
    index = Path("cars/index.csv")
    index.write_bytes(b"\r\n".join(index.read_bytes().splitlines()) + b"\r\n")
    assert "drawn sample" in about(load_index("cars"))[0]
    shutil.make_archive("cars", "zip", "cars")
    assert "drawn sample" in about(load_index(locate_data("cars.zip")))[0]


def test_photos_of_ones_own_are_not_noted_wherever_they_lie(folder):
    folder.rename("sample")
    Path("data").mkdir()
    Path("sample").rename("data/sample")
    assert about(load_index(write(Path("data/sample"), PLAIN))) == []


@pytest.mark.parametrize(
    "path", ["/a.jpg", "a.jpg", "gone/image/a.jpg", "a\0b/c/d.jpg"]
)
def test_photos_whose_folder_cannot_be_read_are_not_noted(folder, path):
    assert about(pd.DataFrame({"image_path": [path]})) == []


@pytest.mark.parametrize("index", [b"\xff\xfe", None])
def test_photos_whose_index_cannot_be_read_are_not_noted(folder, index):
    if index is None:
        (folder / "index.csv").mkdir()
    else:
        write(folder, index)
    assert about(pd.DataFrame({"image_path": [str(folder / "image/1.jpeg")]})) == []
