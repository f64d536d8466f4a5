"""N: indexes, zips and photos that lead elsewhere, ask too much, or are left out."""

import os
import random
import socket
import stat
import struct
import time
import tracemalloc
import unicodedata
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib import archives, files
from carlib.archives import checked_zip
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.cli.predict import files_of, predictions_text
from carlib.data.images import decode, thumbnail
from carlib.data.locate import locate_data
from carlib.data.opening import read
from carlib.data.table import load_index
from carlib.errors import ArchiveError, CarlibError, DataError, ImageError, OutputError
from carlib.files import write_bytes, write_text
from tests.cli.typed import failure
from tests.data.written import HEADER, PLAIN, write
from tests.faults.made import (
    bomb,
    damaged_exif,
    data_folder,
    encoded,
    quarters,
    with_exif,
)
from tests.tiny import Tiny, draw_photos

pytestmark = pytest.mark.timeout(20)
unix = pytest.mark.skipif(os.name == "nt", reason="no such files there")


@pytest.fixture
def folder(tmp_path) -> Path:
    return data_folder(tmp_path / "data")


@unix
@pytest.mark.parametrize("kind", ["out", "two links", "circle"])
def test_n35_an_index_that_is_a_link_out_shows_nothing_of_where_it_leads(
    folder, tmp_path, kind
):
    """An index that is a link out of the folder is refused, and its lines not shown."""
    (tmp_path / "secret").write_text("top-secret-token=abc123\n", "utf-8")
    (folder / "other").symlink_to(folder / "index.csv" if kind == "circle" else "..")
    leads = {"out": tmp_path / "secret", "two links": "other/secret", "circle": "other"}
    (folder / "index.csv").symlink_to(leads[kind])
    with pytest.raises(CarlibError) as caught:
        load_index(folder)
    assert "token" not in str(caught.value) and "index.csv" in str(caught.value)
    assert "token" not in failure("train", folder)


def test_n36_rows_that_lead_to_other_places_are_refused_unread(folder, monkeypatch):
    """Rows with shares, drives, devices, addresses or ~ are each refused, unread."""
    names = [r"\\host\share\1.jpeg", "//host/1.jpeg", r"C:\1.jpeg", "/dev/zero", "/x"]
    names += ["file:///etc/passwd", "https://host/1.jpeg", "~/1.jpeg", "../../1.jpeg"]
    rows = "".join(f"{name},door_dent,T\n" for name in names)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("it asked"))
    with pytest.raises(DataError) as caught:
        load_index(write(folder, HEADER + rows))
    assert len(caught.value.problems) == len(names)
    for line, problem in enumerate(caught.value.problems, start=2):
        assert problem.startswith(f"line {line}: ")


@unix
@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "device", "circle"])
def test_n37_what_is_no_file_is_no_photo(tmp_path, kind):
    """A FIFO, socket, folder or device called x.jpg is refused, and left out."""
    (photo,) = draw_photos(tmp_path / "photos", 1)
    odd = photo.with_name("x.jpg")
    with socket.socket(socket.AF_UNIX) as made, warnings.catch_warnings():
        {
            "fifo": lambda: os.mkfifo(odd),
            "socket": lambda: made.bind(str(odd)),
            "folder": odd.mkdir,
            "device": lambda: odd.symlink_to("/dev/zero"),
            "circle": lambda: odd.symlink_to("x.jpg"),
        }[kind]()
        with pytest.raises(ImageError, match=r"x\.jpg"):
            read(odd)
        assert files_of(str(photo.parent)) == [str(photo)]
        with pytest.raises(ImageError, match="1 of 2"):
            compute_bottlenecks([photo, odd], Tiny(), None, progress=False)


def test_n38_a_zip_of_many_small_files_is_listed_in_seconds(tmp_path):
    """A zip of 70,000 members is checked in seconds, and one of too many refused."""
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"{number:x}"), b"")
    began = time.monotonic()
    with checked_zip(tmp_path / "many.zip") as archive:
        assert len(archive.namelist()) == 70_000 < archives.MAX_MEMBERS
    with (
        pytest.raises(ArchiveError, match="more than 69,999"),
        checked_zip(tmp_path / "many.zip", most=69_999),
    ):
        pass
    assert time.monotonic() - began < 9


