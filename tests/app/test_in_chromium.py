"""The page as somebody opens it: served, from a folder, and as one file."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carlib.app import html as module
from carlib.app.html import write_html
from carlib.data import images
from carlib.data.locate import locate_data
from carlib.data.table import load_index
from carlib.errors import ExportError
from carlib.model.model import load_model
from tests.app.conftest import Shown

PHONE = {"viewport": {"width": 360, "height": 740}}
PROJECTOR = {"viewport": {"width": 1024, "height": 768}}
CLOSE = 1e-3
NAME = "\"><img src=x onerror='window.harmed = 1'> {{ 7 * 7 }}.jpeg"


def agrees(shown, model, paths):
    """Ask the page and Python about photos; return how far they are apart at most."""
    expected = model.predict(list(paths), progress=False)
    worst = 0.0
    for path, row in zip(paths, expected.to_dict("records"), strict=True):
        found, unsure = shown.answer(path)
        assert next(iter(found)) == row["predicted_label"]
        assert unsure == row["refused"]
        worst = max(worst, *(abs(found[name] - row[name]) for name in found))
    return worst


# One file


@pytest.mark.slow
def test_from_a_disk_without_a_network_it_answers_as_python_does(
    opened, html, model, photos
):
    shown = opened(html, offline=True)
    some = photos.image_path[:: len(photos) // 20][:20]
    assert agrees(shown, model.at("float32"), some) < CLOSE
    assert shown.asked == [] and shown.errors == []
    assert html.stat().st_size < module.MOST


def test_a_share_is_never_told_as_more_than_it_is(opened, html, model, photos):
    shown = opened(html, offline=True)
    told = {}
    for path in photos.image_path[:8]:
        found, _ = shown.answer(path)
        texts = shown.page.locator("#bars .number").all_inner_texts()
        told |= dict(zip(found.values(), texts, strict=True))
    assert any(share < 1e-3 for share in told)
    for share, text in told.items():
        number = float(text.strip("<>\u00a0%"))
        assert text.startswith("<") == (share < 1e-3)
        assert text.startswith(">") == (share > 0.999)
        assert abs(number - 100 * share) <= 0.5 or text[0] in "<>"


@pytest.mark.slow
def test_on_two_hundred_photos_too(opened, html, model, photos):
    shown = opened(html, offline=True)
    assert agrees(shown, model.at("float32"), photos.image_path[:200]) < CLOSE


@pytest.mark.slow
def test_on_real_photos_too(opened, html, model, real_photos):
    real = load_index(locate_data(real_photos))
    shown = opened(html, offline=True)
    some = real.image_path[:: len(real) // 200][:200]
    assert agrees(shown, model.at("float32"), some) < CLOSE


@pytest.mark.slow
def test_where_it_would_be_too_large_weights_are_halved_then_it_is_refused(
    opened, html, model, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "MOST", html.stat().st_size - 1)
    smaller = write_html(model, tmp_path / "smaller.html")
    assert smaller.stat().st_size < 0.75 * html.stat().st_size
    shown = opened(smaller, offline=True)
    assert agrees(shown, model.at("float32"), photos.image_path[:3]) < 0.02
    monkeypatch.setattr(module, "MOST", 1_000_000)
    with pytest.raises(ExportError, match="of 1 MB or less"):
        write_html(model, tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


# A folder


def test_from_a_file_server_it_asks_for_nothing_but_its_own_files(
    opened, files, model, photos
):
    shown = opened(files)
    assert agrees(shown, model.at("float32"), photos.image_path[:2]) < CLOSE
    assert {each for each in shown.asked if not each.startswith(files)} == set()
    assert shown.errors == []


# Pixels


def encoded(kind="PNG", size=(224, 224), mode="RGB", **options):
    """A photo of smooth noise, as large as asked for."""
    draw = np.random.default_rng(3)
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    small = draw.integers(0, 256, (30, 40, channels), np.uint8).squeeze()
    file = io.BytesIO()
    Image.fromarray(small).resize(size).save(file, kind, **options)
    return file.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", (300, 260), quality=92, exif=exif)


@pytest.mark.parametrize(
    ("photo", "most"),
    [
        (encoded(), 0),
        (encoded(size=(640, 480)), 0),
        (encoded(size=(333, 1000)), 0),
        (encoded(size=(100, 70)), 0),
        (encoded(mode="L", size=(300, 300)), 0),
        (encoded("JPEG", quality=92), 0),
        (encoded("JPEG", (440, 400), quality=92), 0),
        (encoded("JPEG", (300, 260), "L", quality=92), 0),
        (turned(6), 0),
        (turned(2), 0),
        (encoded(mode="RGBA", size=(300, 200)), 2),  # a browser mixes with 8 bits
    ],
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_prepared_as_carlib_does(shown_files, photo, most, interpolation):
    made = shown_files.square(photo, 224, interpolation)
    expected = images.pixels(photo, 224, interpolation)
    assert np.abs(made.astype(int) - expected).max() <= most


@pytest.fixture(scope="module")
def shown_files(browser, files):
    """The folder's page, open for all tests of pixels."""
    shown = Shown(browser, files)
    yield shown
    shown.context.close()


