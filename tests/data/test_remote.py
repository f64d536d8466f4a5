"""Photos at addresses, and data in stores and on servers."""

import contextlib
import functools
import json
import pickle
import sys
import tarfile
import time
import traceback
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pandas as pd
import pytest

from carlib.data import stores
from carlib.data.addresses import address_fault, is_address, shown
from carlib.data.contents import content_hashes
from carlib.data.locate import locate_data
from carlib.data.photos import read_ahead, read_content
from carlib.data.sources import Source, as_sources
from carlib.data.table import load_index, split
from carlib.errors import CarlibError, DataError, ImageError, OptionError
from carlib.evaluation.listing import list_answers
from carlib.pages.thumbnails import names_of
from tests.cli.typed import run
from tests.data.written import HEADER, PLAIN
from tests.tiny import Tiny, draw_photos, extract
from tests.web import running

SECRET = "X-Amz-Signature=5ecret"


@pytest.fixture
def store():
    """A store in this process, empty, at memory://."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


class Handler(SimpleHTTPRequestHandler):
    """Serve a folder, with pages of links; /status/503 and such are answered so."""

    def do_GET(self):
        self.server.asked.append(self.path)
        kind, _, value = self.path.partition("?")[0].strip("/").partition("/")
        if kind == "status":
            self.send_error(int(value))
        elif kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/{value}")
            self.end_headers()
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(2**16))
        elif kind == "silent":
            self.server.released.wait(20)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A server of a folder's files, `folder`, at `address`."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Handler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked, server.folder = [], folder
    server.address = f"http://127.0.0.1:{server.server_port}"
    with running(server):
        yield server


def put(store, files, root="/b"):
    for name, content in files.items():
        store.pipe_file(f"{root}/{name}", content)


def put_folder(store, folder):
    """Put a folder's files into the store, and return their folder's address."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    put(store, files, "/b/photos")
    return "memory://b/photos"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("s3://bucket/1.jpeg", ""),
        ("abfs://container@account/1.jpeg", ""),
        ("https://a.b/c.jpg?sig=1", ""),
        ("s3://bucket/my photo.jpeg", ""),
        ("ftp://a/1.jpeg", "ftp"),
        ("ssh://a/1.jpeg", "ssh"),
        ("reference://a", "reference"),
        ("simplecache::s3://b/1.jpeg", "chain"),
        ("zip://1.jpeg::file:///etc/x.zip", "chain"),
        ("https://me:word@a.b/1.jpeg", "password"),
        ("https://token@a.b/1.jpeg", "password"),
        ("s3://key:word@b/1.jpeg", "password"),
        ("https://a.b/1 2.jpeg", "a space"),
        ("s3://b\r\nHost:x/1.jpeg", "control character"),
        ("s3://", "names nothing"),
        ("data:image/png;base64,AAAA", "its own data"),
    ],
)
def test_only_plain_addresses_of_known_protocols_are_read(name, told):
    assert is_address(name)
    assert told in address_fault(name)
    assert bool(told) == bool(address_fault(name))


@pytest.mark.parametrize("name", ["1.jpeg", "C:/1.jpeg", "a:b.jpg", "file:///a/1.jpeg"])
def test_a_path_is_no_address(name):
    assert not is_address(name)


def test_a_file_s_address_is_its_path(tmp_path):
    (path,) = draw_photos(tmp_path / "with space", 1)
    (source,) = as_sources(path.absolute().as_uri())
    assert source == Source(str(path.absolute()))


def test_an_address_is_shown_without_what_may_be_secret():
    assert shown(f"https://me:word@a.b/c.jpg?{SECRET}#x") == "https://a.b/c.jpg"
    assert "5ecret" not in shown(f"simplecache::https://a.b/c.jpg?{SECRET}")
    assert shown("photos/a?b.jpg") == "photos/a?b.jpg"


def test_refused_addresses_are_all_named_without_their_secrets():
    names = [f"https://me:word@a.b/c.jpg?{SECRET}", "ftp://a/1.jpeg"]
    with pytest.raises(OptionError) as caught:
        as_sources(names)
    said = str(caught.value)
    assert "photo 1 is" in said and "photo 2 is" in said
    assert "word" not in said.replace("password", "") and "5ecret" not in said


