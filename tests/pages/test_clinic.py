"""The label clinic: cases, choices, and decisions that come out of the page."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from carlib.data.decisions import COLUMNS, NAMES, read_decisions, write_decisions
from carlib.errors import OutputError
from carlib.pages import clinic as module
from carlib.pages.cases import Side, _of_label, _of_pair, cases
from carlib.pages.clinic import clinic
from carlib.pages.thumbnails import PhotoStore
from carlib.reading import sha256_of
from tests.browser import Opened
from tests.pages.audited import audited

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
T1, T2, V1 = (Side(f"{n}.jpeg", "dent", n[0], n[-1] * 64) for n in ("T1", "T2", "V3"))


@pytest.fixture(scope="module")
def found(named):
    return audited(named)


@pytest.fixture(scope="module")
def page(named, found, tmp_path_factory):
    """The clinic's file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "audit", lambda *_, **__: found)
        output = tmp_path_factory.mktemp("clinic") / "clinic.html"
        return clinic(named, output, progress=False)


@pytest.fixture
def clinics(browser, page):
    """Open the clinic, as on a screen of some width."""
    pages = []

    def make(path=page, **options):
        pages.append(Opened(browser, path, **options))
        return pages[-1]

    yield make
    for each in pages:
        each.context.close()


def press(shown, keys):
    for key in keys:
        shown.page.keyboard.press(key)


def saved(shown, tmp_path) -> pd.DataFrame:
    """What the page's button saves, read as load_index reads it."""
    with shown.page.expect_download() as started:
        shown.page.click("#download")
    assert started.value.suggested_filename == "labels.patch.csv"
    started.value.save_as(tmp_path / "labels.patch.csv")
    return read_decisions(tmp_path / "labels.patch.csv")


def decided(table: pd.DataFrame) -> dict[str, str]:
    """What was decided about labels, by hash."""
    labels = table[table.kind == "label"]
    return dict(zip(labels.photo, labels.decision, strict=True))


# What is asked


def choices(found):
    return {each["name"]: [row[:4] for row in each["rows"]] for each in found}


def test_of_two_labels_the_right_one_goes_to_both_photos():
    other = T2._replace(damage_class="lamp")
    left = choices(_of_pair(T1, other))["left"]
    assert ["label", other.sha256, "", "relabel:dent"] in left
    assert ["label", T1.sha256, "", "keep"] in left
    right = choices(_of_pair(T1, other))["right"]
    assert ["label", T1.sha256, "", "relabel:lamp"] in right


def test_of_a_pair_in_t_and_v_only_the_photo_in_t_can_be_left_out():
    for pair in ((T1, V1), (V1, T1)):
        drop = ["label", T1.sha256, "", "drop"]
        assert drop in choices(_of_pair(*pair))["drop"]
    assert "drop" not in choices(_of_pair(V1, V1._replace(sha256="4" * 64)))


def test_one_file_that_is_there_twice_is_never_taken_for_two_or_left_out_alone():
    assert set(choices(_of_pair(T1, T1))) == {"copy"}
    same = T1._replace(damage_class="lamp")
    assert set(choices(_of_pair(T1, same))) == {"left", "right"}
    assert choices(_of_pair(T1, same))["left"][1:] == [
        ["label", T1.sha256, "", "relabel:dent"]
    ]


def test_a_label_is_kept_or_changed_or_left_out():
    assert choices(_of_label(T1, "lamp")) == {
        "keep": [["label", T1.sha256, "", "keep"]],
        "suggested": [["label", T1.sha256, "", "relabel:lamp"]],
        "drop": [["label", T1.sha256, "", "drop"]],
    }
    assert set(choices(_of_label(T1, "dent"))) == {"keep", "drop"}


def test_cases_in_v_alone_come_last_and_say_that_they_change_no_figure(named, found):
    asked = cases(found, PhotoStore(named.image_path))
    assert [case["idle"] for case in asked] == [False] * 5 + [True]
    assert "changes no figure" in asked[-1]["words"]
    assert len({case["id"] for case in asked}) == len(asked)
    assert [len(case["photos"]) for case in asked] == [2, 2, 1, 1, 1, 1]


# The page


@pytest.mark.parametrize("options", [PHONE, DESK, DESK | {"color_scheme": "dark"}])
def test_axe_finds_nothing_and_no_page_is_wider_than_its_screen(clinics, options):
    shown = clinics(**options)
    assert shown.violations() == []
    press(shown, "ly")
    assert shown.violations() == []
    width = shown.page.evaluate("document.documentElement.scrollWidth")
    assert width == options["viewport"]["width"]


