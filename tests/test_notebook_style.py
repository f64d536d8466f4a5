"""The notebooks' frame and budget, read from their JSON: no kernel, under a second."""

import ast
import json
import re
import statistics
from pathlib import Path

import pytest

from carlib.lessons.handover import MADE_BY

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
STEPS = ("Install", "Load", "Define", "Train", "Evaluate", "Save", "Consume", "Improve")
STEPS += ("Your photos",)
NAMES = [
    "01_install",
    "02_load_data",
    "03_define_pipeline",
    "04_train",
    "05_evaluate",
    "06_save_model",
    "07_consume_model",
    "08_improve_model",
    "09_your_own_photos",
]


class Notebook:
    """A notebook's cells, with their source as one text."""

    def __init__(self, path: Path):
        self.name, self.number = path.stem, path.name[:2]
        self.json = json.loads(path.read_text(encoding="utf-8"))
        self.cells = [c | {"source": "".join(c["source"])} for c in self.json["cells"]]
        self.code = [c for c in self.cells if c["cell_type"] == "code"]
        self.text = "\n\n".join(
            c["source"] for c in self.cells if c["cell_type"] == "markdown"
        )


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request) -> Notebook:
    return Notebook(request.param)


def code_lines(cell: dict) -> list[str]:
    lines = [line.strip() for line in cell["source"].splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def syntax(cell: dict) -> ast.Module:
    lines = cell["source"].splitlines()
    return ast.parse("\n".join(line for line in lines if not line.startswith("%%")))


def words(text: str) -> int:
    """Count words as a reader meets them: no addresses, no tags, nothing folded."""
    text = re.sub(r"<details>.*?</details>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|<[^>]+>", " ", text)
    return sum(bool(re.search(r"[A-Za-z]", word)) for word in text.split())


def section(text: str, start: str, end: str = r"\Z") -> str:
    found = re.search(rf"{start}(.*?)(?:{end})", text, flags=re.DOTALL)
    assert found, f"no {start}"
    return found[1]


def test_the_notebooks_are_there():
    assert [path.stem for path in PATHS] == NAMES


def test_a_notebook_opens_with_its_title_phase_tracker_reason_and_table(notebook):
    first = notebook.cells[0]
    assert first["cell_type"] == "markdown"
    lines = [line for line in first["source"].splitlines() if line]
    assert re.match(rf"# {notebook.number} · [A-Z][a-z]+ \w+", lines[0])
    assert lines[1].startswith(f"Step {int(notebook.number)} of {len(NAMES)} · ")
    assert lines[2].endswith("."), "why, in one sentence"
    assert "| You need | You will make |" in lines


def test_the_tracker_marks_this_phase_and_links_the_others(notebook):
    line = next(x for x in notebook.text.splitlines() if " → " in x)
    steps = line.partition(" · ")[2].split(" → ")
    here = NAMES.index(notebook.name)
    assert steps[here] == f"**{STEPS[here]}**"
    others = [f"[{s}]({n}.ipynb)" for s, n in zip(STEPS, NAMES, strict=True)]
    assert steps[:here] + steps[here + 1 :] == others[:here] + others[here + 1 :]


def test_what_you_will_do_is_what_you_did(notebook):
    plans = section(notebook.text, r"\*\*You will\*\*", r"\n\| ")
    recap = section(notebook.text, "## What you did", "\n## ")
    assert 3 <= plans.count("\n- ") <= 5
    assert recap.count("\n- ") == plans.count("\n- ")


def test_a_notebook_ends_with_three_questions_their_answers_and_a_way_on(notebook):
    last = notebook.cells[-1]["source"]
    asked = section(last, "## Three questions", "<details>")
    answered = section(last, "<summary>Answers</summary>", "</details>")
    assert re.findall(r"^(\d)\. \S", asked, re.M) == ["1", "2", "3"]
    assert len(re.findall(r"<li>\S.*</li>", answered)) == 3
    assert re.search(r"\]\(\d\d_\w+\.ipynb\)\s*\Z", last)


def test_the_second_cell_holds_the_parameters_and_no_other_does(notebook):
    tagged = [
        i
        for i, cell in enumerate(notebook.cells)
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    assert tagged == [1]


def test_parameters_are_literals_spelt_and_set_alike_everywhere():
    values: dict[str, set[str]] = {}
    for notebook in map(Notebook, PATHS):
        for statement in syntax(notebook.cells[1]).body:
            assert isinstance(statement, ast.Assign)
            (target,) = statement.targets
            assert target.id.isupper()
            values.setdefault(target.id, set()).add(
                repr(ast.literal_eval(statement.value))
            )
    assert all(len(found) == 1 for found in values.values()), values
    known = {"DATA", "WORKSPACE", "ARCH", "SECOND_ARCH", "WEIGHTS", "EPOCHS", "SEED"}
    known |= {"MY_PHOTOS"}
    assert values.keys() == known


def test_every_code_cell_is_introduced_by_prose(notebook):
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown", cell["source"]
            assert words(before["source"]) >= 5, before["source"]


def test_cells_are_short(notebook):
    on_purpose = [c for c in notebook.code if "error" in c["metadata"].get("tags", [])]
    lengths = [len(code_lines(c)) for c in notebook.code if c not in on_purpose]
    assert statistics.median(lengths) <= 4
    assert min(lengths) >= 1 and max(lengths) <= 15
    assert len(lengths) <= 30


def test_there_are_8_to_25_words_of_prose_a_line_of_code(notebook):
    solutions = re.findall(r"```python\n(.*?)```", notebook.text, re.DOTALL)
    texts = [*(cell["source"] for cell in notebook.code), *solutions]
    lines = sum(len(code_lines({"source": text})) for text in texts)
    assert 8 <= words(notebook.text) / lines <= 25, words(notebook.text) / lines


def test_cells_hold_no_machinery(notebook):
    """Loops, functions and error handling belong in carlib."""
    machinery = (
        *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.With),
        *(ast.For, ast.While, ast.If, ast.ListComp, ast.SetComp, ast.DictComp),
        ast.GeneratorExp,
    )
    for cell in notebook.code:
        nodes = list(ast.walk(syntax(cell)))
        assert not [n for n in nodes if isinstance(n, machinery)], cell["source"]
        names = {n.name for i in nodes if isinstance(i, ast.Import) for n in i.names}
        assert not any(name.startswith("matplotlib") for name in names)
        assert not re.search(r"^\s*!|\bplt\.|\bax\.", cell["source"], re.M)


def test_pictures_mute_their_value(notebook):
    for cell in notebook.code:
        if re.search(r"carlib\.(plot|show)_|\.plot\(", cell["source"]):
            assert cell["source"].endswith(";")


def test_the_last_code_cell_is_the_checkpoint(notebook):
    last = syntax(notebook.code[-1]).body[-1]
    assert isinstance(last, ast.Expr) and last.value.func.id == "print"
    assert f"Checkpoint {notebook.number}: " in notebook.code[-1]["source"]


def test_nothing_of_a_run_is_left(notebook):
    for cell in notebook.code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    for cell in notebook.cells:
        assert cell["metadata"].keys() <= {"tags"}
    assert notebook.json["metadata"].keys() == {"kernelspec"}
    assert notebook.json["metadata"]["kernelspec"]["name"] == "python3"


def test_cell_ids_are_as_nbstripout_leaves_them(notebook):
    ids = [cell["id"] for cell in notebook.cells]
    assert ids == [str(index) for index in range(len(ids))]


def test_prose_holds_no_result(notebook):
    """Results differ with data and backbone: cells print them, prose explains them."""
    assert not re.search(r"\d\s*(%|percent|per cent)", notebook.text)
    assert not re.search(r"accurac\w+ (of|is|was) \d", notebook.text)


def test_links_lead_to_files_and_pictures_say_what_they_show(notebook):
    for alt, target in re.findall(r"(!?\[[^\]]*\])\(([^)]+)\)", notebook.text):
        assert (NOTEBOOKS / target).is_file(), target
        if alt.startswith("!"):
            assert len(alt) > 20, f"no description of {target}"


def test_files_are_taken_up_from_the_notebooks_that_make_them(notebook):
    code = "\n".join(cell["source"] for cell in notebook.code)
    taken = re.findall(r"take_up\(\s*WORKSPACE,?([^)]*)\)", code)
    needed = set(re.findall(r'"([^"]+)"', "".join(taken)))
    made = set(
        re.findall(r'"([^"]+)"', "".join(re.findall(r"files\.add\((.*)\)", code)))
    )
    own = {name for name, (maker, _) in MADE_BY.items() if maker == notebook.name}
    assert made == own
    for name in own:
        assert set(MADE_BY[name][1]) <= needed | own
    for name in needed:
        assert MADE_BY[name][0] < notebook.name
