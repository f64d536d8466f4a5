"""The photos are found, downloaded or replaced by the sample, and a word says which."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from carlib.data import locate
from carlib.data.locate import locate_data
from carlib.errors import ArchiveError, DataError
from tests.web import served


def data_zip(prefix: str = "", extra: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{prefix}index.csv", "image,class,subset\nimage/1.jpeg,a,T\n")
        archive.writestr(f"{prefix}image/1.jpeg", b"\xff\xd8\xff" + extra)
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(data_zip()) as server:
        monkeypatch.setattr(locate, "ADDRESS", server.address)
        yield server


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Start each test in an empty folder, with no address to reach."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CARLIB_DATA", raising=False)
    monkeypatch.setattr(locate, "ADDRESS", "http://127.0.0.1:9/preprocessed.zip")


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout with a sample, seen from its notebooks."""
    folder = tmp_path / "here" / "checkout"
    make_data(folder / "data" / "sample")
    (folder / "notebooks").mkdir()
    monkeypatch.chdir(folder / "notebooks")
    return folder


def make_data(folder: Path) -> Path:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(data_zip())) as archive:
        archive.extractall(folder)
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_folder_is_taken_as_it_is_and_named_each_time(capsys):
    make_data(Path("photos"))
    assert locate_data("photos") == locate_data(Path("photos")) == Path("photos")
    assert capsys.readouterr().out == 2 * "Data: photos (as given)\n"


def test_a_way_to_the_data_is_given_relative_to_where_one_stands(tmp_path):
    make_data(tmp_path / "photos")
    assert locate_data(tmp_path / "photos") == Path("../photos")


def test_data_that_lie_far_away_keep_their_full_path():
    assert locate._near(Path("/nowhere/at/all")) == Path("/nowhere/at/all")


def test_a_zip_is_unpacked_once_into_a_folder_that_its_content_names(tmp_path):
    path = tmp_path / "cars.zip"
    path.write_bytes(data_zip())
    folder = locate_data(path)
    assert folder.parent == Path("data") and folder.name.startswith("cars-")
    assert (folder / "image" / "1.jpeg").exists()
    (folder / "marker").touch()
    assert locate_data(path) == folder and (folder / "marker").exists()
    path.write_bytes(data_zip(extra=b"other"))
    assert locate_data(path) != folder


def test_a_zip_goes_where_the_caller_wants_it(tmp_path):
    (tmp_path / "a.zip").write_bytes(data_zip())
    folder = locate_data(tmp_path / "a.zip", home=tmp_path / "kept")
    assert folder.resolve().parent == (tmp_path / "kept").resolve()
    assert names_in(Path.cwd()) == []


@pytest.mark.parametrize("prefix", ["preprocessed/", "vérité/"])
def test_a_zip_of_a_folder_is_as_good_as_one_of_its_content(tmp_path, prefix):
    (tmp_path / "a.zip").write_bytes(data_zip(prefix))
    assert (locate_data(tmp_path / "a.zip") / "index.csv").exists()


def test_a_zip_of_something_else_is_refused_and_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("report.docx", "")
    with pytest.raises(DataError, match=r"no index\.csv and no photos.*report\.docx"):
        locate_data(tmp_path / "a.zip")
    assert names_in(Path.cwd()) == []


def test_a_damaged_zip_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(data_zip()[:-30])
    with pytest.raises(ArchiveError, match="cut off"):
        locate_data(tmp_path / "a.zip")
    assert names_in(Path.cwd()) == []


def test_a_place_where_there_is_nothing_is_an_error_that_says_what_may_stand_there():
    with pytest.raises(DataError, match="no folder or zip missing(.|\n)*sample"):
        locate_data("missing")


def test_where_was_looked_is_told_and_what_may_have_been_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "Photos").mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        locate_data("my/fotos")
    assert caught.value.message.endswith(f"looked in {tmp_path / 'my'}.")
    assert caught.value.hint.startswith(f"Did you mean {Path('my', 'Photos')}? ")
    with pytest.raises(DataError) as caught:
        locate_data("your/holidays")
    assert caught.value.hint.startswith("Data are a folder or a zip")