def test_n39_names_that_windows_reads_otherwise_are_refused_everywhere(tmp_path):
    """A zip with names such as "a. ", CON.txt and x:ads is refused, all named."""
    names = ["image/a. ", "image/CON.txt", "image/x:ads"]
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name in ["index.csv", *names]:
            archive.writestr(name, PLAIN)
    with pytest.raises(ArchiveError) as caught:
        locate_data(tmp_path / "data.zip", home=tmp_path / "home")
    assert len(caught.value.problems) == 3
    assert all(name in str(caught.value) for name in names)
    assert not list(tmp_path.glob("home/*"))


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (65 + n, b"&%c;" % (64 + n if n else 97) * 10)
    for n in range(20)
)
LOOP = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIII", 0x8769, 4, 1, 8, 8)
COUNTS = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + struct.pack(">HHII", 1, 5, 2**32 - 1, 8)


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP", "XMP", "loop", "counts"])
def test_n40_what_is_said_about_a_photo_costs_next_to_nothing(kind):
    """Text, colour profiles and EXIF that flood, loop or count wrong take no time."""
    png, flood = encoded(quarters()), zlib.compress(bytes(50 << 20), 1)
    data = {
        "zTXt": chunk(b"zTXt", b"a\0\0" + flood),
        "iTXt": chunk(b"iTXt", b"a\0\1\0\0\0" + flood),
        "iCCP": chunk(b"iCCP", b"a\0\0" + flood),
        "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LAUGHS + b"]>&T;"),
    }.get(kind)
    photo = png[:33] + data + png[33:] if data else b""
    photo = photo or with_exif({"loop": LOOP, "counts": COUNTS}[kind])
    began = time.monotonic()
    try:
        assert decode(photo).shape == (20, 30, 3)
    except ImageError:
        assert data
    assert time.monotonic() - began < 2


def test_n41_a_photo_with_any_bytes_changed_is_pixels_or_one_error():
    """A decoder that meets damage gives pixels or an ImageError, in seconds at most."""
    chance, began = random.Random(1), time.monotonic()
    for kind in ("TIFF", "GIF", "WEBP", "BMP", "PNG", "JPEG"):
        whole = encoded(quarters(), kind)
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                place = chance.randrange(min(len(data), 400))
                data[place] = chance.choice([0, 1, 127, 255, chance.randrange(256)])
            try:
                assert decode(bytes(data)).shape[2] == 3
            except ImageError as error:
                assert str(error)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("side", [6_000, 9_400, 40_000])
def test_n42_a_photo_that_would_take_gigabytes_is_refused_by_its_header(side):
    """A small PNG of 36 megapixels or more is refused, at no cost, with the bound."""
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"CARLIB_PHOTO_MB|more pixels|at most"):
            decode(bomb(side, side))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_n43_a_photo_that_would_take_minutes_is_named_in_a_moment(tmp_path):
    """A JPEG of hundreds of scans, or a PNG of a million chunks, is named at once."""
    jpeg = encoded(Image.new("RGB", (4_000, 3_000)), "JPEG", progressive=True)
    scans = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    (tmp_path / "scans.jpg").write_bytes(jpeg[:-2] + scans * 400 + jpeg[-2:])
    png, more = encoded(quarters()), chunk(b"teSt", b"") * 10**6
    (tmp_path / "chunks.png").write_bytes(png[:33] + more + png[33:])
    began = time.monotonic()
    with pytest.raises(ImageError) as caught:
        compute_bottlenecks(tmp_path, Tiny(), None, progress=False)
    assert time.monotonic() - began < 3
    said = "\n".join(sorted(caught.value.problems))
    assert "chunks.png" in said and "scans.jpg is a JPEG of 4" in said


@unix
def test_n44_the_name_of_a_photo_is_one_line_wherever_it_is_shown(tmp_path):
    """A photo's name that has escapes or a line end is one line, in errors too."""
    name = "a\x1b]0;x\x07\nb  tail_lamp 100.0%\udcfc.jpg"
    (tmp_path / name).write_bytes(b"no photo")
    rows = [{"image_path": name, "error": f"{name} is damaged"}]
    assert predictions_text(rows, 1).isprintable()
    with pytest.raises(ImageError) as caught:
        compute_bottlenecks(tmp_path, Tiny(), None, progress=False)
    assert len(str(caught.value).split("\n")) == 3
    assert str(caught.value).replace("\n", "").isprintable()


@unix
@pytest.mark.parametrize("kind", ["fifo", "device", "socket"])
def test_n45_what_is_no_file_is_replaced_by_none(tmp_path, kind):
    """A device, FIFO or socket is never replaced, whatever is to be written there."""
    path = tmp_path / "out"
    with socket.socket(socket.AF_UNIX) as made:
        {
            "fifo": lambda: os.mkfifo(path),
            "device": lambda: path.symlink_to("/dev/null"),
            "socket": lambda: made.bind(str(path)),
        }[kind]()
        before = path.lstat()
        for write_it in (write_bytes, lambda path, data: write_text(path, "x")):
            with pytest.raises(OutputError), files.named_in_errors(path):
                write_it(path, b"x")
        assert "--output must be a file" in failure("train", "x", "--output", path)
    assert path.lstat() == before and os.listdir(tmp_path) == ["out"]  # noqa: PTH208


