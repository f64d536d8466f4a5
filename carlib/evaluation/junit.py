"""Results as JUnit's XML, which CI services show test by test."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from carlib.errors import printable_lines

_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(suite: str, cases: Sequence[tuple[str, bool, str]]) -> str:
    """Return results as a document of one test suite.

    Args:
        suite: Its name.
        cases: Of each its name, whether it passed, and what is to be said of it.

    Returns:
        The XML, with its declaration: to be written as UTF-8.
    """
    failures = str(sum(not passed for _, passed, _ in cases))
    counts = {"tests": str(len(cases)), "failures": failures, "errors": "0"}
    root = ET.Element("testsuites", counts)
    group = ET.SubElement(root, "testsuite", {"name": suite, "skipped": "0", **counts})
    for name, passed, said in cases:
        told = {"classname": suite.replace(" ", "."), "name": _text(name)}
        case = ET.SubElement(group, "testcase", told | {"time": "0"})
        if passed:
            ET.SubElement(case, "system-out").text = _text(said)
        else:
            first, _, _ = _text(said).partition("\n")
            failure = {"message": first, "type": "failed"}
            ET.SubElement(case, "failure", failure).text = _text(said)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _text(text: str) -> str:
    """Return a text of which XML can hold every character."""
    return _NO_XML.sub("\ufffd", printable_lines(text))
