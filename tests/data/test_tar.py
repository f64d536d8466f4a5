"""Photos in tars, and tars as data."""

import gzip
import io
import tarfile
import threading

import fsspec
import pytest

from carlib.data import tar_table, tars
from carlib.data.contents import content_hashes
from carlib.data.locate import locate_data
from carlib.data.photos import read_ahead
from carlib.data.sources import as_sources
from carlib.data.table import load_index
from carlib.errors import ArchiveError, DataError, ImageError
from tests.tiny import Tiny, draw_photos, extract

FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def made(path, files, **options):
    """A tar of files, in their order; values are bytes, or a TarInfo of something."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as archive:
        for name, content in files:
            info = content if isinstance(content, tarfile.TarInfo) else None
            if info is None:
                info = tarfile.TarInfo(name)
                info.size = len(content)
            archive.addfile(info, io.BytesIO(b"" if info is content else content))
    return path


def member(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


def shard(path, labels, first=0, **options):
    """A tar as webdataset writes it: a photo and its class, sample by sample."""
    photos = draw_photos(path.parent / "drawn", len(labels), first)[-len(labels) :]
    files = []
    for number, (photo, label) in enumerate(zip(photos, labels, strict=True), first):
        files += [(f"{number:05}.png", photo.read_bytes())]
        files += [(f"{number:05}.cls", label.encode())]
    for drawn in photos:
        drawn.unlink()
    photos[0].parent.rmdir()
    return made(path, files, **options)


@pytest.mark.parametrize("form", FORMS)
def test_every_member_is_found_where_tarfile_finds_it(tmp_path, form):
    names = ["1.jpeg", "./in/2.jpeg", f"{'d' * 90}/{'n' * 90}.jpeg"]
    names += ["Türe.jpeg", "n" * 150 + ".jpeg"] if form != tarfile.USTAR_FORMAT else []
    files = [(name, name.encode() * 99) for name in names]
    path = made(tmp_path / "a.tar", files, format=form)
    table = tars.table_of(str(path))
    with tarfile.open(path) as archive:
        for info in archive:
            place = table.members[info.name.removeprefix("./")]
            assert place == (info.offset_data, info.size)
    assert len(table.members) == len(names)
    for name, content in files:
        assert tars.read_member(f"{path}/{name.removeprefix('./')}") == content


def test_a_photo_in_a_tar_has_the_feature_of_the_file_and_is_computed_once(tmp_path):
    (photo,) = draw_photos(tmp_path, 1)
    content = photo.read_bytes()
    path = made(tmp_path / "a.tar", [("x/1.png", content)])
    photos = [photo, content, f"{path}/x/1.png"]
    features = extract(as_sources(photos), [Tiny()], tmp_path / "w", progress=False)
    assert features.n_computed == 1
    rows = features.of_photos()
    assert (rows == rows[0]).all()
    assert not as_sources(photos)[2].is_file


def test_a_tar_in_a_store_is_read_by_parts(tmp_path):
    files = [(f"{n}.jpeg", bytes([n]) * 50_000) for n in range(9)]
    path = made(tmp_path / "a.tar", files)
    store = fsspec.filesystem("memory")
    store.pipe_file("/t/a.tar", path.read_bytes())
    for name, content in files:
        assert tars.read_member(f"memory://t/a.tar/{name}") == content
    with pytest.raises(ImageError, match=r"memory://t/a.tar/no.jpeg does not exist"):
        tars.read_member("memory://t/a.tar/no.jpeg")


def test_a_folder_that_is_called_like_a_tar_is_a_folder(tmp_path):
    (photo,) = draw_photos(tmp_path / "a.tar", 1)
    assert tars.read_member(str(photo)) == photo.read_bytes()
    inner = made(tmp_path / "a.tar" / "b.tar", [("1.png", b"inner")])
    assert tars.read_member(f"{inner}/1.png") == b"inner"


def test_a_tar_that_has_changed_is_looked_at_again(tmp_path):
    path = made(tmp_path / "a.tar", [("1.jpeg", b"one")])
    assert tars.read_member(f"{path}/1.jpeg") == b"one"
    made(path, [("0.jpeg", b"x" * 9), ("1.jpeg", b"another")])
    assert tars.read_member(f"{path}/1.jpeg") == b"another"


def test_many_threads_read_a_tar_s_headers_once(tmp_path, monkeypatch):
    path = made(tmp_path / "a.tar", [(f"{n}.jpeg", b"x") for n in range(99)])
    scanned, table_in = [], tar_table.table_in
    monkeypatch.setattr(tars, "table_in", lambda *a: scanned.append(1) or table_in(*a))
    readers = [
        threading.Thread(target=tars.read_member, args=(f"{path}/{n}.jpeg",))
        for n in range(20)
    ]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert len(scanned) == 1


def test_places_of_the_tars_used_last_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "KEPT", 4)
    tars._kept.clear()
    paths = [
        made(tmp_path / f"{a}.tar", [("1.png", b"x"), ("2.png", b"y")]) for a in "abc"
    ]
    for path in [*paths[:2], paths[0], paths[2]]:
        tars.read_member(f"{path}/1.png")
    assert [key[0] for key in tars._kept] == [str(paths[0]), str(paths[2])]


def test_members_beside_photos_take_no_place(tmp_path):
    path = shard(tmp_path / "a.tar", "ab")
    tars._kept.clear()
    tars.read_member(f"{path}/00000.png")
    assert [len(places.names) for places in tars._kept.values()] == [2]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda data: data[:1500],
            "cut off or damaged after 1 files: its end",
        ),  # in a header
        (lambda data: data[:1600], "after 2 files: unexpected end"),  # in a member
        (lambda data: data[:2048], "after 2 files"),  # between two members
        (lambda data: data[:1024] + b"?" + data[1025:], "after 1 files"),
        (lambda data: data[:1], "cut off or damaged"),
        (lambda data: b"", "cut off or damaged"),
        (lambda data: b"\xff\xd8\xff" * 999, "cut off or damaged"),
        (gzip.compress, "packed by gzip"),
    ],
)
def test_a_damaged_tar_is_told_with_the_place_of_its_damage(tmp_path, damage, says):
    files = [(f"{n}.png", bytes([n]) * 300) for n in range(3)]
    path = made(tmp_path / "a.tar", files)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArchiveError, match=says):
        tars.table_of(str(path))
    with pytest.raises(ArchiveError, match=says):
        load_index(path)
    (photo,) = read_ahead(as_sources([f"{path}/0.png"]), [0], [], lambda _: [])
    assert photo.error.startswith(f"{path}/0.png can't be read: {path} is ")


def test_all_that_is_refused_in_a_tar_is_named_at_once(tmp_path):
    names = [
        "/etc/1.jpeg",
        "../2.jpeg",
        "a\nb.jpeg",
        "3.jpeg",
        "3.jpeg",
        "in/../../4.jpeg",
    ]
    path = made(tmp_path / "a.tar", [(name, b"x") for name in names])
    with pytest.raises(ArchiveError) as caught:
        tars.table_of(str(path))
    assert caught.value.problems == [
        "'/etc/1.jpeg' is an absolute path",
        "'../2.jpeg' leads out of the tar",
        "'a\\nb.jpeg' is not a usable name",
        "'3.jpeg' is there twice",
        "'in/../../4.jpeg' leads out of the tar",
    ]


def test_links_and_devices_are_left_out_and_said(tmp_path, capsys):
    link = member("2.jpeg", tarfile.SYMTYPE)
    link.linkname = "/etc/passwd"
    files = [("1.jpeg", b"x"), ("", link), ("", member("3.jpeg", tarfile.FIFOTYPE))]
    path = made(tmp_path / "a.tar", files)
    assert [each.name for each in as_sources(path)] == [f"{path}/1.jpeg"]
    said = capsys.readouterr().out
    assert "1 link" in said and "1 device" in said
    with pytest.raises(ImageError, match=r"a.tar/2.jpeg does not exist"):
        tars.read_member(f"{path}/2.jpeg")


def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path):
    info = tarfile.TarInfo("1.jpeg")
    info.pax_headers = {"comment": "x" * 2**21}
    path = made(tmp_path / "a.tar", [("", info)], format=tarfile.PAX_FORMAT)
    with pytest.raises(ArchiveError, match="a header of 2,097,"):
        tars.table_of(str(path))


def test_a_chain_of_headers_without_end_is_damage(tmp_path):
    header = member("x", tarfile.XHDTYPE).tobuf(tarfile.USTAR_FORMAT)
    (tmp_path / "a.tar").write_bytes(header * 5000)
    with pytest.raises(ArchiveError, match="cut off or damaged"):
        tars.table_of(str(tmp_path / "a.tar"))


def test_a_member_of_negative_size_is_damage(tmp_path):
    info = tarfile.TarInfo("1.jpeg")
    info.pax_headers = {"size": "-2048"}
    path = made(tmp_path / "a.tar", [("", info)], format=tarfile.PAX_FORMAT)
    with pytest.raises(ArchiveError, match="cut off or damaged"):
        tars.table_of(str(path))


def test_a_member_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "MAX_BYTES", 100)
    path = made(tmp_path / "a.tar", [("1.jpeg", bytes(101)), ("2.jpeg", bytes(100))])
    with pytest.raises(ImageError, match="is too large: 101 bytes"):
        tars.read_member(f"{path}/1.jpeg")
    assert len(tars.read_member(f"{path}/2.jpeg")) == 100


def test_shards_are_data_one_a_folder_of_them_or_a_pattern(tmp_path, capsys):
    folder = tmp_path / "shards"
    for number in range(3):
        shard(folder / f"s-{number:02}.tar", "aab", first=3 * number)
    (folder / "s-00.json").write_text("{}")
    table = load_index(locate_data(folder))
    assert list(table.image_path[:2]) == [
        f"{folder}/s-00.tar/00000.png",
        f"{folder}/s-00.tar/00001.png",
    ]
    assert list(table.damage_class) == list("aab") * 3
    assert set(table.subset) == {"T"}
    assert load_index(locate_data(folder / "s-{00..02}.tar")).equals(table)
    part = load_index(folder / "s-{01..02}.tar")
    assert part.equals(table[3:].reset_index(drop=True))
    alone = load_index(locate_data(folder / "s-01.tar"))
    assert alone.equals(table[3:6].reset_index(drop=True))
    assert "No photos are in V" in capsys.readouterr().out


def test_a_pattern_s_tars_that_are_not_there_are_all_named(tmp_path):
    shard(tmp_path / "1.tar", "ab")
    with pytest.raises(ArchiveError) as caught:
        load_index(tmp_path / "{1..3}.tar")
    there_are_no = [f"{tmp_path}/{n}.tar does not exist." for n in (2, 3)]
    assert caught.value.problems == there_are_no
    with pytest.raises(DataError, match="Expected a range such as"):
        load_index(tmp_path / "{3..1}.tar")
    with pytest.raises(DataError, match="Expected a range such as"):
        load_index(tmp_path / "{0..99999999}.tar")


def test_a_photo_has_one_row_for_each_tar_that_holds_its_name(tmp_path):
    for name in ("x", "y"):
        shard(tmp_path / name / "000.tar", "ab")
    made(tmp_path / "train" / "0.tar", [("1.png", b"1"), ("1.cls", b"a")])
    made(tmp_path / "val" / "0.tar", [("1.png", b"2"), ("1.cls", b"b")])
    table = load_index(tmp_path / "x" / "000.tar")
    assert len(table) == 2
    for each in ("x", "y"):
        for path in (tmp_path / each).iterdir():
            path.unlink()
        (tmp_path / each).rmdir()
    table = load_index(tmp_path)
    assert list(table.subset) == ["T", "V"]
    assert list(table.image_path) == [
        f"{tmp_path}/{part}/0.tar/1.png" for part in ("train", "val")
    ]


@pytest.mark.parametrize(
    ("beside", "label", "subset"),
    [
        ({"cls": b"dent\n"}, "dent", "T"),
        ({"txt": b"dent"}, "dent", "T"),
        ({"json": b'{"label": "dent", "subset": "V"}'}, "dent", "V"),
        ({"json": b'{"damage_class": "dent", "split": "val"}'}, "dent", "V"),
        ({"json": b'{"class": 7}'}, "7", "T"),
        ({"json": b'{"label": "no"}', "cls": b"dent", "txt": b"no"}, "dent", "T"),
        ({"json": b'{"width": 9}', "txt": b"dent"}, "dent", "T"),
    ],
)
def test_a_sample_s_class_and_subset_are_found_beside_it(
    tmp_path, beside, label, subset
):
    files = [("1.jpg", b"x"), *((f"1.{kind}", data) for kind, data in beside.items())]
    files += [("2.jpg", b"y"), ("2.cls", b"other"), ("2.notes.txt", b"not its class")]
    table = load_index(made(tmp_path / "a.tar", files))
    assert list(table.iloc[0]) == [f"{tmp_path}/a.tar/1.jpg", label, subset]


def test_numbers_are_named_by_the_file_of_classes(tmp_path):
    path = made(
        tmp_path / "a.tar",
        [("1.jpg", b"x"), ("1.cls", b"1"), ("2.jpg", b"y"), ("2.cls", b"0")],
    )
    (tmp_path / "classes.txt").write_text("dent\nscratch\n")
    assert list(load_index(path).damage_class) == ["scratch", "dent"]
    (tmp_path / "classes.txt").write_text("dent\n")
    with pytest.raises(DataError) as caught:
        load_index(path)
    assert caught.value.problems == ["1.jpg: class 1 isn't in classes.txt, of 1"]


@pytest.mark.parametrize(
    ("tar", "folder", "subset"),
    [
        ("a.tar", "T/", "T"),
        ("a.tar", "V/", "V"),
        ("a.tar", "val/", "V"),
        ("photos-val-000.tar", "", "V"),
        ("photos-train-000.tar", "val/", "V"),
        ("v.tar", "", "T"),
    ],
)
def test_a_sample_s_subset_is_its_folder_s_or_its_tar_s(tmp_path, tar, folder, subset):
    files = [(f"{folder}1.jpg", b"x"), (f"{folder}1.cls", b"a")]
    assert list(load_index(made(tmp_path / tar, files)).subset) == [subset]


def test_all_samples_that_are_wrong_are_named_at_once(tmp_path):
    bad = {"1": ("json", b"{"), "2": ("json", b'{"label": [1]}')}
    bad |= {"3": ("cls", b"\xff"), "4": ("json", b'{"label": "a", "subset": "x"}')}
    files = [("0.jpg", b"x"), ("0.cls", b"a"), ("5.jpg", b"y")]
    for name, (kind, data) in bad.items():
        files += [(f"{name}.jpg", name.encode()), (f"{name}.{kind}", data)]
    with pytest.raises(DataError) as caught:
        load_index(made(tmp_path / "a.tar", files))
    said = dict(line.split(": ", 1) for line in caught.value.problems)
    assert sorted(said) == [f"{n}.jpg" for n in range(1, 6)]
    assert said["1.jpg"].startswith("its JSON can't be read")
    assert said["2.jpg"].startswith("it has no class")
    assert said["3.jpg"] == "the file of its class is not UTF-8"
    assert said["4.jpg"] == "subset is 'x', not T or V"


def test_a_tar_of_a_data_folder_is_read_as_the_folder(tmp_path, sample):
    path = tmp_path / "sample.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(sample, ".")
    there, here = load_index(path), load_index(sample)
    assert there.iloc[:, 1:].equals(here.iloc[:, 1:])
    assert content_hashes(there) == content_hashes(here)


def names_in(table):
    return ["/".join(path.split("/")[-2:]) for path in table.image_path]


def test_a_tar_of_class_folders_is_read_as_the_folders(tmp_path):
    for number, label in enumerate("ab"):
        draw_photos(tmp_path / "photos" / label, 6, first=10 * number)
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(tmp_path / "photos", "")
    there, here = load_index(tmp_path / "photos.tar"), load_index(tmp_path / "photos")
    assert sorted(there.iloc[:, 1:].itertuples()) == sorted(
        here.iloc[:, 1:].itertuples()
    )


def test_copies_in_tars_are_told(tmp_path, capsys):
    files = [("1.jpg", b"same"), ("1.cls", b"a"), ("2.jpg", b"same"), ("2.cls", b"b")]
    load_index(made(tmp_path / "a.tar", files))
    assert "under several labels" in capsys.readouterr().out


def test_a_tar_without_photos_is_said_to_hold_none(tmp_path):
    path = made(tmp_path / "a.tar", [("a.txt", b"x")])
    with pytest.raises(DataError, match="holds neither index.csv nor"):
        load_index(path)
    with pytest.raises(ImageError, match=r"No photos in .*a\.tar"):
        as_sources(path)
