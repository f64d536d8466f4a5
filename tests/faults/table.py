"""List the tests of the fault catalogue in README.md: case, expectation, test.

    python -m tests.faults.table

A case is a letter and a number, such as e04; a test of it is a function test_e04_… in
a file of this folder, and its docstring's first line is the expectation.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
README = FOLDER / "README.md"
NAME = re.compile(r"test_([a-z])(\d\d)_\w+")
COUNTS = {
    **{"a": 30, "b": 12, "c": 26, "d": 17, "e": 17, "f": 15, "g": 14, "h": 8},
    **{"n": 68, "p": 15, "r": 49, "z": 6},
}
# Numbers that stand for no case.
NONE = {"n34", "n46", "n50", "n52", "n56", "r33", "r42", "r43", "r44"}
SUBJECTS = {
    "a": "The index",
    "b": "Labels and splits",
    "c": "Photo files",
    "d": "Downloads and zips of data",
    "e": "The cache of features",
    "f": "Training and evaluation",
    "g": "The saved model",
    "h": "Exports",
    "n": "What an attacker or an unlucky user would do",
    "p": "Notebooks",
    "r": "What people reported of programs of this kind",
    "z": "The environment",
}
# Cases that have no test yet, and why.
LATER = {
    "r40": "two cores can't show what many do; limits of a container are heeded",
    "r45": "a model that keeps its converted network, so that it starts at once",
}

HEAD = """# Faults

What goes wrong in the world, and what is expected of carlib then: a case a line, each
held by one test. Made by `python -m tests.faults.table`, from the tests' names and
docstrings.
"""


@dataclass(frozen=True, order=True)
class Case:
    """One case and the test that holds it."""

    case: str
    expectation: str
    test: str
    file: str


def cases(folder: Path = FOLDER) -> list[Case]:
    """Return all cases that have a test, by letter and number."""
    found = []
    for path in folder.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (name := NAME.match(node.name)):
                says = (ast.get_docstring(node) or "").partition("\n")[0]
                found.append(Case(name[1] + name[2], says, node.name, path.name))
    return sorted(found)


def expected() -> set[str]:
    """Return the cases that each must have a test."""
    return {
        f"{letter}{number:02}"
        for letter, count in COUNTS.items()
        for number in range(1, count + 1)
    } - NONE


def text() -> str:
    """Return what README.md must hold."""
    found = cases()
    letters = sorted({each.case[0] for each in found} | {case[0] for case in LATER})
    return "\n".join([HEAD, *(_section(letter, found) for letter in letters)])


def _section(letter: str, found: list[Case]) -> str:
    lines = {each.case + each.test: _line(each) for each in found}
    lines |= {
        case: f"| {case.upper()} | {why} | later |" for case, why in LATER.items()
    }
    own = [lines[key] for key in sorted(lines) if key[0] == letter]
    subject = SUBJECTS.get(letter, "Others")
    head = [f"## {letter.upper()}. {subject}", "", "| Case | Expectation | Test |"]
    return "\n".join([*head, "|---|---|---|", *own, ""])


def _line(each: Case) -> str:
    says = each.expectation.replace("|", "\\|")
    behaviour = each.test.removeprefix(f"test_{each.case}_").replace("_", " ")
    return f"| {each.case.upper()} | {says} | [{behaviour}]({each.file}) |"


if __name__ == "__main__":
    README.write_text(text(), "utf-8")
