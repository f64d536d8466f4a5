"""D: downloads and zips of data, faulty or hostile; nothing partial, nothing astray."""

import errno
import io
import multiprocessing
import os
import signal
import stat
import struct
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from carlib import archives, downloads
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.data import locate
from carlib.data.locate import locate_data
from carlib.data.table import load_index
from carlib.errors import ArchiveError, DataError
from tests.tiny import Tiny, draw_photos
from tests.web import Server, served

INDEX = "image,class,subset\nimage/1.png,dent,T\nimage/2.png,glass,V\n"


def zipped(*members, method=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of pairs of a name, or ZipInfo, and content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def data_zip(prefix="", *more) -> bytes:
    names = [f"{prefix}image/{number}.png" for number in (1, 2)]
    photos = [(name, name.encode() * 20) for name in names]
    return zipped((f"{prefix}index.csv", INDEX), *photos, *more)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to stand in, itself alone in one; with no address to reach."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CARLIB_DATA", raising=False)
    monkeypatch.setattr(locate, "ADDRESS", "http://127.0.0.1:9/preprocessed.zip")
    return folder


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(data_zip()) as server:
        monkeypatch.setattr(locate, "ADDRESS", server.address)
        monkeypatch.setattr(downloads, "PAUSES", (0.01, 0.01))
        yield server


def files(folder=".") -> list[str]:
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def refusal(data: bytes, says: str, kind=ArchiveError) -> str:
    """How a zip is refused of which nothing was written, here or above."""
    Path("cars.zip").write_bytes(data)
    before = files("..")
    with pytest.raises(kind, match=says) as caught:
        locate_data("cars.zip")
    assert files("..") == before
    return str(caught.value)


def test_d01_without_a_network_one_reads_what_to_fetch_and_where_to_put_it(
    here, monkeypatch
):
    """No network: data that are there do; else address and place are told."""
    with pytest.raises(DataError) as caught:
        locate_data("download")
    assert "http://127.0.0.1:9/preprocessed.zip" in str(caught.value)
    assert "CARLIB_DATA" in str(caught.value)
    (here / "data" / "car_damage").mkdir(parents=True)
    monkeypatch.setattr(locate, "await_answer", lambda _: pytest.fail("asked"))
    assert locate_data("download") == Path("data/car_damage")


def test_d02_a_web_page_in_place_of_the_zip_is_called_one(server):
    """A server that answers with a web page is told so, and nothing of it stays."""
    server.body = b"<!doctype html><html>Log in first</html>"
    with pytest.raises(DataError, match="(?i)html|web page") as caught:
        locate_data("download")
    assert ".carlib.tmp" not in str(caught.value), "names what is gone"
    assert files() == []


class CutAtFirst(Server):
    """It cuts the first answer in the middle."""

    @property
    def fault(self):
        return "cut" if self.asked == 1 else ""


def test_d03_a_download_that_was_cut_is_tried_again(server):
    """A connection that is cut once is tried again, and no one need do anything."""
    server.__class__ = CutAtFirst
    folder = locate_data("download")
    assert files(folder) == ["image/1.png", "image/2.png", "index.csv"]
    assert server.asked == 2


