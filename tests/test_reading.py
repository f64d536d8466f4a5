"""Files that anybody may have put there are read within bounds, or refused at once."""

import hashlib
import os
from pathlib import Path

import pytest

from carlib import reading
from carlib.reading import open_file, read_json, sha256_of


@pytest.mark.skipif(os.name == "nt", reason="no such files")
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "circle", "nowhere"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        targets = {"device": "/dev/zero", "circle": path, "nowhere": "nowhere"}
        path.symlink_to(targets[kind])
    for read in (open_file, read_json, sha256_of):
        with pytest.raises(OSError):
            read(path)


@pytest.mark.skipif(os.name == "nt", reason="no devices")
def test_a_device_is_not_even_opened(monkeypatch):
    monkeypatch.setattr(reading, "_at_once", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(OSError, match="not a file"):
        open_file("/dev/zero")


def test_a_link_to_a_file_is_read_like_the_file(tmp_path):
    (tmp_path / "file").write_bytes(b"[1]")
    (tmp_path / "link").symlink_to("file")
    assert read_json(tmp_path / "link") == [1]
    assert sha256_of(tmp_path / "link") == sha256_of(tmp_path / "file")


@pytest.mark.parametrize("text", ["[" * 70_000, "[" * 60_000, "{", "", "\udcff"])
def test_json_that_is_none_or_too_large_or_too_deep_is_a_value_error(tmp_path, text):
    (tmp_path / "x").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError):
        read_json(tmp_path / "x")


def test_a_file_is_hashed_as_far_as_its_size_goes():
    """Some of the system's own, of no size, have no end."""
    endless = Path("/proc/self/maps")
    if not endless.exists():
        pytest.skip("no such files here")
    assert endless.stat().st_size == 0
    assert sha256_of(endless) == hashlib.sha256(b"").hexdigest()
