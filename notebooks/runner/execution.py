"""Execute notebooks by papermill, with one progress bar over all their cells."""

import base64
import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from carlib.files import write_text
from runner.checks import RunError, code_cells, first_line, on_stderr, problems

BAR = (
    "{desc:<20} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} cells, "
    "{elapsed} gone, {remaining} to go"
)
WIDGET = "application/vnd.jupyter.widget-view+json"


def declared_parameters(path: Path) -> set[str]:
    """Return the names in a notebook's `parameters` cell."""
    import papermill

    return set(papermill.inspect_notebook(_literal(path)))


def execute_all(
    wanted: Mapping[Path, Mapping[str, Any]], output: Path, timeout: int
) -> None:
    """Execute and check each notebook into the folder `output`.

    Args:
        wanted: The parameters for each notebook, in the order to run them.
        output: Folder for the executed notebooks; made if need be.
        timeout: Seconds that a cell may take.

    Raises:
        RunError: At the first notebook that failed, saying where and why.
    """
    output.mkdir(parents=True, exist_ok=True)
    total = sum(len(code_cells(nbformat.read(path, 4))) for path in wanted)
    injected = sum(bool(given) for given in wanted.values())
    with _surroundings(), _progress(total + injected) as bar:
        for path, given in wanted.items():
            bar.set_description_str(path.stem)
            started = time.monotonic()
            execute(path, given, output / path.name, timeout, bar)
            seconds = time.monotonic() - started
            bar.write(f"{path.stem:<20} {seconds:6.1f} s", sys.stderr)
            for line in others_said(output / path.name):
                bar.write(f"  a library, {line}", sys.stderr)


def others_said(executed: Path) -> list[str]:
    """Return what libraries wrote to stderr: it's told, and fails nothing."""
    cells = code_cells(nbformat.read(executed, 4))
    return [] if on_stderr(cells) else on_stderr(cells, ours=False)


def execute(
    path: Path, given: Mapping[str, Any], executed: Path, timeout: int, bar: tqdm
) -> None:
    """Execute one notebook, write its page and check it.

    Raises:
        RunError: It failed; as far as it came, it lies at `executed`.
    """
    wrong = _papermill(path, given, executed, timeout, bar)
    notebook = _tidy(nbformat.read(executed, 4), path, executed)
    write_text(executed, nbformat.writes(notebook))
    write_text(executed.with_suffix(".html"), _page(notebook))
    wrong = wrong or problems(notebook, marker=f"Checkpoint {path.name[:2]}")
    if wrong:
        lies = os.path.relpath(executed)
        raise RunError(
            f"{path.name} failed.\n"
            + "".join(f"  - {line}\n" for line in wrong)
            + f"As far as it came: {lies} and {Path(lies).with_suffix('.html').name}"
        )


def _papermill(
    path: Path, given: Mapping[str, Any], executed: Path, timeout: int, bar: tqdm
) -> list[str]:
    """Run a notebook in a fresh kernel; return what papermill finds wrong with it."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # we say it ourselves
    begun: list[str] = []
    try:
        papermill.execute_notebook(
            _literal(path),
            _literal(executed),
            dict(given),
            kernel_name="python3",
            progress_bar=False,
            cwd=path.parent,
            start_timeout=120,
            execution_timeout=timeout,
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            on_cell_execute=lambda cell, **_: begun.append(first_line(cell)),
            on_cell_executed=lambda **_: bar.update(),
        )
    except PapermillExecutionError as error:
        where = f"In [{error.exec_count}], `{first_line({'source': error.source})}`"
        what = f"{error.ename}: {error.evalue}".replace("\n", "\n    ")
        return [f"{where}:\n    {what}"]
    except DeadKernelError:
        where = f"In [{len(begun)}], `{begun[-1]}`"
        return [f"{where}: the kernel died. Was there enough memory?"]
    except CellTimeoutError:
        where = f"In [{len(begun)}], `{begun[-1]}`"
        return [f"{where}, took longer than {timeout:,} s (see --timeout)"]
    return []


def _literal(path: Path) -> str:
    """Shield braces, which papermill would take for a template."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _tidy(notebook: NotebookNode, path: Path, executed: Path) -> NotebookNode:
    """Drop what is of no use on another day or machine.

    A progress bar that reached its end says nothing, and as a widget it is a blank on a
    page without network. Papermill's notes hold absolute paths. Pictures go into the
    notebook, so that it can be moved.
    """
    notebook.metadata.pop("widgets", None)
    notebook.metadata.papermill.update(input_path=path.name, output_path=executed.name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
        else:
            _attach_pictures(cell, path.parent / "images")
    return notebook


def _attach_pictures(cell: NotebookNode, folder: Path) -> None:
    for name in re.findall(r"\]\(images/([^)]+\.svg)\)", cell.source):
        picture = base64.b64encode((folder / name).read_bytes()).decode("ascii")
        cell.setdefault("attachments", {})[name] = {"image/svg+xml": picture}
        cell.source = cell.source.replace(f"](images/{name})", f"](attachment:{name})")


def _page(notebook: NotebookNode) -> str:
    """Return a notebook as an HTML page that fetches nothing from anywhere."""
    from nbconvert import HTMLExporter

    copy = nbformat.from_dict(notebook)
    copy.metadata.title = copy.cells[0].source.partition("\n")[0].lstrip("# ")
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", cell.source)
    scripts = ("require_js", "mathjax", "mermaid_js", "mermaid_layout_elk_js")
    nowhere = {f"{name}_url": "data:," for name in scripts}
    return HTMLExporter(**nowhere).from_notebook_node(copy)[0]


@contextlib.contextmanager
def _progress(total: int) -> Iterator[tqdm]:
    """Yield a bar over all cells whose clock moves during a long one as well."""
    done = threading.Event()
    quiet = not sys.stderr.isatty()
    with tqdm(total=total, bar_format=BAR, smoothing=0, disable=quiet) as bar:

        def tick() -> None:
            while not done.wait(1):
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield bar
        finally:
            done.set()
            clock.join()


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """Give the kernels the same environment everywhere, and put ours back after."""
    changed = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # figures in cells
        "PYTHONUTF8": "1",  # on Windows too
        "JUPYTER_PREFER_ENV_PATH": "1",  # the python3 kernel of this environment
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no talk of frozen modules
    }
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