def _killed_while_unpacking(address: str, folder: str) -> None:
    written = []

    def write(path, chunks):
        written.append(path)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(chunks))

    archives.write_part, locate.ADDRESS = write, address
    os.chdir(folder)
    locate_data("download")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_d04_a_kill_while_unpacking_leaves_nothing_that_counts(server, here):
    """Killed half-way through the zip: run again, all is there, and leftovers go."""
    process = multiprocessing.get_context("spawn").Process(
        target=_killed_while_unpacking, args=(server.address, str(here))
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not (here / "data" / "car_damage").exists() and files()
    for left in (here / "data").iterdir():
        os.utime(left, (time.time() - 10 * 86_400,) * 2)
    folder = locate_data("download")
    assert files(folder) == ["image/1.png", "image/2.png", "index.csv"]
    left = sorted(path.name for path in (here / "data").iterdir())
    assert left == ["car_damage", "car_damage.sha256"]


def test_d05_a_download_that_changed_is_fetched_once_more_and_then_refused(server):
    """Another content than the first time: fetched once more, then refused."""
    folder = locate_data("download")
    for name in ("index.csv", "image/1.png", "image/2.png"):
        (folder / name).unlink()
    (folder / "image").rmdir()
    folder.rmdir()
    server.body = data_zip("", ("extra.txt", b"swapped"))
    with pytest.raises(DataError, match="[0-9a-f]{64}.*[0-9a-f]{64}"):
        locate_data("download")
    assert files() == ["data/car_damage.sha256"]
    assert server.asked == 3


@pytest.mark.parametrize(
    "name", ["../canary", "image/../../canary", "/canary", "C:\\canary", "..\\canary"]
)
def test_d06_a_zip_that_leads_out_of_its_folder_is_refused(name):
    """A member named ../x, /x or C:\\x refuses the whole zip; nothing is written."""
    refusal(data_zip("", (name, b"canary")), "leads out|absolute path")


def test_d07_a_zip_with_a_link_is_refused():
    """A link in a zip is refused, and not followed by the members after it."""
    link = zipfile.ZipInfo("image")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    data = zipped(("index.csv", INDEX), (link, "/etc"), ("image/1.png", b"canary"))
    refusal(data, "link or a device")


def _overlapping() -> bytes:
    data = bytearray(data_zip())
    last = data.rindex(b"PK\x01\x02")
    data[last + 42 : last + 46] = struct.pack("<I", 0)  # where its content begins
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (data_zip("", ("image/bomb.png", bytes(3_000_000))), "unpacks from"),
        (data_zip("", *((f"{n}.txt", b"") for n in range(30))), "33 members, more"),
        (_overlapping(), "overlaps"),
    ],
    ids=["ratio", "many", "overlapping"],
)
def test_d08_a_bomb_is_refused_before_anything_is_written(data, says, monkeypatch):
    """A zip that is small and unpacks to a flood is refused by its listing alone."""
    monkeypatch.setattr(archives, "FREE_RATIO", 10_000)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 20)
    refusal(data, says)


def _bad_sum() -> bytes:
    stored = zipped(("index.csv", INDEX), ("a.png", b"c0rrect"), method=0)
    return stored.replace(b"c0rrect", b"changed")


def _encrypted() -> bytes:
    data = bytearray(data_zip())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(start) + flags] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (_bad_sum(), r"a\.png in .*damaged"),
        (data_zip()[:-30], r"cars\.zip is not a zip, or cut off"),
        (_encrypted(), r"2\.png' is encrypted"),
        (zipped(("a.png", b"x"), method=zipfile.ZIP_LZMA), r"'a\.png' is compressed"),
    ],
    ids=["sum", "cut", "encrypted", "lzma"],
)
def test_d09_a_damaged_zip_names_the_member_that_is(data, says):
    """A zip that is cut, encrypted, oddly packed or damaged says which member is it."""
    refusal(data, says)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("image/1.PNG", b"x"), "collides with"),
        (("IMAGE/1.png", b"x"), "collides with"),
        (("image", b"x"), "is a file and a folder"),
        (("image/1.png/x", b"x"), "is a file and a folder"),
    ],
)
def test_d10_names_that_would_overwrite_each_other_are_refused(more, says):
    """Names that fall together on some system, or a file on a folder, are refused."""
    refusal(data_zip("", more), says)


def test_d11_a_folder_around_the_data_and_the_junk_of_systems_do_no_harm():
    """One folder around the data is entered; __MACOSX, Thumbs.db and such are left."""
    junk = ("__MACOSX/cars/image/._1.png", ".DS_Store", "cars/image/Thumbs.db")
    Path("a.zip").write_bytes(data_zip("cars/", *((name, b"junk") for name in junk)))
    folder = locate_data("a.zip")
    assert files(folder) == ["image/1.png", "image/2.png", "index.csv"]


