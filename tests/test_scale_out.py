"""The optional notebook: clean, short, and it runs in a fresh kernel."""

import papermill
import pytest

from tests.test_notebook_style import NOTEBOOKS, Notebook, code_lines, words

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


@pytest.mark.slow
def test_a_worker_is_killed_in_it_and_all_photos_have_their_features(tmp_path):
    ran = tmp_path / PATH.name
    options = {"WORKSPACE": str(tmp_path / "w")}
    papermill.execute_notebook(
        PATH, ran, options, cwd=PATH.parent, progress_bar=False, kernel_name="python3"
    )
    outputs = [
        "".join(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
        for cell in Notebook(ran).code
        for output in cell["outputs"]
    ]
    assert "(200, 1280)" in outputs and "True" in outputs
    assert outputs[-1] == "Checkpoint 10: 200 photos, 3 workers.\n"
    assert any("200 cached, 0 computed" in text for text in outputs)
    assert (tmp_path / "w").is_dir()
