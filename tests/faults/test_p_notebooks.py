"""P: notebooks that go wrong; the runner believes no exit code, only what it sees."""

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import carlib

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
SOURCES = {
    path: [
        "".join(cell["source"])
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    for path in PATHS
}


@pytest.fixture(autouse=True)
def at_hand(monkeypatch):
    """The runner can be imported, as beside the notebooks."""
    monkeypatch.syspath_prepend(str(NOTEBOOKS))


def ran(*cells: tuple[str, int | None, str, str]):
    """A notebook as it came out of a run: source, count, stream and text of a cell."""
    made = []
    for source, count, stream, text in cells:
        kind = {"name": stream, "text": text}
        out = [new_output("stream", **kind)] if text else []
        made.append(new_code_cell(source, execution_count=count, outputs=out))
    return new_notebook(cells=made)


LAST = ("print(1)", 2, "stdout", "Checkpoint 01: done\n")


def wrong(notebook) -> str:
    from runner.checks import problems

    return "\n".join(problems(notebook, "Checkpoint 01"))


class Papermill:
    """Stands in for papermill: notes what it is asked for, and does as it's told."""

    def __init__(self, monkeypatch, error=None):
        self.asked, self.error, self.folders = [], error, []
        monkeypatch.setattr("papermill.execute_notebook", self)
        monkeypatch.setattr("runner.execution.Kernels", self.kernels)

    @contextlib.contextmanager
    def kernels(self, folder, count):
        """None is needed where nothing runs; note where they would work."""
        self.folders.append(folder)
        kernel = contextlib.nullcontext
        nothing = lambda: None  # noqa: E731
        yield SimpleNamespace(one=kernel, interrupt=nothing, kill=nothing)

    def __call__(self, source, executed, parameters, **options):
        self.asked.append((Path(source), Path(executed), parameters, options))
        notebook = nbformat.read(source, 4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for count, cell in enumerate(cells, start=1):
            cell.execution_count = count
        marker = f"Checkpoint {Path(source).name[:2]}"
        cells[-1].outputs = [new_output("stream", name="stdout", text=marker)]
        notebook.metadata["papermill"] = {}
        nbformat.write(notebook, executed)
        if self.error:
            options["on_cell_execute"](cell={"source": "first()"})
            raise self.error


@pytest.fixture
def made_up(tmp_path) -> Path:
    """A notebook of two cells."""
    cells = [new_markdown_cell("# 01"), new_code_cell("first()"), new_code_cell("2")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "01_made_up.ipynb")
    return tmp_path / "01_made_up.ipynb"


def executed(path: Path, output: Path, timeout: int = 9) -> str:
    """What the runner says of a notebook that fails, or ""."""
    from runner.checks import RunError
    from runner.execution import execute_all

    try:
        execute_all({path: {}}, output, timeout, jobs=1)
    except RunError as error:
        return str(error)
    return ""


def test_p01_a_misspelt_parameter_is_refused_before_anything_runs():
    """A parameter that no notebook has is an error, with the one that may be meant."""
    from runner.checks import RunError, check_parameters
    from runner.execution import declared_parameters

    declared = {path: declared_parameters(path) for path in PATHS[2:4]}
    check_parameters({"EPOCHS", "WORKSPACE"}, declared)
    with pytest.raises(RunError, match=r"EPOHCS \(did you mean EPOCHS\?\)"):
        check_parameters({"EPOHCS", "WORKSPACE"}, declared)


def test_p02_a_cell_that_leaves_early_fails_the_notebook():
    """A cell that calls sys.exit(0) fails the notebook, whatever the exit code."""
    left = ran(("sys.exit(0)", 1, "", ""), ("print(1)", None, "", ""))
    left.cells[0].outputs = [
        new_output("error", ename="SystemExit", evalue="0", traceback=[])
    ]
    assert "SystemExit: 0; the cells after it never ran" in wrong(left)
    skipped = ran(("a()", 1, "", ""), ("b()", None, "", ""), LAST)
    assert "`b()` should have run as In [2], but never ran" in wrong(skipped)
    unmarked = ran(("a()", 1, "", ""), ("print(1)", 2, "stdout", "done\n"))
    assert "did not print 'Checkpoint 01'" in wrong(unmarked)
    assert wrong(ran(("a()", 1, "", ""), LAST)) == ""


def test_p03_a_kernel_that_dies_is_told_as_that(made_up, tmp_path, monkeypatch):
    """A kernel that dies, as without memory, is named with the cell it died in."""
    from nbclient.exceptions import DeadKernelError

    Papermill(monkeypatch, DeadKernelError("Kernel died"))
    says = executed(made_up, tmp_path / "out")
    assert "01_made_up.ipynb failed" in says
    assert "In [1], `first()`: the kernel died. Was there enough memory?" in says


def test_p04_a_cell_that_hangs_is_given_up(made_up, tmp_path, monkeypatch):
    """Each cell has a time limit, by default too, and is named if it takes longer."""
    import run
    from nbclient.exceptions import CellTimeoutError

    papermill = Papermill(monkeypatch, CellTimeoutError("timed out"))
    says = executed(made_up, tmp_path / "out", timeout=7)
    assert "In [1], `first()`, took longer than 7 s (see --timeout)" in says
    assert papermill.asked[0][3]["execution_timeout"] == 7
    assert 60 <= run.parser().parse_args([]).timeout < 86_400


def test_p05_the_folder_for_what_ran_is_made(made_up, tmp_path, monkeypatch):
    """Where executed notebooks go needn't be there: it is made."""
    Papermill(monkeypatch)
    output = tmp_path / "not" / "there yet"
    assert executed(made_up, output) == ""
    names = sorted(path.name for path in output.iterdir())
    assert names == ["01_made_up.html", "01_made_up.ipynb"]


def test_p06_it_makes_no_difference_where_one_stands(tmp_path, monkeypatch):
    """Notebooks run from any folder, without tricks with paths."""
    for path, cells in SOURCES.items():
        for source in cells:
            assert not re.search(r"sys\.path|chdir|__file__|%cd|%run", source), path
    help_text = subprocess.run(
        [sys.executable, str(NOTEBOOKS / "run.py"), "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert help_text.returncode == 0, help_text.stderr
    papermill = Papermill(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert executed(PATHS[0], tmp_path / "out") == ""
    assert papermill.folders == [NOTEBOOKS]


def test_p07_cells_run_again_give_the_same_and_without_inputs_say_what_to_run(
    sample, tmp_path, monkeypatch
):
    """Cells run twice make the same files; without inputs they say what to run."""
    monkeypatch.chdir(tmp_path)
    path = next(path for path in PATHS if path.name.startswith("02"))
    names, made = {}, []
    for _ in range(2):
        for source in SOURCES[path]:
            if "plot" in source or "show" in source:
                continue  # pictures take seconds, and leave no file
            exec(compile(source, path.name, "exec"), names)
            names |= {"DATA": str(sample), "WORKSPACE": "w"}
        made.append(Path("w/photos.csv").read_bytes())
    assert made[0] == made[1]
    with pytest.raises(carlib.DataError, match="Run 04_train, and come back"):
        carlib.take_up("w", "trained.zip")


def test_p08_the_kernel_is_this_environments_whatever_it_is_called_elsewhere(
    made_up, tmp_path, monkeypatch
):
    """Notebooks are kept for the kernel python3, and run on this environment's."""
    papermill = Papermill(monkeypatch)
    executed(made_up, tmp_path / "out")
    assert papermill.asked[0][3]["kernel_name"] == "python3"
    for path in PATHS:
        metadata = json.loads(path.read_text("utf-8"))["metadata"]
        assert metadata["kernelspec"]["name"] == "python3"


def test_p09_no_two_notebooks_write_the_same_file(tmp_path, monkeypatch):
    """Each notebook that runs goes to a file of its own, so that two may at once."""
    from runner.execution import execute_all

    papermill = Papermill(monkeypatch)
    execute_all({path: {} for path in PATHS}, tmp_path / "out", 9, jobs=1)
    targets = [target for _, target, *_ in papermill.asked]
    assert len(set(targets)) == len(PATHS) == 9
    assert {target.parent for target in targets} == {tmp_path / "out"}


def test_p10_a_notebook_is_never_executed_in_place(made_up, tmp_path, monkeypatch):
    """What was written by hand is never written over, even if the run dies half-way."""
    import run
    from runner.checks import RunError

    options = run.parser().parse_args(["--output", str(NOTEBOOKS)])
    with pytest.raises(RunError, match="would overwrite the notebooks"):
        run.run(options)
    Papermill(monkeypatch, OSError(28, "No space left on device"))
    before = made_up.read_bytes()
    with pytest.raises(OSError, match="No space"):
        executed(made_up, tmp_path / "out")
    assert made_up.read_bytes() == before


def test_p11_notebooks_are_kept_without_outputs_paths_or_secrets():
    """Notebooks hold no output, path or token; what is on stderr fails a run."""
    secret = r"(?i)(token|password|api_?key)\s*=|/(home|Users)/\w|[A-Z]:\\\\Users"
    for path in PATHS:
        text = path.read_text("utf-8")
        cells = json.loads(text)["cells"]
        assert all(not cell.get("outputs") for cell in cells)
        assert all(cell.get("execution_count") is None for cell in cells)
        assert not re.search(secret, text), path
    noisy = ran(("a()", 1, "stderr", "Traceback of something\n"), LAST)
    assert "`a()`, wrote to stderr: Traceback of something" in wrong(noisy)


BARE = """
import sys
sys.modules["ipywidgets"] = None
import numpy as np, pandas as pd
from tqdm.auto import tqdm
import carlib
rows = pd.DataFrame({"damage_class": list("aab"), "subset": list("TVT")})
carlib.plot_class_balance(rows).figure.savefig(sys.argv[1])
print(sum(tqdm(range(3))))
"""


def test_p12_without_a_display_or_widgets_figures_and_bars_still_come(tmp_path):
    """No display, no backend named, no ipywidgets: figures are made, bars are text."""
    hidden = ("DISPLAY", "MPLBACKEND", "WAYLAND_DISPLAY")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    result = subprocess.run(
        [sys.executable, "-c", BARE, str(tmp_path / "figure.png")],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (result.returncode, result.stdout) == (0, "3\n"), result.stderr
    assert "3/3" in result.stderr
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_p13_no_cell_is_meant_to_fail_and_each_question_has_its_answer():
    """No cell is meant to fail or left open, and each question has its answer."""
    for path, cells in SOURCES.items():
        for source in cells:
            ast.parse(re.sub(r"(?m)^%.*$", "", source))
            assert not re.search(r"\.\.\.\s*$|NotImplemented|TODO", source), path
        text = path.read_text("utf-8")
        assert "raises-exception" not in text
        last = "".join(json.loads(text)["cells"][-1]["source"])
        assert last.count("<li>") == len(re.findall(r"(?m)^\d\. ", last)) == 3


def test_p14_the_first_notebook_shows_versions_and_needs_no_set_up_of_its_own():
    """Notebook 01 tells versions, data and network; no cell installs anything."""
    first = "\n".join(SOURCES[PATHS[0]])
    for needed in ("version", "locate_data", "resolve_arch", "Checkpoint 01"):
        assert needed in first
    everything = "\n".join(sum(SOURCES.values(), []))
    assert not re.search(r"pip install|conda install|!\w", everything)
    assert "requirements.txt" in (ROOT / "environment.yml").read_text("utf-8")


QUIET = """
import os, sys, time
heard = []
def hear(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "os.mkdir")):
        heard.append(event)
    if event == "open" and set(str(arguments[1] or "r")) & set("wxa+"):
        heard.append(arguments[0])
sys.dont_write_bytecode = True
sys.addaudithook(hear)
started = time.perf_counter()
import carlib
seconds = time.perf_counter() - started
if heard or "tensorflow" in sys.modules or seconds > 2:
    sys.exit(f"{heard} in {seconds} s")
"""


def test_p15_importing_carlib_does_nothing_but_that(tmp_path):
    """Importing carlib prints, writes and fetches nothing, and takes no time."""
    result = subprocess.run(
        [sys.executable, "-c", QUIET],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