@pytest.mark.parametrize("stored", ["cp437", "utf-8"])
def test_d12_names_in_the_old_code_of_dos_and_in_utf8_come_out_alike(stored):
    """A name with an accent is the same, whichever of both ways a zip has for it."""
    name = "image/é.png"
    if stored == "cp437":
        data = zipped(("index.csv", INDEX), ("image/_.png", b"x"))
        data = data.replace(b"image/_.png", name.encode("cp437"))
    else:
        data = zipped(("index.csv", INDEX), (name, b"x"))
    Path("a.zip").write_bytes(data)
    assert files(locate_data("a.zip")) == [name, "index.csv"]


@contextmanager
def files_limited_to(size: int):
    """Let this process write no file beyond a size, as on a disk that is full."""
    import resource  # not on Windows

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(os.name == "nt", reason="limits are a Unix matter")
def test_d13_a_disk_too_small_is_told_before_and_one_that_gets_full_leaves_nothing(
    monkeypatch,
):
    """Too small a disk is told before; one that gets full leaves nothing behind."""
    large = data_zip("", ("image/3.png", os.urandom(200_000)))
    with monkeypatch.context() as patch:
        free = SimpleNamespace(free=2**20)
        patch.setattr(archives.shutil, "disk_usage", lambda _: free)
        refusal(large, r"needs \d+ MiB of the disk; 1 MiB are free")
    Path("cars.zip").write_bytes(large)
    before = files()
    why = os.strerror(errno.EFBIG)
    with files_limited_to(100_000), pytest.raises(ArchiveError, match=why) as caught:
        locate_data("cars.zip")
    assert "image/3.png" in str(caught.value)
    assert files() == before


def test_d14_nothing_is_written_where_the_data_lie(here):
    """Data on a disc that can't be written to are read, and features go elsewhere."""
    photos = draw_photos(here / "disc" / "image", 3)
    rows = [f"image/{path.name},{'ab'[n % 2]},T" for n, path in enumerate(photos)]
    (here / "disc" / "index.csv").write_text("\n".join(["image,class,subset", *rows]))
    for path in (here / "disc" / "image", here / "disc"):
        path.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in (here / "disc").rglob("*")}
    table = load_index(locate_data("disc"))
    features = compute_bottlenecks(table, Tiny(), "w", progress=False)
    assert features.shape == (3, 2)
    assert {p: p.stat().st_mtime_ns for p in (here / "disc").rglob("*")} == before
    assert files("w")


def test_d15_many_at_once_unpack_into_one_whole_folder(here):
    """Several that unpack the same zip at once all get the one whole folder."""
    Path("a.zip").write_bytes(data_zip("", ("image/3.png", os.urandom(300_000))))
    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(lambda _: locate_data("a.zip"), range(12)))
    (folder,) = found
    assert len(files(folder)) == 4
    assert [path.name for path in (here / "data").iterdir()] == [folder.name]


def test_d16_the_zip_of_something_else_is_refused_with_what_it_holds():
    """A zip without an index or photos says so, with the first five of its names."""
    names = [f"chapter{number}.docx" for number in range(7)]
    says = refusal(
        zipped(*((name, b"") for name in names)), r"no index\.csv", DataError
    )
    assert all(name in says for name in names[:5])
    assert names[5] not in says


def test_d17_a_proxy_or_certificate_that_fails_is_named_and_never_passed_by(
    server, monkeypatch
):
    """A proxy or TLS that fails is named in the error, and never passed by."""
    monkeypatch.setattr(locate, "ADDRESS", server.address.replace("http:", "https:"))
    with pytest.raises(DataError, match="certificate|TLS|SSL"):
        locate_data("download")
    assert server.asked == 0
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(locate, "ADDRESS", "http://carlib.invalid/preprocessed.zip")
    with pytest.raises(DataError, match="proxy"):
        locate_data("download")
    assert "verify" not in Path(downloads.__file__).read_text("utf-8")
