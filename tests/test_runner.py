"""The runner's order: side by side what can be, and never what waits for another.

Notebooks are made up here, beside a copy of the runner; their names are the workshop's,
for by these it knows who makes what.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
# Waits until a file is there; a notebook that is alone waits in vain.
WAIT = """\
import time
from pathlib import Path
until = time.monotonic() + 30
while not Path({name!r}).exists():
    assert time.monotonic() < until, {name!r}
    time.sleep(0.05)"""
NOTE = """\
import os
from pathlib import Path
Path("{name}").write_text(str(os.getpid()))"""
SLEEP = """\
import time
try:
    time.sleep(60)
finally:
    Path("{name}.end").touch()"""


def made(name: str) -> str:
    return f"from pathlib import Path\nPath({name!r}).touch()"


def took_up(name: str) -> str:
    return f'# files = carlib.take_up(WORKSPACE, "{name}")\n'


class Bench:
    """A folder with a copy of the runner and notebooks made up for a test."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copy(NOTEBOOKS / "run.py", folder)
        shutil.copytree(NOTEBOOKS / "runner", folder / "runner")

    def add(self, name: str, *cells: str) -> None:
        parameters = new_code_cell('WORKSPACE = "workspace"')
        parameters.metadata["tags"] = ["parameters"]
        done = new_code_cell(f'print("Checkpoint {name[:2]}: done")')
        body = [*map(new_code_cell, cells), done]
        notebook = new_notebook(cells=[new_markdown_cell("# 01"), parameters, *body])
        notebook.metadata.kernelspec = KERNEL
        nbformat.write(notebook, self.folder / f"{name}.ipynb")

    def start(self, *options: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, str(self.folder / "run.py"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        )

    def run(self, *options: str) -> tuple[int, str]:
        """Return the exit status, and what was said on stderr."""
        process = self.start(*options)
        _, said = process.communicate(timeout=120)
        return process.returncode, said

    def there(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def test_notebooks_that_need_nothing_of_each_other_run_side_by_side(bench):
    bench.add("01_install", made("one"), WAIT.format(name="two"))
    bench.add("02_load_data", WAIT.format(name="one"), made("two"))
    status, said = bench.run("--jobs", "2")
    assert status == 0, said
    pages = {path.name for path in (bench.folder / "workspace/executed").iterdir()}
    assert pages >= {"01_install.html", "02_load_data.html"}


def test_one_at_a_time_they_run_in_their_order(bench):
    gone = "from pathlib import Path\nassert Path('one').exists()"
    bench.add("01_install", "import time\ntime.sleep(1)", made("one"))
    bench.add("02_load_data", gone, made("two"))
    bench.add("03_define_pipeline", gone.replace("one", "two"))
    status, said = bench.run("--jobs", "1")
    assert status == 0, said
    assert [line[:2] for line in said.splitlines()] == ["01", "02", "03"]


def test_a_notebook_waits_for_what_it_takes_up_and_for_what_that_was_made_from(bench):
    """03 is between 02 and 05 by way of 04, which isn't among the chosen."""
    late = "import time\ntime.sleep(1)"
    bench.add("03_define_pipeline", late, made("trainer"))
    bench.add("04_train", "1 / 0")
    there = "from pathlib import Path\nassert Path('trainer').exists()"
    bench.add("05_evaluate", took_up("trained.zip") + there)
    status, said = bench.run("--jobs", "2", "--only", "03", "05")
    assert status == 0, said


def test_after_a_failure_none_is_begun_and_all_that_failed_is_told_in_order(bench):
    bench.add("01_install", WAIT.format(name="failed"), "raise ValueError('first')")
    bench.add("02_load_data", made("failed"), "raise ValueError('second')")
    bench.add("03_define_pipeline", took_up("photos.csv") + made("begun"))
    status, said = bench.run("--jobs", "2")
    assert status == 1
    first, second = said.index("ValueError: first"), said.index("ValueError: second")
    assert said.index("01_install.ipynb failed") < first < second
    assert "Traceback" not in said and "begun" not in bench.there()
    assert (bench.folder / "workspace/executed/02_load_data.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends it to the whole console")
def test_ctrl_c_stops_all_cells_and_ends_all_kernels(bench):
    for name in ("01_install", "02_load_data"):
        bench.add(name, NOTE.format(name=name), SLEEP.format(name=name))
    process = bench.start("--jobs", "2")
    kernels = [pid(bench.folder / name) for name in ("01_install", "02_load_data")]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "Stopped. Run it again to go on from what is cached."
    assert bench.there() >= {"01_install.end", "02_load_data.end"}
    for kernel in kernels:
        with pytest.raises(ProcessLookupError):
            os.kill(kernel, 0)


def pid(file: Path) -> int:
    """Wait for a kernel to write its number, and to sleep."""
    until = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, file
        time.sleep(0.05)
    time.sleep(0.5)
    return int(file.read_text())


def test_the_workshops_notebooks_wait_for_these(monkeypatch):
    monkeypatch.syspath_prepend(NOTEBOOKS)
    from runner.order import needs

    found = needs(sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")))
    numbers = {p.stem[:2]: "".join(sorted(n.stem[1] for n in found[p])) for p in found}
    assert numbers == {
        "01": "",
        "02": "",
        "03": "2",
        "04": "23",
        "05": "234",
        "06": "2345",
        "07": "23456",
        "08": "2345",
        "09": "2345",
    }


def test_fewer_than_one_at_a_time_are_refused(bench):
    bench.add("01_install")
    status, said = bench.run("--jobs", "0")
    assert (status, "Expected --jobs of 1 or more. Received: 0" in said) == (1, True)


def test_the_summary_names_the_folder_that_holds_all_photos(monkeypatch):
    monkeypatch.syspath_prepend(NOTEBOOKS)
    from runner.summary import _common

    flat = ["../data/sample/image/1.jpeg", "../data/sample/image/2.jpeg"]
    assert _common(flat) == Path("../data/sample")
    deep = ["mine/train/dent/far/1.jpeg", "mine/val/lamp/2.jpeg"]
    assert _common(deep) == Path("mine")
    assert _common(["1.jpeg"]) == Path()