def test_the_environment_names_a_folder_or_a_zip(tmp_path, monkeypatch, capsys, server):
    (tmp_path / "a.zip").write_bytes(data_zip())
    for path in (make_data(tmp_path / "photos"), tmp_path / "a.zip"):
        monkeypatch.setenv("CARLIB_DATA", str(path))
        assert (locate_data() / "index.csv").exists()
    assert capsys.readouterr().out.count("(named by CARLIB_DATA)") == 2
    assert server.asked == 0
    monkeypatch.setenv("CARLIB_DATA", "wrong")
    with pytest.raises(DataError, match="CARLIB_DATA: there is no folder or zip wrong"):
        locate_data()


def test_the_environment_does_not_overrule_what_is_asked_for(monkeypatch):
    monkeypatch.setenv("CARLIB_DATA", "wrong")
    make_data(Path("photos"))
    assert locate_data("photos") == Path("photos")


def test_the_download_is_unpacked_with_a_notice_and_its_hash_kept(
    checkout, server, capsys
):
    assert locate_data() == Path("../data/car_damage")
    assert (checkout / "data/car_damage/image/1.jpeg").exists()
    expected = ["car_damage", "car_damage.sha256", "sample"]
    assert names_in(checkout / "data") == expected
    said = capsys.readouterr().out
    assert "Peltarion AB" in said and "just downloaded" in said
    assert server.asked == 1


def test_what_was_downloaded_before_is_used_without_a_network(checkout, server, capsys):
    locate_data()
    server.body, server.status = b"", 500
    assert locate_data() == locate_data("download") == Path("../data/car_damage")
    assert "downloaded before" in capsys.readouterr().out
    assert server.asked == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 404}, "404"),
        ({"body": b"<html>Log in first</html>"}, "a web page"),
        ({"body": b""}, "not a zip"),
        ({"fault": "cut"}, "cut"),
        ({"body": data_zip() + bytes(3000)}, "larger"),
        ({"body": data_zip()[:-20]}, "not a zip"),
    ],
)
def test_a_failed_or_odd_download_is_an_error_and_leaves_nothing(
    checkout, server, monkeypatch, fault, says
):
    monkeypatch.setattr(locate, "MAX_BYTES", 2000)
    for name, value in fault.items():
        setattr(server, name, value)
    with pytest.raises(DataError, match=f"{says}(.|\n)*CARLIB_DATA") as caught:
        locate_data("download")
    assert str(checkout) not in str(caught.value), "an absolute path"
    assert names_in(checkout / "data") == ["sample"]
    server.status, server.body, server.fault = 200, data_zip(), ""
    assert locate_data("download") == Path("../data/car_damage")


def test_another_content_than_the_first_time_is_an_error(checkout, server):
    folder = locate_data("download")
    for path in (folder / "image/1.jpeg", folder / "index.csv"):
        path.unlink()
    (folder / "image").rmdir()
    folder.rmdir()
    server.body = data_zip(extra=b"swapped")
    with pytest.raises(DataError, match="not the file that it was the first time"):
        locate_data("download")
    assert names_in(checkout / "data") == ["car_damage.sha256", "sample"]
    server.body = data_zip()
    assert locate_data("download") == folder


def test_without_a_network_the_sample_stands_in_and_that_is_said(
    checkout, sample, capsys
):
    assert locate_data().samefile(sample)
    said = capsys.readouterr().out
    assert "can't be downloaded: no connection" in said
    assert "(the drawn sample instead)" in said


def test_the_sample_can_be_asked_for_and_is_nobody_elses(checkout, sample, server):
    assert locate_data("sample").samefile(sample)
    assert server.asked == 0


def test_a_home_that_cannot_be_written_to_is_an_error_that_names_the_way_out(
    tmp_path, server
):
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    (tmp_path / "a.zip").write_bytes(data_zip())
    for source in (tmp_path / "a.zip", "download"):
        with pytest.raises(DataError, match="can't be kept in(.|\n)*home="):
            locate_data(source, home=tmp_path / "home")


def test_a_failing_download_makes_no_folder(server):
    server.status = 404
    with pytest.raises(DataError):
        locate_data("download")
    assert not os.path.lexists("data") or names_in(Path("data")) == []
