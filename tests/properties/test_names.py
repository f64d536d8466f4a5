"""A photo's name in an index never leads out of the data folder."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.data.folder import PhotoFolder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights there")
FEW = settings(max_examples=400, deadline=None, derandomize=True)
PARTS = ["image", "Image", "1.jpeg", "é.jpeg", "e\u0301.jpeg", "..", ".", "", "~", " "]
PARTS += ["out", "up", "loop", "near", "fifo", "C:", "\0", "x" * 300, "\udcff", "home"]
NAMES = st.tuples(
    st.sampled_from(["", "/", "\\", "//", "~/", "C:\\", "file://"]),
    st.lists(st.sampled_from(PARTS) | st.text(max_size=4), max_size=5),
    st.sampled_from("/\\"),
).map(lambda parts: parts[0] + parts[2].join(parts[1]))


@pytest.fixture(scope="module")
def folder():
    """A data folder, with links out of it, in a circle, and to what is inside."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "data")
        (root / "image").mkdir(parents=True)
        Path(name, "1.jpeg").write_bytes(b"outside")
        for photo in ("1.jpeg", "image/1.jpeg", "image/é.jpeg"):
            (root / photo).write_bytes(b"inside")
        links = {"out": "../1.jpeg", "up": "..", "loop": "loop", "near": "image"}
        for link, target in links.items():
            (root / link).symlink_to(target)
            (root / "image" / link).symlink_to(f"../{target}")
        os.mkfifo(root / "fifo")
        yield root


@pytest.fixture(scope="module")
def photos(folder):
    return PhotoFolder(folder)


def is_inside(folder: Path, found: str) -> bool:
    path = folder / found
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


@FEW
@given(NAMES)
def test_what_is_found_is_a_file_inside_the_folder(folder, photos, name):
    try:
        found = photos.find(name)
    except LookupError as error:
        assert str(error)
        return
    assert is_inside(folder, found)
    assert photos.find(found) == found


@pytest.mark.parametrize(
    "name",
    ["out", "up/1.jpeg", "loop", "fifo", "image/up/1.jpeg", "image/../../1.jpeg"],
)
def test_links_and_dots_that_lead_elsewhere_are_refused(photos, name):
    with pytest.raises(LookupError):
        photos.find(name)


@pytest.mark.parametrize("name", ["image/1.jpeg", "image\\1.jpeg", "./image//1.jpeg"])
def test_a_photo_inside_is_found_however_it_is_spelt(photos, name):
    assert photos.find(name) == "image/1.jpeg"
