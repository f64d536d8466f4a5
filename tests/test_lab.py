"""The notebooks in JupyterLab itself: in a browser, by Run All and cell by cell.

Pictures of all of them lie in build/screenshots afterwards.
"""

import shutil
from pathlib import Path

import pytest

from tests.lab import Lab, errors, has_widgets, in_order, jupyterlab, pictures
from tests.test_notebook_style import NOTEBOOKS, PATHS

pytestmark = pytest.mark.slow
PICTURES = NOTEBOOKS.parent / "build" / "screenshots"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the notebooks, as somebody has cloned them."""
    folder = tmp_path_factory.mktemp("cloned") / "notebooks"
    shutil.copytree(
        NOTEBOOKS, folder, ignore=shutil.ignore_patterns("workspace", "__pycache__")
    )
    for path in folder.glob("*.ipynb"):  # the sample: quick, and everywhere the same
        text = path.read_text("utf-8").replace(
            'DATA = \\"auto\\"', 'DATA = \\"sample\\"'
        )
        path.write_text(text.replace("EPOCHS = 200", "EPOCHS = 30"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    with jupyterlab(folder, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


@pytest.fixture
def opened(browser, address, folder):
    labs = []

    def make(name, **options):
        labs.append(Lab(browser, address, folder / name, **options))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


@pytest.mark.parametrize("name", [path.name for path in PATHS])
def test_it_runs_fits_a_projector_and_is_whole_tomorrow(opened, name):
    lab = opened(name)
    lab.run_all()
    notebook = lab.saved()
    assert errors(notebook) == []
    assert in_order(notebook) and pictures(notebook) >= 1
    assert not has_widgets(notebook)
    assert lab.clipped() == []
    PICTURES.mkdir(parents=True, exist_ok=True)
    lab.picture(PICTURES / f"{Path(name).stem}-projector.png")
    lab.close()
    again = opened(name, size=(1440, 900), dark=True)
    assert "Error displaying widget" not in again.page.content()
    again.picture(PICTURES / f"{Path(name).stem}-laptop-dark.png")


@pytest.mark.parametrize("name", [path.name for path in PATHS[:5:4]])
def test_after_a_restart_cell_by_cell_it_does_the_same(opened, name):
    lab = opened(name)
    lab.restart()
    lab.step_through()
    notebook = lab.saved()
    assert errors(notebook) == [] and in_order(notebook)


def test_what_is_folded_unfolds(opened):
    page = opened(PATHS[0].name).page
    solution = page.locator("details", has_text="224 rows of 224 pixels")
    assert not solution.locator("p").first.is_visible()
    solution.locator("summary").click()
    assert solution.locator("p").first.is_visible()