def test_a_photo_has_the_same_feature_wherever_it_lies_and_is_computed_once(
    tmp_path, store, server
):
    (path,) = draw_photos(server.folder, 1)
    content, name = path.read_bytes(), path.name
    put(store, {name: content})
    photos = [path, content, f"memory://b/{name}", f"{server.address}/{name}?{SECRET}"]
    features = extract(as_sources(photos), [Tiny()], tmp_path / "w", progress=False)
    assert features.n_computed == 1
    rows = features.of_photos()
    assert all((row == rows[0]).all() for row in rows)
    again = extract(as_sources(photos[2:]), [Tiny()], tmp_path / "w", progress=False)
    assert again.n_computed == 0


def test_a_source_tells_another_process_how_to_read_it(store):
    put(store, {"1.jpeg": b"photo"})
    sent = pickle.dumps(as_sources("memory://b/1.jpeg"))
    (source,) = pickle.loads(sent)  # noqa: S301
    assert source.content is None and not source.is_file
    assert read_content(Source(source.name)) == (b"photo", None)


def test_addresses_are_read_many_at_once(store, monkeypatch):
    put(store, {f"{n}.jpeg": bytes([n]) for n in range(128)})
    read = stores._cat

    def slowly(*part):
        time.sleep(0.05)
        return read(*part)

    monkeypatch.setattr(stores, "_cat", slowly)
    sources = as_sources([f"memory://b/{n}.jpeg" for n in range(128)])
    began = time.monotonic()
    photos = list(read_ahead(sources, range(128), [], lambda _: []))
    assert [photo.row for photo in photos] == list(range(128))
    assert not any(photo.error for photo in photos)
    assert time.monotonic() - began < 128 * 0.05 / 4


def test_photos_that_are_not_there_are_listed_with_all_others(tmp_path, store, server):
    (path,) = draw_photos(tmp_path / "p", 1)
    photos = [
        path,
        "memory://b/no.jpeg",
        f"{server.address}/no.jpeg?{SECRET}",
        "no.png",
    ]
    with pytest.raises(ImageError) as caught:
        extract(as_sources(photos), [Tiny()], None, progress=False)
    assert caught.value.problems == [
        "memory://b/no.jpeg does not exist.",
        f"{server.address}/no.jpeg does not exist.",
        "no.png does not exist.",
    ]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("status/403", "the server answers 403, Forbidden"),
        ("status/410", "does not exist"),
        ("status/503", "the server answers 503, Service Unavailable"),
        ("moved/moved/status/404", "does not exist"),
        ("endless/1.jpeg", "too large: more than 1,000 bytes"),
        ("silent/1.jpeg", "stopped answering"),
    ],
)
def test_what_a_server_answers_is_put_in_words(server, path, says, monkeypatch):
    monkeypatch.setattr(stores, "TIMEOUT", (1, 0.2))
    monkeypatch.setattr(stores, "PAUSES", (0.01, 0.01))
    with pytest.raises(ImageError, match=says) as caught:
        stores.read(f"{server.address}/{path}?{SECRET}", 1000)
    assert "5ecret" not in str(caught.value)
    told = traceback.format_exception(caught.value)
    assert "5ecret" not in "".join(told)


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(server, monkeypatch):
    monkeypatch.setattr(stores, "PAUSES", (0.01, 0.01))
    for status, times in ((503, 3), (429, 3), (403, 1), (404, 1)):
        server.asked.clear()
        with pytest.raises(ImageError):
            stores.read(f"{server.address}/status/{status}")
        assert len(server.asked) == times


def test_a_server_that_is_gone_is_said_to_be(monkeypatch):
    monkeypatch.setattr(stores, "PAUSES", (0.01, 0.01))
    with pytest.raises(ImageError, match="no connection to the server") as caught:
        stores.read(f"http://127.0.0.1:9/1.jpeg?{SECRET}")
    assert "5ecret" not in str(caught.value)
    with pytest.raises(DataError, match="no connection to the server"):
        load_index("http://127.0.0.1:9/photos")