def test_of_a_large_jpeg_the_square_is_nearly_the_same(shown_files):
    """carlib decodes it at a half or less of its size, which no browser can."""
    photo = encoded("JPEG", (2000, 1500), quality=92)
    made = shown_files.square(photo, 224, "bicubic").astype(int)
    assert np.abs(made - images.pixels(photo, 224, "bicubic")).mean() < 0.5


# Served


def test_served_it_shows_answer_map_and_neighbours(opened, app, model, photos):
    shown = opened(app.address)
    found, unsure = shown.answer(photos.image_path[0])
    row = model.predict([photos.image_path[0]], progress=False).iloc[0]
    assert found == {name: row[name] for name in model.class_names}
    assert unsure == row.refused
    shown.page.wait_for_selector("#nearest-photos img")
    assert shown.page.evaluate("document.getElementById('map').width") == 7
    assert {each for each in shown.asked if not each.startswith(app.address)} == set()
    assert shown.errors == []


@pytest.mark.parametrize(
    "options", [PHONE, PROJECTOR, PROJECTOR | {"color_scheme": "dark"}]
)
def test_axe_finds_nothing_and_no_page_is_wider_than_its_screen(
    opened, html_with_photos, photos, tmp_path, options
):
    shown = opened(html_with_photos, **options)
    bad = tmp_path / "bad.txt"
    bad.write_text("no photo", "utf-8")
    for photo in (photos.image_path[0], bad, photos.image_path[1]):
        shown.answer(photo)
    assert shown.violations() == []
    width = shown.page.evaluate("document.documentElement.scrollWidth")
    assert width == options["viewport"]["width"]


def test_names_do_no_harm_and_a_bad_file_is_told_in_words(
    opened, app, photos, tmp_path
):
    shown = opened(app.address)
    hostile = tmp_path / NAME.replace("/", "")
    hostile.write_bytes(Path(photos.image_path[0]).read_bytes())
    shown.answer(hostile)
    assert shown.page.text_content("#name") == hostile.name
    bad = tmp_path / "bad.txt"
    bad.write_text("hello", "utf-8")
    shown.answer(bad)
    assert "not an image" in shown.page.text_content("#sure")
    assert shown.page.evaluate("window.harmed") is None
    assert shown.errors == []


def test_a_photo_can_be_dropped_or_pasted_and_many_can_come_at_once(
    opened, app, photos
):
    shown = opened(app.address)
    data = list(Path(photos.image_path[0]).read_bytes())
    for kind, key in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        shown.page.evaluate(
            "([kind, key, data]) => { const files = new DataTransfer();"
            " files.items.add(new File([new Uint8Array(data)], kind + '.jpeg'));"
            " const Kind = kind === 'drop' ? DragEvent : ClipboardEvent;"
            " const event = new Kind(kind, { [key]: files, bubbles: true });"
            " document.getElementById('drop').dispatchEvent(event); }",
            [kind, key, data],
        )
        shown.page.wait_for_selector(f"#said:text-matches('^{kind}.jpeg: ')")
    shown.page.set_input_files("#files", list(photos.image_path[:5]))
    shown.page.wait_for_selector("#strip-photos li:nth-child(7)")
    shown.page.focus("#strip-photos li:nth-child(7) button")
    shown.page.keyboard.press("Enter")
    assert shown.page.text_content("#name") == "drop.jpeg"


def test_the_camera_is_a_source_too_and_without_one_words_say_so(opened, app):
    shown = opened(app.address)
    shown.page.click("[data-camera=once]")
    shown.page.wait_for_selector("#said:text-matches('^No camera')")
    shown.page.evaluate(
        "() => { const canvas = document.createElement('canvas');"
        " canvas.getContext('2d').fillRect(0, 0, 9, 9);"
        " navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(9);"
        " setInterval(() => canvas.getContext('2d').fillRect(9, 9, 9, 9), 50); }"
    )
    shown.page.click("[data-camera=once]")
    shown.page.wait_for_selector("#camera[open]")
    shown.page.wait_for_timeout(500)
    shown.page.click("#take")
    shown.page.wait_for_selector("#said:text-matches('^camera 1.png: ')")
    assert not shown.page.is_visible("#camera")