def test_keys_decide_and_the_file_holds_it_by_content(clinics, found, tmp_path):
    shown = clinics(**DESK)
    press(shown, "lx")
    assert shown.page.text_content("#progress") == "2 of 6 decided"
    press(shown, ["j", "s", "ArrowLeft", "ArrowLeft", "y"])
    table = saved(shown, tmp_path)
    one, two = found.pairs.itertuples()
    first, second, third, _ = found.suspects.itertuples()
    assert decided(table) == {
        one.sha256: "keep",
        one.other_sha256: f"relabel:{one.damage_class}",
        two.other_sha256: "drop",
        first.sha256: "keep",
        second.sha256: f"relabel:{second.suggested}",
    }
    pairs = table[table.kind == "pair"]
    assert list(pairs.decision) == ["copy", "copy"]
    assert {one.sha256, one.other_sha256} == {*pairs.iloc[0][["photo", "other"]]}
    assert third.sha256 not in set(table.photo)
    assert shown.asked == [] and shown.errors == []


def test_a_digit_gives_any_class_and_the_photos_own_class_keeps_it(
    clinics, found, tmp_path
):
    shown, names = clinics(**DESK), list(found.classes.damage_class)
    row = found.suspects.iloc[1]
    shown.page.click('[data-case="3"]')
    press(shown, str(names.index(row.damage_class) + 1))
    assert decided(saved(shown, tmp_path)) == {row.sha256: "keep"}
    other = next(n for n in names if n not in (row.damage_class, row.suggested))
    shown.page.click('[data-case="3"]')
    press(shown, str(names.index(other) + 1))
    assert decided(saved(shown, tmp_path)) == {row.sha256: f"relabel:{other}"}


def test_undo_takes_back_one_decision_after_another(clinics, found, tmp_path):
    shown = clinics(**DESK)
    press(shown, "rdu")
    assert shown.page.text_content("#progress") == "1 of 6 decided"
    assert shown.page.text_content("#case-title").startswith("2.")
    assert found.pairs.other_sha256[1] not in set(saved(shown, tmp_path).other)
    press(shown, "u")
    assert shown.page.text_content("#progress") == "0 of 6 decided"
    assert shown.page.is_disabled("#undo") and shown.page.is_disabled("#download")


def test_a_decision_that_contradicts_another_one_opens_that_again(clinics, tmp_path):
    shown = clinics(**DESK)
    press(shown, "ljx")
    assert shown.page.text_content("#progress") == "1 of 6 decided"
    assert "contradicts case 1, which is open again" in shown.page.text_content("#said")
    table = saved(shown, tmp_path)
    assert list(table.decision) == ["drop"]


def test_fingers_can_do_all_of_it_and_keys_can_be_switched_off(clinics):
    shown = clinics(**PHONE)
    page = shown.page
    page.tap('#choices [data-choice="left"]')
    page.tap("#next")
    page.tap('#choices [data-choice="keep"]')
    assert page.text_content("#progress") == "2 of 6 decided"
    page.tap("#undo")
    assert page.text_content("#progress") == "1 of 6 decided"
    desk = clinics(**DESK)
    desk.page.click("#keys")
    press(desk, "lrdx")
    assert desk.page.text_content("#progress") == "0 of 6 decided"


def test_what_is_decided_is_said_and_the_next_question_is_where_the_reader_is(clinics):
    page = clinics(**DESK).page
    assert page.get_attribute("#said", "role") == "status"
    page.focus('#choices [data-choice="right"]')
    page.keyboard.press("Enter")
    assert "The right label is right. 5 to go." in page.text_content("#said")
    assert page.evaluate("document.activeElement.id") == "case-title"
    assert page.text_content("#case-title").startswith("2.")


def test_it_is_kept_when_the_page_is_opened_again(clinics):
    shown = clinics(**DESK)
    press(shown, "ly")
    shown.page.reload()
    assert shown.page.text_content("#progress") == "1 of 6 decided"
    assert shown.page.text_content("[data-decided='0']") == "The left label is right"
    shown.page.click("#forget")
    shown.page.reload()
    assert shown.page.text_content("#progress") == "0 of 6 decided"


def test_what_others_keep_under_its_name_is_not_believed(clinics):
    shown = clinics(**DESK)
    for kept in ("{", '{"a": 1}', '[["x", "left"], [1]]', "[[null, null]]"):
        shown.page.evaluate(
            "kept => { const { kept_as } = JSON.parse("
            "document.getElementById('page-data').textContent);"
            "localStorage.setItem(kept_as, kept); }",
            kept,
        )
        shown.page.reload()
        assert shown.page.text_content("#progress") == "0 of 6 decided"
    assert shown.errors == []


