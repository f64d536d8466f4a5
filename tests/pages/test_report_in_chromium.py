"""The report as somebody opens it."""

import json
from pathlib import Path

import pytest

PHONE = {"viewport": {"width": 360, "height": 740}}
DESK = {"viewport": {"width": 1280, "height": 900}}


def data_of(page):
    return json.loads(page.text_content("#page-data"))


def scroll_through(page):
    for _ in range(60):
        page.keyboard.press("PageDown")
    page.wait_for_timeout(100)


@pytest.mark.parametrize("options", [PHONE, DESK, DESK | {"color_scheme": "dark"}])
def test_axe_finds_nothing_and_no_page_is_wider_than_its_screen(opened, options):
    shown = opened(**options)
    assert shown.violations() == []
    width = shown.page.evaluate("document.documentElement.scrollWidth")
    assert width == options["viewport"]["width"]
    shown.page.click(".matrix a")
    assert shown.violations() == []


def test_no_request_leaves_and_no_name_does_harm(opened):
    shown = opened(**DESK)
    for link in shown.page.query_selector_all("[data-gallery]"):
        link.click()
        shown.page.keyboard.press("Escape")
    scroll_through(shown.page)
    assert shown.asked == []
    assert shown.errors == []
    assert shown.page.evaluate("window.harmed") is None
    assert "49" not in shown.page.text_content(".matrix thead")
    assert "{{ 7 * 7 }}" in shown.page.text_content(".matrix thead")


def test_a_click_on_a_cell_shows_exactly_its_photos(opened, named, named_model):
    shown = opened(**DESK)
    table = named_model.predict(
        named[named.subset == "V"], on_error="skip", progress=False
    )
    good, names = table[table.error == ""], sorted(set(table.damage_class))
    stored = data_of(shown.page)["photos"]
    cells = shown.page.query_selector_all(".matrix a")
    assert sum(int(cell.text_content()) for cell in cells) == len(good)
    for cell in cells:
        _, i, j = cell.get_attribute("data-gallery").split("-")
        expected = good[
            (good.damage_class == names[int(i)])
            & (good.predicted_label == names[int(j)])
        ]
        cell.click()
        images = shown.page.query_selector_all("dialog .photos img")
        sources = {each["src"]: each["name"] for each in stored}
        shown.page.wait_for_function(
            "[...document.querySelectorAll('dialog img')].every((each) => each.src)"
        )
        found = sorted(sources[each.get_attribute("src")] for each in images)
        assert found == sorted(visible(path) for path in expected.image_path)
        assert len(images) == int(cell.text_content()) == len(expected)
        assert str(len(expected)) in shown.page.text_content("#gallery-title")
        shown.page.keyboard.press("Escape")


def visible(path: str) -> str:
    return Path(path).name.replace("\u202e", "\\u202e")


def test_the_keyboard_alone_opens_photos_and_comes_back(opened):
    shown = opened(**DESK)
    page = shown.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip")
    cell = page.query_selector(".matrix a")
    cell.focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert page.is_visible("#gallery")
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    assert not page.is_visible("#gallery")
    back = page.evaluate("document.activeElement.dataset.gallery")
    assert back == cell.get_attribute("data-gallery")


def test_pictures_come_when_they_are_looked_at(opened):
    shown = opened(**PHONE)
    assert shown.page.query_selector_all("main img[data-photo]")
    scroll_through(shown.page)
    shown.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.page.query_selector_all("img[data-photo]") == []
    loaded = "[...document.images].every((each) => each.naturalWidth > 0)"
    shown.page.wait_for_function(loaded)


def test_without_scripts_the_text_is_whole_and_a_cell_leads_to_its_photos(opened):
    shown = opened(**DESK, java_script_enabled=False)
    page = shown.page
    assert "Of 100 such photos" in page.text_content("main")
    for cell in page.query_selector_all(".matrix a"):
        place = page.query_selector(cell.get_attribute("href"))
        assert len(place.query_selector_all("tr")) == int(cell.text_content())
    assert page.query_selector('[id="class-0-photos"]')


def test_it_prints_on_few_pages_without_what_is_only_for_the_screen(opened):
    shown = opened(**DESK)
    shown.page.emulate_media(media="print")
    assert not shown.page.is_visible("nav.contents")
    assert shown.page.is_visible(".matrix")
    assert shown.page.pdf(format="A4").startswith(b"%PDF")
