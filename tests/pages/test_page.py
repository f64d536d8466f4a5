"""A page that can't do harm: its policy, its escapes, its data."""

import base64
import hashlib
import json
import re

import pytest
from jinja2 import UndefinedError

from carlib.pages import page

FACTS = {
    "title": "</title><script>alert(1)</script>",
    "kicker": "{{ 7 * 7 }}",
    "sections": [("one", "<b>One</b>")],
}


@pytest.fixture(scope="module")
def text():
    data = {"photos": ["</script><script>alert(1)</script>", "\u2028 & '"]}
    return page.render("base.html.j2", FACTS, data)


def test_the_policy_lets_only_the_pages_own_style_and_script_run(text):
    policy = re.search(r'Content-Security-Policy" content="(.*?)">', text)[1]
    rules = dict(each.partition(" ")[::2] for each in policy.split("; "))
    assert rules["default-src"] == "&#39;none&#39;"
    assert rules["img-src"] == "data:"
    for name, tag in {"style-src": "style", "script-src": "script"}.items():
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[name] == f"&#39;sha256-{digest}&#39;"


def test_texts_are_escaped_and_templates_in_them_are_none(text):
    assert "<script>alert" not in text and "<b>One" not in text
    assert "&lt;/title&gt;&lt;script&gt;alert(1)" in text
    assert "{{ 7 * 7 }}" in text


def test_data_come_back_as_they_were_and_never_end_their_block(text):
    blocks = re.findall(r'id="page-data">(.*?)</script>', text)
    expected = ["</script><script>alert(1)</script>", "\u2028 & '"]
    assert json.loads(blocks[0]) == {"photos": expected}


def test_nothing_in_it_leads_outside_or_stands_in_line(text):
    assert not re.search(r"https?://|//[a-z]|\sstyle=|\son\w+=|javascript:", text)


def test_a_fact_that_is_missing_is_an_error_and_no_gap():
    with pytest.raises(UndefinedError, match="kicker"):
        page.render("base.html.j2", {"title": "a", "sections": []}, {})
