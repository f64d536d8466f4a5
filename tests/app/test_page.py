"""The page's own files."""

import collections
import re

from carlib.app import page


def test_the_scripts_share_no_name_so_that_they_can_be_one():
    declared = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.M)
    names = collections.Counter(declared.findall(page.joined_scripts()))
    assert [name for name, count in names.items() if count > 1] == []


def test_as_one_script_nothing_is_imported_or_exported_and_each_is_there():
    text = page.joined_scripts()
    assert not re.search(r"^(import|export) ", text, re.M)
    assert sorted(page.SCRIPTS) == sorted(p.name for p in page.FOLDER.glob("*.js"))


def test_each_script_uses_only_those_before_it():
    for number, name in enumerate(page.SCRIPTS):
        used = re.findall(r'from "\./([\w.]+)"', page.source(name))
        assert set(used) <= set(page.SCRIPTS[:number]), name


def test_names_go_in_as_text_and_nothing_is_asked_of_others():
    for name in page.SCRIPTS:
        text = page.source(name)
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
        )
        assert "://" not in text, name
    assert "://" not in page.source("index.html") + page.source(page.STYLE)
