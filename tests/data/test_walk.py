"""One walk through a folder of photos; content decides, and nothing goes in silence."""

import os
from pathlib import Path

import pytest

from carlib.data.walk import left_out_text, walk
from tests.data.written import put

JPEG = b"\xff\xd8\xff\xe0" + bytes(30)
STARTS = {
    "jfif": JPEG,
    "webp": b"RIFF1234WEBP",
    "png": b"\x89PNG\r\n\x1a\n",
    "bmp": b"BM1234" + bytes(8),
}


def found(root: Path) -> tuple[list[str], dict[str, str]]:
    photos, left_out = walk(root)
    return [p.as_posix() for p in photos], {p.as_posix(): k for p, k in left_out}


def test_content_decides_and_not_the_suffix(tmp_path):
    named = {"a/x.jfif": "jfif", "a/no suffix": "png", "x.dat": "webp", "b/c/y": "bmp"}
    put(tmp_path, {name: STARTS[kind] for name, kind in named.items()})
    put(tmp_path, {"cut.jpg": b"", "notes.txt": b"BM is a firm", "a/x.heic": b"x"})
    photos, left_out = found(tmp_path)
    assert photos == sorted([*named, "cut.jpg"], key=lambda name: Path(name).parts)
    assert left_out == {"notes.txt": ".txt", "a/x.heic": ".heic"}


def test_what_systems_leave_behind_is_passed_by_without_a_word(tmp_path):
    junk = ["._a.jpg", "__MACOSX/b.jpg", ".ipynb_checkpoints/c.jpg", "Thumbs.db"]
    put(tmp_path, dict.fromkeys([*junk, "desktop.ini", ".DS_Store"], JPEG))
    assert found(put(tmp_path, {"a.jpg": JPEG})) == (["a.jpg"], {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_nothing_is_followed_into_a_hang(tmp_path):
    root = put(tmp_path / "photos", {"a/a.jpg": JPEG})
    os.mkfifo(root / "fifo.jpg")
    (root / "zero.jpg").symlink_to("/dev/zero")
    (root / "circle.jpg").symlink_to("circle.jpg")
    (root / "dangling.jpg").symlink_to("nowhere.jpg")
    (root / "a" / "up").symlink_to("..")
    (root / "linked.jpg").symlink_to("a/a.jpg")
    photos, left_out = found(root)
    assert photos == ["a/a.jpg", "linked.jpg"]
    assert set(left_out) == {
        *("fifo.jpg", "zero.jpg", "circle.jpg", "dangling.jpg", "a/up")
    }


def test_what_is_left_out_is_counted_by_kind_and_folder():
    left_out = [(Path(f"a/{n}.heic"), ".heic") for n in range(1200)]
    left_out += [(Path("notes"), "file without a suffix")]
    text = left_out_text(left_out)
    assert text == "Left out: 1,200 .heic in a, 1 file without a suffix."
    many = [(Path(f"{n}/x.txt"), ".txt") for n in range(100)]
    assert left_out_text(many).endswith("91 more.") and left_out_text([]) == ""
