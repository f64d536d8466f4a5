"""Files that can't be read, and false suffixes."""

import shutil

from carlib.audits.faults import file_faults
from carlib.data.sources import as_sources
from tests.faults.made import encoded, quarters


def test_each_format_is_known_under_its_own_suffixes_alone(tmp_path):
    right = {"JPEG": "a.JPG", "PNG": "b.png", "WEBP": "c.webp", "BMP": "d.bmp"}
    right |= {"GIF": "e.gif", "TIFF": "f.tif", "MPO": "g.jpeg"}
    for kind, name in right.items():
        (tmp_path / name).write_bytes(encoded(quarters(), kind))
    sources = as_sources(sorted(tmp_path.iterdir()))
    assert file_faults(sources, {}).empty
    for name in right.values():
        shutil.move(tmp_path / name, tmp_path / f"{name}.gif")
    faults = file_faults(as_sources(sorted(tmp_path.iterdir())), {})
    assert len(faults) == 6 and set(faults.kind) == {"suffix"}
    assert faults.problem[0] == f"{tmp_path / 'a.JPG.gif'} is JPEG, not .gif."


def test_what_cannot_be_read_is_told_once_and_first(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(quarters(), "JPEG"))
    (tmp_path / "b.png").write_bytes(encoded(quarters(), "JPEG")[:50])
    sources = as_sources([tmp_path / "a.png", tmp_path / "b.png", b"bytes"])
    faults = file_faults(sources, {1: "b.png is cut off."})
    assert faults.kind.tolist() == ["unreadable", "suffix"]
    assert faults.problem[0] == "b.png is cut off."
    assert faults.image_path.tolist() == [sources[1].name, sources[0].name]


def test_a_file_without_suffix_or_of_no_known_format_has_no_false_one(tmp_path):
    (tmp_path / "photo").write_bytes(encoded(quarters(), "PNG"))
    (tmp_path / "note.png").write_bytes(b"hello")
    sources = as_sources([tmp_path / "photo", tmp_path / "note.png"])
    assert file_faults(sources, {}).empty
