"""The store of a page's photos."""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from carlib.pages import thumbnails
from carlib.pages.thumbnails import SIDE, PhotoStore


def filled(paths, **options):
    store = PhotoStore(map(str, paths), **options)
    for path in paths:
        store.number(str(path))
    store.fill(progress=False)
    return store


def image_of(shown):
    data = base64.b64decode(shown.src.partition(",")[2])
    return Image.open(io.BytesIO(data))


@pytest.fixture
def three(sample):
    return sorted((sample / "image").iterdir())[:3]


def test_a_photo_has_one_number_and_its_first_caption(three):
    store = PhotoStore(map(str, three))
    pairs = zip([*three, three[0]], "abcd", strict=True)
    numbers = [store.number(str(path), caption) for path, caption in pairs]
    assert numbers == [0, 1, 2, 0]
    assert [each["caption"] for each in store.to_list()] == ["a", "b", "c"]


def test_a_picture_is_a_small_jpeg_of_the_photos_shape_and_nothing_else(tmp_path):
    path = tmp_path / "a.jpeg"
    exif = Image.Exif()
    exif[0x010E] = "somebody's secret"
    Image.new("RGB", (600, 300), "red").save(path, exif=exif)
    store = filled([path])
    made = image_of(store[0])
    assert made.format == "JPEG" and "exif" not in made.info
    assert made.size == (store[0].width, store[0].height) == (SIDE, SIDE // 2)


def test_the_budget_is_kept_and_the_first_photos_come_first(three):
    whole = filled(three)
    room = len(whole[0].src) + len(whole[1].src)
    store = filled(three, budget=room)
    assert [bool(store[n].src) for n in range(3)] == [True, True, False]
    assert (whole.n_left_out, store.n_left_out) == (0, 1)


def test_a_thousand_photos_of_the_worst_kind_fit_into_15_megabytes(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "0.png")
    for number in range(1, 1000):
        shutil.copy(tmp_path / "0.png", tmp_path / f"{number}.png")
    store = filled(sorted(tmp_path.iterdir()))
    size = sum(len(each["src"]) for each in store.to_list())
    assert 10_000_000 < size < thumbnails.BUDGET < 15_000_000
    assert 0 < store.n_left_out < 1000


def test_a_photo_that_can_not_be_read_has_no_picture(tmp_path):
    path = tmp_path / "a.jpeg"
    path.write_bytes(b"no photo")
    assert filled([path])[0].src == ""


def test_names_are_told_from_the_common_folder(tmp_path):
    paths = [str(tmp_path / name) for name in ("T/1.jpeg", "V/1.jpeg", "V/\u202e2.png")]
    names = [*thumbnails.names_of(paths).values()]
    assert names == ["T/1.jpeg", "V/1.jpeg", "V/\\u202e2.png"]
    assert thumbnails.names_of(paths[:1]) == {paths[0]: "1.jpeg"}
    assert thumbnails.names_of([]) == {}


def test_folders_are_left_out_of_what_is_told():
    store = PhotoStore(["/a b/c d/1.jpeg", "/a b/c d/2.jpeg"])
    told = store.without_folders(
        "Left out: /a b/c d/1.jpeg, /x/y/2.jpeg, C:\\u\\3.jpeg."
    )
    assert told == "Left out: 1.jpeg, 2.jpeg, 3.jpeg."
    assert store.without_folders("3 and/or 4 km/h") == "3 and/or 4 km/h"


def test_a_photo_from_elsewhere_has_its_name_alone(tmp_path):
    assert PhotoStore([str(tmp_path / "1.jpeg")]).name("/other/2.jpeg") == "2.jpeg"