def test_names_do_no_harm_and_nothing_is_asked_of_others(clinics):
    shown = clinics(**DESK)
    press(shown, "jjjjjkkk")
    for number in range(6):
        shown.page.click(f'[data-case="{number}"]')
        press(shown, "1")
    assert shown.page.evaluate("window.harmed") is None
    assert shown.errors == [] and shown.asked == []
    assert "49" not in shown.page.text_content("#classes")
    loaded = "[...document.images].every((each) => each.naturalWidth > 0)"
    shown.page.wait_for_function(loaded)


def test_without_scripts_all_cases_are_listed(clinics):
    page = clinics(**DESK, java_script_enabled=False).page
    assert len(page.query_selector_all("tbody tr")) == 6
    assert not page.is_visible("#case")
    assert page.is_visible("#decide noscript")


def test_of_many_classes_one_is_chosen_from_a_list(
    clinics, named, found, monkeypatch, tmp_path
):
    names = [*found.classes.damage_class, *(f"class {n}" for n in range(9))]
    many = dataclasses.replace(found, classes=pd.DataFrame({"damage_class": names}))
    monkeypatch.setattr(module, "audit", lambda *_, **__: many)
    shown = clinics(clinic(named, tmp_path / "many.html", progress=False), **DESK)
    press(shown, "1")
    assert shown.page.text_content("#progress") == "0 of 6 decided"
    shown.page.click('[data-case="3"]')
    assert shown.violations() == []
    shown.page.select_option("#classes select", "class:class 7")
    table = saved(shown, tmp_path)
    assert decided(table) == {found.suspects.sha256[1]: "relabel:class 7"}


# What was decided before


def test_decisions_from_before_are_saved_again_with_those_that_come(
    clinics, named, found, monkeypatch, tmp_path
):
    known, seen = tmp_path / "before.csv", {}
    row, pair = found.suspects.iloc[1], found.pairs.iloc[0]
    before = [
        ("label", row.sha256, "", "drop", "=a.jpeg", ""),
        ("pair", pair.sha256, pair.other_sha256, "copy", "", ""),
        ("label", "f" * 64, "", "keep", "gone.jpeg", ""),
    ]
    write_decisions(pd.DataFrame(before, columns=[*COLUMNS, *NAMES]), known)
    monkeypatch.setattr(module, "audit", lambda *_, **o: seen.update(o) or found)
    path = clinic(named, tmp_path / "next.html", decisions=known, progress=False)
    assert {row.sha256, "f" * 64} < set(seen["decisions"].photo)
    shown = clinics(path, **DESK)
    assert shown.page.text_content("#progress") == "0 of 5 decided"
    shown.page.click('[data-case="2"]')
    press(shown, "y")
    table = saved(shown, tmp_path)
    assert decided(table) == {row.sha256: "keep", "f" * 64: "keep"}
    assert list(table.decision) == ["keep", "copy", "keep"]
    assert list(table.image)[2] == "gone.jpeg"


# The function


def test_it_finds_what_was_put_there(photos, workspace, tmp_path):
    from PIL import Image

    some = photos[photos.damage_class.isin(["door_dent", "tail_lamp"])]
    some = some.groupby(["damage_class", "subset"]).head(2).reset_index(drop=True)
    one, other = some.index[some.subset == "T"][0], some.index[some.subset == "T"][-1]
    pixels = np.array(Image.open(some.image_path[one]))
    copy = tmp_path / "saved anew.jpeg"
    Image.fromarray(pixels).save(copy, quality=60)
    some.loc[len(some)] = [str(copy), some.damage_class[other], "T"]
    output = clinic(
        some, tmp_path / "clinic.html", workspace_path=workspace, progress=False
    )
    text = output.read_text("utf-8")
    assert sha256_of(copy) in text and sha256_of(some.image_path[one]) in text
    assert "Which label is right?" in text
    assert str(tmp_path) not in text


def test_a_place_that_cannot_be_written_is_refused_before_any_work(named, tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        clinic(named, tmp_path)


def test_where_nothing_is_in_doubt_the_page_says_so(
    clinics, named, found, monkeypatch, tmp_path
):
    none = {"pairs": found.pairs[:0], "suspects": found.suspects[:0]}
    empty = dataclasses.replace(found, **none)
    monkeypatch.setattr(module, "audit", lambda *_, **__: empty)
    shown = clinics(clinic(named, tmp_path / "c.html", progress=False), **DESK)
    assert "Nothing to decide" in shown.page.text_content(".lead")
    assert shown.errors == [] and shown.violations() == []