def test_a_file_that_is_too_large_is_not_read_whole(store, monkeypatch):
    put(store, {"1.jpeg": bytes(2000)})
    sizes = []
    read = stores._cat
    monkeypatch.setattr(stores, "_cat", lambda *p: sizes.append(p[2]) or read(*p))
    with pytest.raises(ImageError, match="too large: more than 1,000 bytes"):
        stores.read("memory://b/1.jpeg", 1000)
    assert sizes == [1001]


def test_an_empty_file_is_called_empty(store):
    put(store, {"1.jpeg": b""})
    (photo,) = read_ahead(
        as_sources("memory://b/1.jpeg"), [0], [(8, "bilinear")], lambda _: [True]
    )
    assert photo.error == "memory://b/1.jpeg is empty."


def test_a_package_that_is_missing_is_named_with_how_to_get_it():
    with pytest.raises(OptionError, match='pip install "adlfs"'):
        stores.read("az://container/1.jpeg")


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    stores._file_system.cache_clear()
    with pytest.raises(OptionError, match=r'"carlib\[cluster\]" "s3fs"'):
        stores.read("s3://bucket/1.jpeg")
    stores._file_system.cache_clear()


def test_a_store_s_folder_is_read_as_one_on_the_disk(store, sample, capsys):
    there, here = load_index(put_folder(store, sample)), load_index(sample)
    assert list(there.image_path) == [
        path.replace(sample.as_posix(), "memory://b/photos") for path in here.image_path
    ]
    assert there.iloc[:, 1:].equals(here.iloc[:, 1:])
    assert content_hashes(there) == content_hashes(here)


def test_names_that_no_address_can_have_are_all_told(store):
    put(store, {"a/1.jpeg": b"x", "b/2\n.jpeg": b"y", "b/3 4.jpeg": b"z"}, "/b/photos")
    with pytest.raises(DataError) as caught:
        load_index("memory://b/photos")
    assert caught.value.problems == ["b/2\n.jpeg"]


def test_a_server_s_folder_is_read_as_one_on_the_disk(server):
    pytest.importorskip("aiohttp")
    draw_photos(server.folder / "image", 3)
    (server.folder / "image" / "00002.png").rename(server.folder / "image/a b.png")
    rows = "image/00000.png,a,T\nimage/00001.png,b,T\nimage/a b.png,b,V\n"
    (server.folder / "index.csv").write_text(HEADER + rows)
    there = load_index(locate_data(server.address))
    assert there.image_path[2] == f"{server.address}/image/a%20b.png"
    assert content_hashes(there) == content_hashes(load_index(server.folder))


def test_class_folders_in_a_store_are_drawn_as_those_on_the_disk(tmp_path, store):
    for number, label in enumerate("ab"):
        draw_photos(tmp_path / "photos" / label, 6, first=10 * number)
    put_folder(store, tmp_path / "photos")
    store.pipe_file("/b/photos/a/notes.txt", b"x")
    there, here = load_index("memory://b/photos"), load_index(tmp_path / "photos")
    assert there.iloc[:, 1:].equals(here.iloc[:, 1:])


def test_what_a_store_s_index_names_and_is_not_there_is_listed(store):
    put(store, {"index.csv": PLAIN.encode(), "image/2.jpg": b"x"}, "/b/photos")
    with pytest.raises(DataError) as caught:
        load_index("memory://b/photos")
    assert caught.value.problems == [
        "line 2: there is no image/1.jpeg",
        "line 3: there is no image/2.jpeg; did you mean image/2.jpg?",
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../1.jpeg", "leads out of the data folder"),
        ("/etc/1.jpeg", "an absolute path out"),
        ("https://a.b/1.jpeg", "an address out of the data folder"),
        ("memory://other/1.jpeg", "an address out of the data folder"),
    ],
)
def test_rows_that_lead_out_of_a_store_s_folder_are_refused(store, name, says):
    put(store, {"index.csv": f"{HEADER}{name},a,T\n".encode()}, "/b/photos")
    with pytest.raises(DataError) as caught:
        load_index("memory://b/photos")
    assert says in str(caught.value)