@pytest.mark.parametrize("size", [(300, 900), (900, 300), (224, 224)])
def test_photo_and_map_lie_on_each_other(opened, app, tmp_path, size):
    photo = tmp_path / "photo.png"
    photo.write_bytes(encoded(size=size))
    shown = opened(app.address)
    shown.answer(photo)
    image, drawn = (
        shown.page.query_selector(name).bounding_box() for name in ("#photo", "#map")
    )
    assert image == drawn
    assert image["width"] / image["height"] == pytest.approx(size[0] / size[1], 0.02)


# Taught


def teach(shown, name, paths):
    """Add photos to a class, and the class where there is none."""
    if not shown.page.query_selector(f'input[data-teach="{name}"]'):
        shown.page.fill("#new-name", name)
        shown.page.press("#new-name", "Enter")
    shown.page.set_input_files(f'input[data-teach="{name}"]', list(paths))
    shown.page.wait_for_selector(f"#taught:text-matches('^{len(paths)} photos of')")


def learn(shown):
    shown.page.click("#learn")
    shown.page.wait_for_selector("#taught:text-matches('^Learned')", timeout=60_000)


def saved(shown, tmp_path):
    with shown.page.expect_download() as started:
        shown.page.click("#save")
    started.value.save_as(tmp_path / "ImageModel.zip")
    return load_model(tmp_path / "ImageModel.zip")


def heads_apart(one, other):
    pairs = [(getattr(one.head, n), getattr(other.head, n)) for n in ("kernel", "bias")]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.slow
def test_taught_from_nothing_its_head_is_pythons(
    opened, html, trainer_of, train, photos, tmp_path
):
    some = train[train.damage_class.isin(["door_dent", "tail_lamp"])]
    some = some.groupby("damage_class").head(6).reset_index(drop=True)
    some["damage_class"] = some.damage_class.replace(
        "tail_lamp", "\u00e9clat \U0001f697"
    )
    shown = opened(html, offline=True)
    for name, group in some.groupby("damage_class"):
        teach(shown, name, group.image_path)
    learn(shown)
    made = saved(shown, tmp_path)
    expected = trainer_of(some, optimizer="lbfgs", l2=0.1, augment="flip")
    assert made.class_names == expected.class_names
    assert heads_apart(made, expected) < 1e-4
    assert made.trained_on == expected.trained_on
    assert "12 photos" in made.notes[0] and made.metrics == {}
    assert agrees_now(shown, made.at("float32"), photos.image_path[0]) < CLOSE
    assert shown.errors == [] and shown.asked == []


def agrees_now(shown, model, path):
    row = model.predict([path], progress=False).iloc[0]
    found, _ = shown.answer(path)
    return max(abs(found[name] - row[name]) for name in found)


@pytest.mark.slow
def test_a_class_is_added_to_those_it_knows(
    opened, html_with_photos, trainer_of, few, train, tmp_path
):
    new = train[train.damage_class == "door_dent"].tail(5).assign(damage_class="new")
    shown = opened(html_with_photos, offline=True)
    teach(shown, "new", new.image_path)
    learn(shown)
    made = saved(shown, tmp_path)
    every = pd.concat([few, new], ignore_index=True)
    expected = trainer_of(every, optimizer="lbfgs", l2=0.1, augment="flip")
    assert made.class_names == expected.class_names
    assert heads_apart(made, expected) < 1e-4
    assert made.trained_on == expected.trained_on


@pytest.mark.slow
def test_undo_takes_back_one_step_after_another(opened, html, photos, train):
    shown = opened(html)
    before = shown.answer(photos.image_path[0])
    paths = list(train.image_path)
    teach(shown, "one", paths[:2])
    teach(shown, "two", paths[2:4])
    learn(shown)
    assert list(shown.answer(photos.image_path[0])[0]) != list(before[0])
    for _ in range(5):
        shown.page.click("#undo")
    assert shown.page.is_disabled("#undo") and shown.page.is_disabled("#save")
    assert shown.page.query_selector_all("#classes li") == []
    assert shown.answer(photos.image_path[0]) == before


def test_the_same_photo_is_not_taken_twice_nor_what_is_none(
    opened, html, train, tmp_path
):
    shown = opened(html)
    teach(shown, "one", train.image_path[:2])
    bad = tmp_path / "bad.txt"
    bad.write_text("hello", "utf-8")
    again = [train.image_path[0], str(bad)]
    shown.page.set_input_files('input[data-teach="one"]', again)
    shown.page.wait_for_selector("#taught:text-matches('^0 photos of one added')")
    text = shown.page.text_content("#taught")
    assert "it is here already" in text and "bad.txt: This is no photo" in text
