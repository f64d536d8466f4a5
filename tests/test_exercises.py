"""Exercises: each has a place to answer, a check, and a solution that passes it."""

import ast
import importlib
import inspect
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from tests.test_notebook_style import PATHS, Notebook
from tests.test_notebooks import NOTEBOOKS, QUICK, run, shown

PLACE = re.compile(r"^(\w+) = \.\.\.(  #.*)?$", re.M)
SOLUTION = re.compile(r"<summary>Solution</summary>\s+```python\n(.*?)```", re.S)
ON_PURPOSE = """try:
    {code}
except Exception as error:
    print("On purpose:", type(error).__name__)
"""


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request) -> Notebook:
    return Notebook(request.param)


def tagged(notebook: Notebook, tag: str) -> list[int]:
    pairs = enumerate(notebook.cells)
    return [i for i, cell in pairs if tag in cell["metadata"].get("tags", [])]


def solution(notebook: Notebook, index: int) -> str:
    """The code in the folded solution below an exercise."""
    found = SOLUTION.search(notebook.cells[index + 1]["source"])
    assert found, f"no solution below {notebook.cells[index]['source']}"
    return found[1].strip()


def without_marks(source: str) -> str:
    """The code of an error on purpose, as it is when the # are taken away."""
    lines = source.splitlines()
    assert all(line.startswith("# ") for line in lines), source
    return "\n".join(line[2:] for line in lines)


def test_a_notebook_has_three_to_five_exercises_in_order(notebook):
    numbers = re.findall(r"^## Exercise (\d): \S", notebook.text, re.M)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert 3 <= len(numbers) <= 5
    assert len(numbers) == len(tagged(notebook, "exercise")) + 1
    assert len(tagged(notebook, "error")) == 1


def test_an_exercise_has_one_place_for_the_answer_its_check_and_a_solution(notebook):
    for index in tagged(notebook, "exercise"):
        source = notebook.cells[index]["source"]
        (place,) = PLACE.finditer(source)
        last = ast.parse(source).body[-1]
        assert isinstance(last, ast.Expr) and last.value.func.value.id == "check"
        names = {node.id for node in ast.walk(last) if isinstance(node, ast.Name)}
        assert place[1] in names, source
        assigned = [ast.unparse(s) for s in ast.parse(solution(notebook, index)).body]
        assert any(re.match(rf"{place[1]}\b.* = ", each) for each in assigned)


def test_each_check_is_asked_by_its_notebook_and_no_other_is_there(notebook):
    module = importlib.import_module(f"carlib.lessons.check_{notebook.number}")
    code = "\n".join(cell["source"] for cell in notebook.code)
    asked = set(re.findall(r"\bcheck\.(\w+)\(", code))
    own = {
        name
        for name, value in vars(module).items()
        if hasattr(value, "__wrapped__")
        and inspect.unwrap(value).__module__
        in (module.__name__, "carlib.lessons.verdict")
    }
    assert asked == own
    assert f"from carlib.lessons import check_{notebook.number} as check" in code


def test_an_error_on_purpose_waits_behind_a_mark_and_is_read_together(notebook):
    (index,) = tagged(notebook, "error")
    ast.parse(without_marks(notebook.cells[index]["source"]))
    assert "<summary>What it says</summary>" in notebook.cells[index + 1]["source"]


def solved(notebook: Notebook) -> nbformat.NotebookNode:
    """The notebook with every solution in its place, and its error on purpose."""
    made = nbformat.from_dict(notebook.json)
    for index in tagged(notebook, "exercise"):
        answer = solution(notebook, index)
        source = notebook.cells[index]["source"]
        made.cells[index].source = PLACE.sub(lambda _, answer=answer: answer, source)
    (index,) = tagged(notebook, "error")
    code = without_marks(notebook.cells[index]["source"]).replace("\n", "\n    ")
    made.cells[index].source = ON_PURPOSE.format(code=code)
    return made


@pytest.fixture(scope="module")
def executed(tmp_path_factory, sample) -> Path:
    """The folder of all notebooks, run with their solutions."""
    folder = tmp_path_factory.mktemp("solved")
    for name in ("runner", "images"):
        shutil.copytree(NOTEBOOKS / name, folder / name)
    shutil.copy(NOTEBOOKS / "run.py", folder)
    for path in PATHS:
        nbformat.write(solved(Notebook(path)), folder / path.name)
    workspace = folder / "workspace"
    script = folder / "run.py"
    result = run("--data", sample, *QUICK, "--workspace", workspace, script=script)
    assert result.returncode == 0, result.stdout + result.stderr
    return workspace / "executed"


@pytest.mark.slow
def test_the_solutions_are_right_and_the_errors_come(executed):
    for path in PATHS:
        notebook, made = Notebook(path), nbformat.read(executed / path.name, 4)
        said = shown(made)
        exercises = len(tagged(notebook, "exercise"))
        wrong = [line for line in said.splitlines() if line.startswith(("✗ N", "… N"))]
        assert not wrong, f"{path.stem}: {wrong}"
        assert len(re.findall("^✓ Right", said, re.M)) == exercises, path.stem
        assert "On purpose: " in said, path.stem
