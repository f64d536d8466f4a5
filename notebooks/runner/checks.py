"""What papermill lets pass, and the runner must not.

Papermill only warns of a parameter that no notebook has, calls a notebook that left by
`sys.exit(0)` a success, doesn't mind what is written to stderr, and marks cells as
completed that never ran. These checks look at what the cells themselves left behind.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

# A line on stderr that is the workshop's own: a warning that arose in carlib or in a
# cell, or an error that nobody caught. Whatever else stands there is a library's.
OURS = re.compile(r"(carlib[/\\]|ipykernel_\d|<stdin>|<string>).*Warning:|Traceback")


class RunError(Exception):
    """A notebook did not do what it should; the message is for a person."""


def check_parameters(given: Iterable[str], declared: Mapping[Path, set[str]]) -> None:
    """Refuse parameters that none of the notebooks has.

    Args:
        given: Names to be passed.
        declared: The names in each notebook's `parameters` cell.

    Raises:
        RunError: Naming each, with the nearest name there is.
    """
    known = sorted(set().union(*declared.values()))
    unknown = [_suggestion(name, known) for name in sorted(set(given) - set(known))]
    if unknown:
        where = ", ".join(path.stem for path in declared)
        raise RunError(
            f"No parameter of the notebooks to run: {', '.join(unknown)}.\n"
            f"{where} have {', '.join(known) or 'none'}."
        )


def _suggestion(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1)
    return f"{name} (did you mean {near[0]}?)" if near else name


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that a kernel has to run."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def first_line(cell: Mapping[str, Any]) -> str:
    """Return the first line of a cell's code that says something."""
    lines = [line for line in cell["source"].splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("#", "%%"))), lines[0])


def problems(notebook: NotebookNode, marker: str) -> list[str]:
    """List what is wrong with an executed notebook, in plain words.

    Args:
        notebook: As it came out of the run.
        marker: What the last code cell must have printed, at the start of a line.
    """
    cells = code_cells(notebook)
    left = [_left_early(cell) for cell in cells]
    if any(left):
        return [line for line in left if line]
    unfinished = [] if _finished(cells[-1], marker) else [_no_marker(cells[-1], marker)]
    return [*_not_in_order(cells), *on_stderr(cells), *unfinished]


def _left_early(cell: NotebookNode) -> str:
    error = next((o for o in cell.outputs if o.output_type == "error"), None)
    if error is None:
        return ""
    what = f"{error.ename}: {error.evalue}".rstrip(": ")
    after = "; the cells after it never ran" if error.ename == "SystemExit" else ""
    return f"In [{cell.execution_count}], `{first_line(cell)}`, ended in {what}{after}"


def _not_in_order(cells: list[NotebookNode]) -> list[str]:
    return [
        f"`{first_line(cell)}` should have run as In [{expected}], but "
        + (f"ran as In [{ran}]" if (ran := cell.execution_count) else "never ran")
        for expected, cell in enumerate(cells, start=1)
        if cell.execution_count != expected
    ]


def on_stderr(cells: list[NotebookNode], ours: bool = True) -> list[str]:
    """Return which cells wrote what to stderr, of the workshop's own or of the rest."""
    return [
        f"In [{cell.execution_count}], `{first_line(cell)}`, wrote to stderr: "
        + lines[0]
        + (f" (lines in all: {len(lines):,})" if lines[1:] else "")
        for cell in cells
        if (lines := _lines(_stream(cell, "stderr"), ours))
    ]


def _lines(text: str, ours: bool) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [line for line in lines if bool(OURS.search(line)) == ours]


def _finished(cell: NotebookNode, marker: str) -> bool:
    return any(line.startswith(marker) for line in _stream(cell, "stdout").splitlines())


def _no_marker(cell: NotebookNode, marker: str) -> str:
    return f"the last cell, `{first_line(cell)}`, did not print {marker!r}"


def _stream(cell: NotebookNode, name: str) -> str:
    streams = [o for o in cell.outputs if o.output_type == "stream" and o.name == name]
    return "".join("".join(output.text) for output in streams)