def test_what_is_left_out_in_a_store_is_said(store, capsys):
    files = {f"{a}/{n}.jpeg": f"{a}{n}".encode() for a in "ab" for n in range(3)}
    put(store, files | {"a/film.mov": b"x", ".DS_Store": b"x"}, "/b/photos")
    load_index("memory://b/photos")
    assert "1 .mov in a" in capsys.readouterr().out


@pytest.mark.parametrize(
    "address", ["memory://b/none", f"https://a.b/photos?{SECRET}", "ftp://a/photos"]
)
def test_data_that_are_not_there_or_not_read_are_refused_in_words(store, address):
    with pytest.raises(CarlibError, match="There is no folder|Expected a folder") as it:
        load_index(address)
    assert "5ecret" not in str(it.value)


def test_a_zip_at_an_address_is_to_be_downloaded(capsys):
    with pytest.raises(DataError, match="download it first"):
        locate_data("https://a.b/photos.zip")
    assert locate_data("s3://bucket/photos") == "s3://bucket/photos/"
    assert "Data: s3://bucket/photos/ (as given)" in capsys.readouterr().out


def test_a_folder_s_address_stands_for_its_photos(store, capsys):
    put(store, {"2.jpeg": b"x", "in/1.png": b"x", "a.txt": b"x"}, "/b/photos")
    names = [source.name for source in as_sources("memory://b/photos/")]
    assert names == ["memory://b/photos/2.jpeg", "memory://b/photos/in/1.png"]
    assert "1 .txt" in capsys.readouterr().out


def test_split_finds_leaked_photos_in_a_store(tmp_path, store, capsys):
    path, other = draw_photos(tmp_path, 2)
    files = {"1.png": path, "2.png": other, "3.png": path}
    put(store, {name: path.read_bytes() for name, path in files.items()}, "/b/photos")
    index = f"{HEADER}1.png,a,T\n2.png,b,T\n3.png,a,V\n"
    put(store, {"index.csv": index.encode()}, "/b/photos")
    _, test = split(load_index("memory://b/photos"), on_leak="drop")
    assert test.empty
    assert "left out of V" in capsys.readouterr().out


def test_pages_and_lists_call_photos_without_what_may_be_secret(store):
    put(store, {"1.jpeg": b"x", "2.jpeg": b"y"}, "/b/photos")
    paths = [f"memory://b/photos/{n}.jpeg?{SECRET}" for n in (1, 2)]
    assert list(names_of(paths).values()) == ["1.jpeg", "2.jpeg"]
    answers = {"damage_class": ["a", "b"], "predicted_label": ["a", "a"]}
    table = pd.DataFrame({"image_path": paths, **answers, "a": 0.9, "b": 0.1})
    table["score"] = 0.9
    said = list_answers(table)
    assert "1.jpeg" in str(said) and "5ecret" not in str(said)


@pytest.mark.slow
def test_commands_take_addresses(store, sample, tmp_path):
    data, model = put_folder(store, sample), tmp_path / "m.zip"
    work = ["--workspace", tmp_path / "w"]
    result = run("train", data, "--epoch", 2, "--output", model, *work)
    assert result.exit_code == 0, result.stderr
    assert run("audit", data, *work).exit_code in (0, 1)
    result = run("predict", model, f"{data}/image/001.jpeg", f"{data}/none.jpeg")
    assert "memory://b/photos/none.jpeg does not exist" in result.stderr
    result = run("predict", model, f"{data}/image/001.jpeg")
    assert result.stdout.startswith("memory://b/photos/image/001.jpeg")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(sample / "image/001.jpeg", "1.jpeg")
    packed = run("predict", model, tmp_path / "a.tar", "--json")
    (row,) = json.loads(packed.stdout)["predictions"]
    assert row["image_path"] == f"{tmp_path}/a.tar/1.jpeg"
    assert f"{row['score']:.1%}" in result.stdout
