"""A file comes as a whole, as large and as it should be, or not at all, and soon."""

import hashlib
import os
import time

import pytest

from carlib import downloads
from carlib.downloads import DownloadError, download
from tests.web import served

BODY = b"what was asked for" * 100


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSES", (0, 0))
    with served(BODY) as server:
        yield server


def failure(address, path, max_bytes=2000, known_hash=None) -> str:
    """What a download says that fails, and keeps what was there, and only that."""
    path.write_bytes(b"old")
    with pytest.raises(DownloadError) as caught:
        download(address, path, max_bytes, known_hash)
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_comes_whole_and_replaces_the_old_one(
    server, tmp_path, algorithm, capsys
):
    path, digest = tmp_path / "made" / "a", hashlib.new(algorithm, BODY).hexdigest()
    for _ in range(2):
        known_hash = digest if algorithm == "sha256" else f"md5:{digest}"
        assert download(server.address, path, len(BODY), known_hash) == path
        assert path.read_bytes() == BODY
        path.write_bytes(b"old")
    shown = capsys.readouterr()
    assert shown.out == 2 * f"Downloading {server.address}\n"
    assert "preprocessed.zip: 100%" in shown.err


@pytest.mark.skipif(os.name == "nt", reason="modes are a Unix matter")
def test_others_may_read_a_file_that_came(server, tmp_path):
    path = download(server.address, tmp_path / "a", len(BODY))
    (tmp_path / "b").touch()
    assert path.stat().st_mode == (tmp_path / "b").stat().st_mode


def test_another_content_is_refused_with_a_word_on_what_came(server, tmp_path):
    server.body = b"25 bytes, and quite others"
    says = failure(server.address, tmp_path / "a", known_hash="0" * 64)
    assert "26 bytes that begin with b'25 bytes, and q' came" in says


def test_a_web_page_in_the_place_of_a_file_is_called_one(server, tmp_path):
    server.body = b"\n<!DOCTYPE html><html>Log in first</html>"
    says = failure(server.address, tmp_path / "a")
    assert "a web page of 41 bytes came in its place" in says


@pytest.mark.parametrize("fault", ["cut", "busy"])
def test_what_may_pass_is_tried_again(server, tmp_path, monkeypatch, capsys, fault):
    """A connection that was cut, a server that has too much to do."""
    monkeypatch.setattr(downloads, "PAUSES", (1, 4))

    def mend(seconds):
        assert seconds == 1
        server.fault, server.status = "", 200

    server.fault, server.status = ("cut", 200) if fault == "cut" else ("", 503)
    monkeypatch.setattr(time, "sleep", mend)
    monkeypatch.setattr(downloads, "await_answer", lambda address: None)
    assert download(server.address, tmp_path / "a", len(BODY)).read_bytes() == BODY
    assert "trying again in 1 seconds" in capsys.readouterr().out


def test_a_file_that_is_too_large_is_refused(server, tmp_path):
    assert "larger" in failure(server.address, tmp_path / "a", len(BODY) - 1)


def test_an_address_that_leads_nowhere_says_so(server, tmp_path):
    server.status = 404
    says = failure(server.address, tmp_path / "a")
    assert "404" in says and f"The address was {server.address}" in says


def test_a_connection_that_is_cut_says_so(server, tmp_path):
    server.fault = "cut"
    assert "the connection was cut" in failure(server.address, tmp_path / "a")


def test_a_server_that_refuses_is_an_error_at_once(tmp_path):
    started = time.monotonic()
    assert "no connection" in failure("http://127.0.0.1:9/a", tmp_path / "a")
    assert time.monotonic() - started < 5


def test_a_server_that_never_answers_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", 0.3)
    server.fault = "silent"
    assert failure(server.address, tmp_path / "a") == "no answer within 0.3 seconds"


def test_a_server_that_stops_in_the_middle_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", (1, 0.3))
    server.fault = "stalls"
    assert "no connection" in failure(server.address, tmp_path / "a")