@unix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_n47_a_file_that_is_written_again_keeps_its_permissions(tmp_path, mode):
    """A file that only its owner may read is no other's after it is written again."""
    path = tmp_path / "m.zip"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_bytes(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@unix
@pytest.mark.parametrize(("umask", "mode"), [(0, 0o666), (0o077, 0o600)])
def test_n48_a_new_file_has_the_mode_and_place_that_nobody_can_guess(
    tmp_path, umask, mode
):
    """New files heed the umask, and are made under names that can't be foreseen."""
    before, names = os.umask(umask), set()
    try:
        for _ in range(3):
            with files.atomic_path(tmp_path / "m") as temporary:
                names.add(temporary.name)
                temporary.touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == mode
    assert len(names) == 3


def test_n55_what_a_killed_writer_had_moved_aside_is_put_back(tmp_path):
    """A folder that a killed writer had moved aside comes back with the next write."""
    aside = tmp_path / f".out.{files._HOST}.999999999.01234567.aside.carlib.tmp"
    write_text(aside / "out" / "model.pb", "old")
    os.utime(aside, (0, 0))
    write_text(tmp_path / "next", "")
    assert (tmp_path / "out" / "model.pb").read_text("utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["next", "out"]


def test_n61_a_photo_with_damaged_exif_is_read_in_silence(tmp_path, capfd):
    """A photo with slightly damaged EXIF is read and shown, and nothing is said."""
    path = tmp_path / "a.jpg"
    path.write_bytes(with_exif(damaged_exif(6)))
    assert compute_bottlenecks([path], Tiny(), None, progress=False).shape == (1, 2)
    assert thumbnail(path.read_bytes(), 20).shape == (20, 13, 3)
    assert capfd.readouterr() == ("", "")


def in_folders(root: Path, *names: str) -> Path:
    """A folder with photos of these names, no two alike."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 4, 3), 9 * number, np.uint8)
        (root / name).write_bytes(encoded(Image.fromarray(pixels)))
    return root


def test_n63_of_22_files_in_class_folders_none_is_left_out_in_silence(tmp_path, capsys):
    """Class folders: each photo is read or counted, whatever its suffix and depth."""
    names = [f"{label}/{n}.jpg" for label in ("dent", "lamp") for n in range(3)]
    names += [f"dent/{n}.jfif" for n in range(4)] + [f"lamp/new/{n}" for n in range(4)]
    root = in_folders(tmp_path / "data", *names)
    for number in range(8):
        (root / f"dent/{number}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    photos = load_index(root)
    assert photos.damage_class.value_counts().to_dict() == {"dent": 7, "lamp": 7}
    assert "8 .heic in dent" in capsys.readouterr().out


def test_n64_a_class_is_the_same_from_a_folder_and_from_an_index(tmp_path):
    """Class folders in NFD, or with space around, are an index's classes."""
    apart = unicodedata.normalize("NFD", "Tür")
    root = in_folders(tmp_path / "a", f"{apart}/1.jpg", f"{apart}/2.jpg", "lamp /3.jpg")
    other = in_folders(tmp_path / "b", "1.jpg", "2.jpg", "3.jpg")
    write(other, HEADER + "1.jpg,Tür,T\n2.jpg, Tür ,V\n3.jpg,lamp,T\n")
    labels = [sorted(set(load_index(each).damage_class)) for each in (root, other)]
    assert labels[0] == labels[1] == ["Tür", "lamp"]


@pytest.mark.parametrize("names", [("train", "val"), ("Training", "VALID")])
def test_n65_folders_by_subset_and_class_are_read_as_they_are(tmp_path, names):
    """The layout train/<class>, val/<class> is read; their photos alone are refused."""
    paths = [f"{s}/{label}/1.jpg" for s in names for label in ("dent", "lamp")]
    photos = load_index(in_folders(tmp_path / "a", *paths))
    assert sorted(zip(photos.damage_class, photos.subset, strict=True)) == [
        *(("dent", "T"), ("dent", "V"), ("lamp", "T"), ("lamp", "V"))
    ]
    alone = in_folders(tmp_path / "b", *(f"{name}/1.jpg" for name in names))
    with pytest.raises(DataError, match="which are subsets"):
        load_index(alone)
