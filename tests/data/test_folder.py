"""Photos are found by the names that people have for them, at the cost of a look-up."""

import time
import unicodedata
from pathlib import Path

import pytest

from carlib.data.folder import PhotoFolder


def test_an_absolute_path_inside_the_folder_is_found(folder):
    name = str((folder / "image" / "1.jpeg").absolute())
    assert PhotoFolder(folder).find(name) == "image/1.jpeg"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("1.jpeg", "image/1.jpeg"), ("1", "image/1.jpeg"), ("1.png", "image/1.jpeg")),
        *(("pictures/1.jpeg", "image/1.jpeg"), ("image/1.JPEG", "image/1.jpeg")),
    ],
)
def test_a_name_that_misses_is_told_what_was_meant(folder, name, meant):
    with pytest.raises(LookupError, match=f"there is no {name}; did you mean {meant}"):
        PhotoFolder(folder).find(name)


def test_a_folder_in_another_case_is_told_what_was_meant(folder):
    if (folder / "IMAGE").exists():
        pytest.skip("this disk ignores case")
    with pytest.raises(LookupError, match="did you mean image"):
        PhotoFolder(folder).find("IMAGE/1.jpeg")


def test_a_folder_in_the_other_unicode_form_is_found(folder):
    on_disk = unicodedata.normalize("NFD", "Türen")
    (folder / "image").rename(folder / on_disk)
    assert PhotoFolder(folder).find("Türen/1.jpeg") == f"{on_disk}/1.jpeg"


def test_an_address_is_called_one(folder):
    with pytest.raises(LookupError, match="is an address"):
        PhotoFolder(folder).find("https://example.org/1.jpeg")


@pytest.mark.parametrize("form", ["case", "suffix", "unicode"])
def test_ten_thousand_names_that_miss_cost_no_more_than_a_look_each(tmp_path, form):
    changed = {
        "case": str.upper,
        "suffix": lambda name: name.replace(".jpg", ".png"),
        "unicode": lambda name: unicodedata.normalize("NFD", name),
    }[form]
    names = [f"é{number}.jpg" for number in range(10_000)]
    for name in names:
        Path(tmp_path / changed(name)).touch()
    folder, began = PhotoFolder(tmp_path), time.monotonic()
    for name in names:
        try:
            assert folder.find(name) == changed(name)
        except LookupError as error:
            assert "did you mean" in str(error)
    assert time.monotonic() - began < 10  # a minute and more, were it quadratic
