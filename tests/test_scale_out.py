"""The optional notebook: clean, short, and it runs in a fresh kernel."""

import importlib

import pytest

from tests.test_notebook_style import NOTEBOOKS, Notebook, code_lines, words
from tests.test_notebooks import run

PATH = NOTEBOOKS / "optional" / "10_scale_out.ipynb"


@pytest.fixture(scope="module")
def notebook() -> Notebook:
    return Notebook(PATH)


def test_it_is_stripped_and_its_cells_are_short(notebook):
    assert not any(cell["outputs"] or cell["execution_count"] for cell in notebook.code)
    sizes = sorted(len(code_lines(cell)) for cell in notebook.code)
    assert sizes[len(sizes) // 2] <= 4 and sizes[-1] <= 15
    n_lines = sum(sizes)
    assert 8 * n_lines <= words(notebook.text) <= 25 * n_lines


def test_it_runs_only_when_it_is_asked_for(monkeypatch):
    monkeypatch.syspath_prepend(NOTEBOOKS)
    runner = importlib.import_module("run")
    assert PATH not in runner.choose(None)
    assert runner.choose(["10"]) == [PATH]


@pytest.mark.slow
def test_a_worker_is_killed_in_it_and_all_photos_have_their_features(tmp_path):
    result = run("--only", 10, "--data", "sample", "--workspace", tmp_path / "w")
    assert result.returncode == 0, result.stderr
    outputs = [
        "".join(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
        for cell in Notebook(tmp_path / "w" / "executed" / PATH.name).code
        for output in cell["outputs"]
    ]
    assert "(200, 1280)" in outputs and "True" in outputs
    assert "Checkpoint 10: 200 photos, 3 workers.\n" in outputs
    assert any("200 cached, 0 computed" in text for text in outputs)
