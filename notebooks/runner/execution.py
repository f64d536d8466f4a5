"""Execute notebooks by papermill; those that need nothing of each other at once."""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from carlib.cores import usable_cores
from carlib.files import named_in_errors, write_text
from carlib.runtime import may_have_gpu
from runner import page
from runner.checks import RunError, code_cells, first_line, on_stderr, problems
from runner.kernels import Kernels
from runner.order import needs, side_by_side
from runner.progress import Progress, progress

HERE = Path(__file__).resolve().parent.parent


def at_a_time() -> int:
    """Return how many notebooks the machine bears: one takes all memory of a GPU."""
    return 1 if may_have_gpu() else usable_cores()


def declared_parameters(path: Path) -> set[str]:
    """Return the names in a notebook's `parameters` cell."""
    import papermill

    return set(papermill.inspect_notebook(_literal(path)))


def execute_all(
    wanted: Mapping[Path, Mapping[str, Any]], output: Path, timeout: int, jobs: int
) -> None:
    """Execute and check each notebook into the folder `output`.

    Args:
        wanted: The parameters for each notebook, in the order to run them.
        output: Folder for the executed notebooks; made if need be.
        timeout: Seconds that a cell may take.
        jobs: How many notebooks may run at a time.

    Raises:
        RunError: Notebooks that failed, saying where and why; none was begun after.
        OutputError: `output` can't be made.
    """
    with named_in_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    total = sum(len(code_cells(nbformat.read(path, 4))) for path in wanted)
    injected = sum(bool(given) for given in wanted.values())
    with (
        _surroundings(jobs),
        ThreadPoolExecutor(1) as pages,
        Kernels(HERE, len(wanted)) as kernels,
        progress(total + injected) as shown,
    ):
        run = _Run(output, timeout, kernels, shown, pages, [])

        def work(path: Path) -> None:
            with shown.of(path.stem):
                run.execute(path, wanted[path])
            shown.say(f"  a library, {line}" for line in run.others_said(path))

        side_by_side(needs(wanted), work, jobs, kernels)
        for written in run.written:
            written.result()


@dataclasses.dataclass(frozen=True)
class _Run:
    """What all notebooks of a run share.

    Attributes:
        output: Folder for the executed notebooks.
        timeout: Seconds that a cell may take.
        pages: Writes their pages: what waits for a notebook needn't wait for its page.
        written: The pages, perhaps on their way.
    """

    output: Path
    timeout: int
    kernels: Kernels
    shown: Progress
    pages: ThreadPoolExecutor
    written: list[Future]

    def execute(self, path: Path, given: Mapping[str, Any]) -> None:
        """Execute one notebook and check it; its page is written soon.

        Raises:
            RunError: It failed; as far as it came, it lies in `output`.
        """
        executed = self.output / path.name
        wrong = self._papermill(path, given, executed)
        notebook = page.tidy(nbformat.read(executed, 4), path, executed)
        write_text(executed, nbformat.writes(notebook))
        html = executed.with_suffix(".html")
        self.written.append(self.pages.submit(_write_page, notebook, html))
        wrong = wrong or problems(notebook, marker=f"Checkpoint {path.name[:2]}")
        if wrong:
            lies = Path(os.path.relpath(executed))
            raise RunError(
                f"{path.name} failed.\n"
                + "".join(f"  - {line}\n" for line in wrong)
                + f"As far as it came: {lies} and {html.name}"
            )

    def others_said(self, path: Path) -> list[str]:
        """Return what libraries wrote to stderr: it's told, and fails nothing."""
        cells = code_cells(nbformat.read(self.output / path.name, 4))
        return [] if on_stderr(cells) else on_stderr(cells, ours=False)

    def _papermill(
        self, path: Path, given: Mapping[str, Any], executed: Path
    ) -> list[str]:
        """Run a notebook in a fresh kernel; return what papermill finds wrong."""
        import papermill
        from nbclient.exceptions import CellTimeoutError
        from papermill.exceptions import PapermillExecutionError

        logging.getLogger("papermill").setLevel(logging.CRITICAL)  # we say it ourselves
        begun: list[str] = []
        try:
            with self.kernels.one() as kernel:
                papermill.execute_notebook(
                    _literal(path),
                    _literal(executed),
                    dict(given),
                    kernel_name="python3",
                    km=kernel,
                    progress_bar=False,
                    start_timeout=120,
                    execution_timeout=self.timeout,
                    on_cell_execute=lambda cell, **_: begun.append(first_line(cell)),
                    on_cell_executed=lambda **_: self.shown.cell(),
                )
        except PapermillExecutionError as error:
            where = f"In [{error.exec_count}], `{first_line({'source': error.source})}`"
            what = f"{error.ename}: {error.evalue}".replace("\n", "\n    ")
            return [f"{where}:\n    {what}"]
        except RuntimeError as error:  # it died, or never came up
            if not begun:
                return [f"no kernel began: {error}"]
            where = f"In [{len(begun)}], `{begun[-1]}`"
            return [f"{where}: the kernel died. Was there enough memory?"]
        except CellTimeoutError:
            where = f"In [{len(begun)}], `{begun[-1]}`"
            return [f"{where}, took longer than {self.timeout:,} s (see --timeout)"]
        return []


def _literal(path: Path) -> str:
    """Shield braces, which papermill would take for a template."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _write_page(notebook: NotebookNode, file: Path) -> None:
    write_text(file, page.html(notebook))


@contextlib.contextmanager
def _surroundings(jobs: int) -> Iterator[None]:
    """Give the kernels the same environment everywhere, and put ours back after."""
    changed = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # figures in cells
        "PYTHONUTF8": "1",  # on Windows too
        "JUPYTER_PREFER_ENV_PATH": "1",  # the python3 kernel of this environment
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no talk of frozen modules
    }
    # Kernels share the cores; otherwise the threads of one wait for another's.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        changed[name] = os.environ.get(name, str(max(1, usable_cores() // jobs)))
    for name in ("CARLIB_DATA", "KERAS_HOME"):  # given relative to where the person is
        if os.environ.get(name) and Path(os.environ[name]).exists():
            changed[name] = str(Path(os.environ[name]).resolve())
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
