"""Pages for teachers and learners: minutes add up, words are met where it's said."""

import re
from pathlib import Path

import numpy as np
import pytest

from carlib.lessons import check_01
from tests.test_notebook_style import PATHS, Notebook

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
TEACHING = (DOCS / "teaching.md").read_text("utf-8")
GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
NOTEBOOKS = {path.stem[:2]: Notebook(path) for path in PATHS}
ENTRY = re.compile(r"^- \*\*(.+?)\*\*: (.*?)\s+\[(\d\d)\]\((.*?)\)$", re.M | re.S)


def rows(pattern: str, text: str = TEACHING) -> list[tuple[str, ...]]:
    return re.findall(rf"^\| {pattern} \|$", text, re.M)


def minutes(clock: str) -> int:
    hours, _, rest = clock.partition(":")
    return 60 * int(hours) + int(rest)


def planned() -> dict[str, tuple[int, int, int, int]]:
    """For each notebook: minutes to read, exercises, all minutes, and their sum."""
    found = rows(r"(\d\d) [\w ]+ \| (\d+) \| (\d+) \| (\d+) \| (\d+)")
    return {number: tuple(map(int, rest)) for number, *rest in found}


def test_the_page_for_teachers_is_short_enough_to_be_read_the_night_before():
    assert len(TEACHING.splitlines()) <= 250


@pytest.mark.parametrize("page", ["teaching.md", "glossary.md"])
def test_every_link_leads_to_a_file(page):
    text = (DOCS / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links and [x for x in links if not (DOCS / x).exists()] == []


def test_every_make_target_is_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", TEACHING))
    assert named and [x for x in named if f"\n{x}:" not in makefile] == []


def test_the_minutes_to_read_are_those_of_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    table = re.findall(r"^\| \[(\d\d) · .*?\| (\d+) \| [^|]+\|$", readme, re.M)
    assert len(table) >= 8
    assert {n: planned()[n][0] for n, _ in table} == {n: int(m) for n, m in table}


def test_every_notebook_is_planned_with_its_exercises():
    counted = {n: len(re.findall("^## Exercise", x.text, re.M)) for n, x in by_number()}
    assert {number: plan[1] for number, plan in planned().items()} == counted


def by_number() -> list[tuple[str, Notebook]]:
    return sorted(NOTEBOOKS.items())


def test_the_minutes_add_up_with_three_to_five_for_an_exercise():
    total = 0
    for read, exercises, all_of_it, together in planned().values():
        total += all_of_it
        assert together == total
        assert 3 * exercises <= all_of_it - read <= 5 * exercises


@pytest.mark.parametrize("title, last", [("Half a day", "05"), ("A day", "09")])
def test_a_timetable_has_no_gap_and_gives_each_notebook_its_minutes(title, last):
    (part,) = re.findall(rf"### {title}: .*?\n(?=##)", TEACHING, re.S)
    hours = rows(r"(\d+:\d\d) \| (\d+:\d\d) \| (.+)", part)
    assert [end for _, end, _ in hours[:-1]] == [start for start, _, _ in hours[1:]]
    given = {
        what[:2]: minutes(end) - minutes(start)
        for start, end, what in hours
        if what[:2].isdigit()
    }
    assert given == {n: plan[2] for n, plan in planned().items() if n <= last}


@pytest.mark.parametrize(
    "quoted",
    [
        *(" isn't there: ", " makes it", "made from another "),
        *("the server's certificate is not trusted", "Not yet", "Data: "),
        "Expected one of these machines and Pythons",
    ],
)
def test_what_is_quoted_is_what_is_said(quoted):
    code = [*ROOT.glob("carlib/**/*.py"), *ROOT.glob("scripts/*.py")]
    assert quoted.strip() in TEACHING
    assert any(quoted in path.read_text("utf-8") for path in code)


def test_cross_validated_scores_are_those_of_the_benchmarks():
    text = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    table = re.findall(r"^\| (.+?) \| (0\.\d+) \| (0\.\d+) \(", text, re.M)
    known = {name: scores for name, *scores in table}
    said = re.findall(r"(?<![\d.])0\.\d{3}", TEACHING.partition("Cross-validated")[2])
    assert said[:2] == known["EfficientNetLite0, ML.NET's defaults"]
    joined = "EfficientNetLite0-layers with EfficientNetLite2-layers, `--recommended`"
    assert said[2:4] == known[joined]


def test_the_line_for_nbgrader_grades():
    (line,) = re.findall(r"`(assert .*?)`", TEACHING, re.S)
    pixels = np.arange(24).reshape(2, 4, 3)
    names = {"check": check_01, "pixels": pixels}
    exec(line, names | {"mirrored": pixels[:, ::-1]})
    with pytest.raises(AssertionError):
        exec(line, names | {"mirrored": ...})


def test_twelve_questions_are_answered():
    part = TEACHING.partition("## What people ask")[2].partition("\n## ")[0]
    asked = re.findall(r"^(\d+)\. \*\*.+?\?\*\* \S", part, re.M | re.S)
    assert asked == [str(number) for number in range(1, 13)]


def entries() -> list[tuple[str, str, str, str]]:
    return ENTRY.findall(GLOSSARY)


def test_words_are_sorted_and_explained_once_in_a_sentence_or_two():
    words = [word for word, *_ in entries()]
    assert words == sorted(set(words), key=str.casefold)
    assert len(words) == GLOSSARY.count("\n- ") and 20 <= len(words) <= 40
    for word, text, _, _ in entries():
        assert text.endswith(".") and len(re.findall(r"[.!?](?:\s|$)", text)) <= 2, word


@pytest.mark.parametrize("word, _, number, link", entries(), ids=lambda x: x[:18])
def test_a_word_is_met_in_italics_in_its_notebook_and_in_none_before(
    word, _, number, link
):
    assert link.startswith(f"../notebooks/{number}_")
    met = re.compile(rf"(?<!\*)\*{re.escape(word)}\*(?!\*)", re.I)
    first = next(n for n, x in by_number() if met.search(x.text))
    assert first == number
