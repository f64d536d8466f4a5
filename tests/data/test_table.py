"""The index is read as people write it, and all that is wrong with it is named."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carlib.archives import unzip
from carlib.data.contents import content_hashes, held_out
from carlib.data.locate import locate_data
from carlib.data.table import about, load_index, split
from carlib.errors import DataError, OptionError
from tests.data.written import PLAIN, put, write


def test_the_workshops_layout_becomes_a_table_of_strings(folder):
    table = load_index(write(folder, PLAIN))
    assert list(table.image_path) == ["photos/image/1.jpeg", "photos/image/2.jpeg"]
    assert all(Path(path).exists() for path in table.image_path)
    assert (table.dtypes == "str").all()
    assert list(table.index) == [0, 1]


def test_what_is_no_folder_of_data_is_an_error(folder, tmp_path):
    with pytest.raises(DataError, match="There is no folder nowhere"):
        load_index("nowhere")
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match="Expected a folder(.|\n)*locate_data"):
        load_index(tmp_path / "a.zip")
    with pytest.raises(DataError, match=r"neither index\.csv nor two .* but image\."):
        load_index(folder)
    (folder / "index.csv").mkdir()
    with pytest.raises(DataError, match="folder or a device"):
        load_index(folder)


# A folder with one sub-folder a class


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
    ]
    table = load_index(put(tmp_path, photos | dict.fromkeys(junk, b"junk")))
    assert list(table.damage_class) == ["a b", "a b", "b", "b"]
    assert [Path(p).name for p in table.image_path] == [
        *("3.jpeg", "4.webp", "1.JPG", "2.png")
    ]
    assert (table.dtypes == "str").all()


def test_of_each_class_a_fifth_is_for_validation(tmp_path):
    table = load_index(put(tmp_path, many("a", 500) | many("b", 40)))
    share = (table.subset == "V").groupby(table.damage_class).mean()
    assert 0.15 < share["a"] < 0.25
    assert 0 < share["b"] < 0.5


def test_photos_stay_in_their_subset_when_others_are_added_or_names_change(tmp_path):
    first = put(tmp_path / "1", many("a", 60) | many("b", 60))
    second = put(tmp_path / "2", many("a", 300) | many("b", 60))
    before, after = subsets(first), subsets(second)
    assert [name for name in before if before[name] != after[name]] == []
    renamed = {
        f"x/{i}.jpg": content for i, content in enumerate(many("a", 60).values())
    }
    third = put(tmp_path / "3", renamed | many("b", 60))
    assert list(subsets(third).values()).count("V") == list(before.values()).count("V")


@pytest.mark.parametrize("count", range(2, 12))
def test_every_class_of_two_or_more_has_a_photo_on_either_side(tmp_path, count):
    table = load_index(put(tmp_path, many("a", count) | many("b", count)))
    assert set(zip(table.damage_class, table.subset, strict=True)) == {
        *(("a", "T"), ("a", "V"), ("b", "T"), ("b", "V"))
    }


def test_copies_stay_on_one_side_and_a_single_photo_is_trained_on(tmp_path):
    copies = {f"a/{i}.jpg": bytes([i // 5]) for i in range(50)} | {"b/b.jpg": b"b"}
    table = load_index(put(tmp_path, copies | {"c/1.jpg": b"", "c/2.jpg": b""}))
    table["content"] = content_hashes(table)
    assert (table.groupby(["damage_class", "content"]).subset.nunique() == 1).all()
    assert set(table.subset[table.damage_class != "a"]) == {"T"}


def test_one_sub_folder_alone_is_not_data(tmp_path):
    put(tmp_path, many("a", 3) | {"b/notes.txt": b""})
    with pytest.raises(DataError, match="nor two sub-folders with photos, but a, b"):
        load_index(tmp_path)


def test_a_link_out_of_a_class_folder_is_an_error(tmp_path):
    root = put(tmp_path / "root", many("a", 2) | many("b", 2))
    (tmp_path / "secret.jpg").touch()
    (root / "b" / "x.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(DataError, match=r"b/x\.jpg leads out"):
        load_index(root)


def test_class_folders_have_the_names_that_classes_may_have(tmp_path):
    put(tmp_path, many("score", 2) | many("b", 2))
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
    with pytest.raises(DataError, match="Expected a column subset. Received: a"):
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
    with pytest.raises(OptionError, match="above 0 and below 1. Received"):
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
